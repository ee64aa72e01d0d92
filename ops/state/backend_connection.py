"""Prepares the connection to a backend: writes its certificate to a file, and opens its database to this machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import Stack
from ops.state.backend_document import BackendDocument
from ops.state.database_access import open_while_running
from pulumi_state.variables import ROOT_CERTIFICATE


def connect(
    stack: Stack, environ: Mapping[str, str], document: BackendDocument, own_key: tuple[str, str] = ("", "")
) -> dict[str, str]:
    """The variables that an engine and a store need to reach the backend of ``document``.

    ``own_key``: the user's key, for a bucket without one. Raises OpsError if the database has to be opened to this
    machine and its address is unknown.
    """
    variables = dict(document.environment(own_key))
    if document.certificate:
        variables[ROOT_CERTIFICATE] = str(_certificate_file(stack.project_dir, document.certificate))
    if document.open_instance:
        open_while_running(stack, environ, document.open_instance)
    return variables


def _certificate_file(project_dir: Path, certificate: str) -> Path:
    """The file is named by its content, so that processes with different certificates do not interfere."""
    content = certificate.encode()
    path = project_dir / ".local" / "certificates" / f"{hashlib.sha256(content).hexdigest()[:16]}.pem"
    if not path.exists():
        written = path.with_suffix(f".{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            written.write_bytes(content)
            written.replace(path)
        except OSError as error:
            raise OpsError(f"{path} cannot be written: {error.strerror}", ExitCode.ENVIRONMENT) from error
    return path
