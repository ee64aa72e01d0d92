"""Where a stack's state is kept and which passphrase protects its secrets.

Local stacks need nothing from the user: their state lies in the project's ``.local`` folder, and their
passphrase is public, as are their keys; whatever the user has set in the environment wins. For the others a secret
of Scaleway's Secret Manager says it all, and another backend than the stack's own is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import Stack
from ops.state.place import Kind, place_of

BACKEND_URL = "PULUMI_BACKEND_URL"
PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - the variable's name
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"  # noqa: S105 - the variable's name
LOCAL_PASSPHRASE = "local-not-a-secret"  # noqa: S105 - local stacks hold nothing secret


def local_state_dir(project_dir: Path) -> Path:
    return project_dir / ".local" / "state"


def local_backend_url(project_dir: Path) -> str:
    return f"file://{local_state_dir(project_dir)}"


@contextmanager
def own_environment() -> Iterator[Mapping[str, str]]:
    """For work on one stack after another, each of which has a backend and a passphrase of its own.

    What the block sets in the environment is undone after it; gives the environment as it was before.
    """
    before = dict(os.environ)
    try:
        yield before
    finally:
        os.environ.clear()
        os.environ.update(before)


def prepare(stack: Stack, environ: MutableMapping[str, str]) -> None:
    """Complete the environment in which an engine runs on the stack.

    Raises OpsError when the stack's backend or passphrase cannot be found, or the user has set another backend.
    """
    place = place_of(stack)
    if place.kind is Kind.FILE:
        if BACKEND_URL not in environ:
            local_state_dir(stack.project_dir).mkdir(parents=True, exist_ok=True)
            environ[BACKEND_URL] = local_backend_url(stack.project_dir)
        if PASSPHRASE not in environ and PASSPHRASE_FILE not in environ:
            environ[PASSPHRASE] = LOCAL_PASSPHRASE
    elif place.kind is Kind.UNKNOWN:
        _require(stack, environ)
    else:
        from ops.state.reach import enter

        enter(stack, place, environ)


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
