"""The environment variables with which an engine reaches a stack's backend and decrypts its secrets.

Local stacks need no configuration: their state is in the project's ``.local`` folder, and their passphrase and keys are
public; variables that the user has set take precedence. For other stacks the variables come from a secret in Secret
Manager, and any other backend is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import LOCAL_PASSPHRASE, Stack
from ops.state.backend import BackendKind, backend_of
from pulumi_state.variables import BACKEND_URL, PASSPHRASE, PASSPHRASE_FILE


def local_state_dir(project_dir: Path) -> Path:
    return project_dir / ".local" / "state"


def local_backend_url(project_dir: Path) -> str:
    return f"file://{local_state_dir(project_dir)}"


def backend_environment(stack: Stack, environ: Mapping[str, str], *, reads: bool = False) -> dict[str, str]:
    """The environment with the stack's backend, passphrase and keys.

    ``reads``: the state is only read, so a login for reading is used if there is one. Raises OpsError if the backend or
    passphrase is unknown, or the user has set another backend.
    """
    backend, environ = backend_of(stack), dict(environ)
    if backend.kind is BackendKind.FILE:
        if BACKEND_URL not in environ:
            local_state_dir(stack.project_dir).mkdir(parents=True, exist_ok=True)
            environ[BACKEND_URL] = local_backend_url(stack.project_dir)
        if PASSPHRASE not in environ and PASSPHRASE_FILE not in environ:
            environ[PASSPHRASE] = LOCAL_PASSPHRASE
    elif backend.kind is BackendKind.UNKNOWN:
        _require(stack, environ)
    else:
        from ops.state.backend_lookup import variables_of

        environ |= variables_of(stack, backend, environ, reads=reads)
    return environ


def _require(stack: Stack, environ: Mapping[str, str]) -> None:
    # Otherwise Pulumi would use the backend of Pulumi.yaml, which is that of the local stacks.
    if BACKEND_URL not in environ:
        raise OpsError(
            f"The backend of {stack.name} is unknown: set {BACKEND_URL} to its database, s3:// bucket or file:// "
            "folder.",
            ExitCode.ENVIRONMENT,
        )
    has_passphrase = PASSPHRASE in environ or PASSPHRASE_FILE in environ
    if stack.secrets_provider == "passphrase" and not has_passphrase:
        raise OpsError(
            f"The passphrase of {stack.name}, which decrypts the secrets in its state, is missing: set {PASSPHRASE}, "
            f"or set {PASSPHRASE_FILE} to a file that contains it.",
            ExitCode.ENVIRONMENT,
        )
