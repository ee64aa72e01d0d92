"""Prepares a backend connection: writes the certificate to a file and allows this machine to reach the database."""

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
    """The variables that an engine and a store need to connect to the backend in ``document``.

    ``own_key`` is the user's key, used for a bucket if the document contains no key. Raises OpsError if this machine's
    address must be added to the database's ACL but is unknown.
    """
    variables = variables_for(stack, document, own_key)
    if document.open_instance:
        open_while_running(stack, environ, document.open_instance)
    return variables


def variables_for(stack: Stack, document: BackendDocument, own_key: tuple[str, str] = ("", "")) -> dict[str, str]:
    """The same variables, without changing a database's ACL."""
    variables = dict(document.environment(own_key))
    if document.certificate:
        variables[ROOT_CERTIFICATE] = str(_certificate_file(stack.project_dir, document.certificate))
    return variables


def _certificate_file(project_dir: Path, certificate: str) -> Path:
    """Write the certificate to a file named after its hash, which isolates processes with different certificates."""
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
