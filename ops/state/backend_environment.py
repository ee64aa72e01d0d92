"""Where a stack's state is kept and which passphrase protects its secrets.

Local stacks need nothing from the user: their state lies in the project's ``.local`` folder, and their
passphrase is public, as are their keys; whatever the user has set in the environment wins. For the others a secret
of Scaleway's Secret Manager says it all, and another backend than the stack's own is refused.
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


def completed(stack: Stack, environ: Mapping[str, str], *, reads: bool = False) -> dict[str, str]:
    """The environment in which an engine runs on the stack: with its backend, passphrase and keys.

    ``reads``: nothing is to be written, so that a reader's login is used where there is one.
    Raises OpsError when the stack's backend or passphrase cannot be found, or the user has set another backend.
    """
    place, environ = backend_of(stack), dict(environ)
    if place.kind is BackendKind.FILE:
        if BACKEND_URL not in environ:
            local_state_dir(stack.project_dir).mkdir(parents=True, exist_ok=True)
            environ[BACKEND_URL] = local_backend_url(stack.project_dir)
        if PASSPHRASE not in environ and PASSPHRASE_FILE not in environ:
            environ[PASSPHRASE] = LOCAL_PASSPHRASE
    elif place.kind is BackendKind.UNKNOWN:
        _require(stack, environ)
    else:
        from ops.state.backend_lookup import variables_of

        environ |= variables_of(stack, place, environ, reads=reads)
    return environ


def _require(stack: Stack, environ: Mapping[str, str]) -> None:
    # Without it Pulumi would take Pulumi.yaml's backend, the local stacks', and find none of what exists.
    if BACKEND_URL not in environ:
        raise OpsError(
            f"Where the state of stack {stack.name} is kept is not known: set {BACKEND_URL} to its database, "
            "s3:// bucket or file:// folder.",
            ExitCode.ENVIRONMENT,
        )
    has_passphrase = PASSPHRASE in environ or PASSPHRASE_FILE in environ
    if stack.secrets_provider == "passphrase" and not has_passphrase:
        raise OpsError(
            f"The passphrase of stack {stack.name} is missing: set {PASSPHRASE}, or {PASSPHRASE_FILE} to a file "
            "that holds it. It decrypts the secrets in the stack's state.",
            ExitCode.ENVIRONMENT,
        )
