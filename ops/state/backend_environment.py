"""The environment variables that an engine needs to connect to a stack's backend and decrypt its secrets.

Local stacks need no configuration: their state is in the project's ``.local`` folder, and their passphrase and keys are
public. Variables set by the user take precedence. For other stacks, the variables come from a secret in Secret Manager,
and any other backend is rejected.
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
    """The environment, including the stack's backend, passphrase and keys.

    With ``reads``, the state is only read, and a read-only login is used if available. Raises OpsError if the backend
    or passphrase is unknown, or if the user has set a different backend.
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
    # Otherwise Pulumi would use the backend in Pulumi.yaml, which belongs to the local stacks.
    if BACKEND_URL not in environ:
        raise OpsError(
            f"The backend of {stack.name} is unknown: set {BACKEND_URL} to its database, s3:// bucket or file:// "
            "folder.",
            ExitCode.ENVIRONMENT,
        )
    has_passphrase = PASSPHRASE in environ or PASSPHRASE_FILE in environ
    if stack.secrets_provider == "passphrase" and not has_passphrase:
        raise OpsError(
            f"The passphrase for the secrets in the state of {stack.name} is missing: set {PASSPHRASE}, or set "
            f"{PASSPHRASE_FILE} to a file that contains it.",
            ExitCode.ENVIRONMENT,
        )
