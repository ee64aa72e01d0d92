"""A local copy of a read-only state. The Pulumi CLI cannot open a database without permission to create tables."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from pulumi_state.store import StoreError, layout, open_store
from pulumi_state.variables import BACKEND_URL

_COPIED = (layout.META, ".pulumi/stacks/", ".pulumi/locks/")
"""Prefixes of everything except history and backups."""


def with_private_copy(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, with a database backend replaced by a copy of it in a folder that is deleted at exit.

    Only the current user can read the folder; secrets stay encrypted. Raises OpsError.
    """
    if not environ[BACKEND_URL].startswith(("postgres://", "postgresql://")):
        return dict(environ)
    folder = tempfile.mkdtemp(prefix="snu-state-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = f"file://{folder}"
    try:
        source, target = open_store(environ[BACKEND_URL], environ), open_store(url, {})
        for prefix in _COPIED:
            for entry in source.entries(prefix):
                if item := source.read(entry.key):
                    target.write(entry.key, item.content)
        source.close()
    except StoreError as error:
        raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
    return {**environ, BACKEND_URL: url}
