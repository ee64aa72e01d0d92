"""The environment variables that an engine needs to connect to a stack's backend and decrypt its secrets.

Local stacks need no configuration: their state is in the project's ``.local`` folder, and their passphrase and keys are
public. Variables set by the user take precedence, except for the backend of another checkout, which is rejected. For
other stacks, the variables come from a secret in Secret Manager, and any other backend is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import LOCAL_PASSPHRASE, Stack
from ops.state.backend import BackendKind, backend_of
from pulumi_state.store import address_of
from pulumi_state.store.address import folder_of
from pulumi_state.variables import BACKEND_URL, PASSPHRASE, PASSPHRASE_FILE


def local_state_dir(project_dir: Path) -> Path:
    return project_dir / ".local" / "state"


def local_backend_url(project_dir: Path) -> str:
    return f"file://{local_state_dir(project_dir)}"


def is_of_another_checkout(backend_url: str, project_dir: Path) -> bool:
    """Whether a backend is the default one of another project's local stacks, as exported by its ``snu local env``."""
    if not backend_url.startswith("file://"):
        return False
    folder = folder_of(backend_url).resolve()
    other = folder.parents[1] if len(folder.parents) > 1 else folder
    return folder == local_state_dir(other) and other != project_dir.resolve() and (other / "Pulumi.yaml").is_file()


def backend_environment(stack: Stack, environ: Mapping[str, str], *, reads: bool = False) -> dict[str, str]:
    """The environment, including the stack's backend, passphrase and keys.

    With ``reads``, the state is only read, and a read-only login is used if available. Raises OpsError if the backend
    or passphrase is unknown, or if the user has set a different backend.
    """
    backend, environ = backend_of(stack), dict(environ)
    if backend.kind is BackendKind.FILE:
        _refuse_another_checkout(stack, environ)
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


def _refuse_another_checkout(stack: Stack, environ: Mapping[str, str]) -> None:
    url = environ.get(BACKEND_URL, "")
    if is_of_another_checkout(url, stack.project_dir):
        raise OpsError(
            f"{BACKEND_URL} is {address_of(url)}, the backend of another checkout, but the state of {stack.name} is in "
            f"{local_backend_url(stack.project_dir)}. Nothing was changed. Run: unset {BACKEND_URL}",
            ExitCode.ENVIRONMENT,
        )


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
