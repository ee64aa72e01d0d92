"""Takes a preview environment down and verifies that nothing is left on Scaleway."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.previews import metadata
from ops.previews.cloud import Cloud, CloudObject
from ops.previews.inventory import list_previews
from ops.previews.metadata import PreviewMetadata
from ops.previews.parent import Parent
from ops.previews.stack import PreviewStack, remove_files
from ops.report.progress import progress_for
from ops.session import Options

_PURPOSE = "snu env down"


@dataclass(frozen=True)
class RemovalResult:
    """The result of taking an environment down."""

    existed: bool
    metadata: PreviewMetadata | None
    """None if unknown."""
    kept: bool = False
    """Whether it was kept because its pull request is still eligible."""


def take_down(
    parent: Parent,
    cloud: Cloud,
    name: str,
    engine: EngineChoice,
    lock_timeout: float,
    is_eligible: Callable[[], bool] = lambda: False,
    on_removed: Callable[[], None] = lambda: None,
) -> RemovalResult:
    """Wait for the environment's lock, then take it down unless it has become eligible.

    ``on_removed`` is called before the lock is released. Raises OpsError listing any objects that are left.
    """
    previews = list_previews(parent, cloud.list_objects(), name)
    stack = PreviewStack.open(parent, name, engine, validate=False)
    options = Options(yes=True, lock_timeout=lock_timeout)
    with stack.session.locked(_PURPOSE, options):
        known = metadata.read(parent.store, parent.project, name)
        if is_eligible():
            return RemovalResult(bool(previews), known, kept=True)
        # List again, because the run that held the lock may have created the environment.
        if not list_previews(parent, cloud.list_objects(), name):
            remove_files(parent, name)
            on_removed()
            return RemovalResult(bool(previews), known)
        destroy_locked(stack, cloud, options)
        forget_locked(stack, cloud)
        on_removed()
    return RemovalResult(True, known)


def destroy_locked(stack: PreviewStack, cloud: Cloud, options: Options) -> None:
    """Stop all runs and delete all resources in the state. The caller must have locked the stack. Raises OpsError."""
    cloud.stop_runs(stack.name)
    if stack.state is None:
        return
    stack.recover()
    stack.destroy(options)


def forget_locked(stack: PreviewStack, cloud: Cloud) -> None:
    """Wait until nothing is left on Scaleway, then delete the locked stack's state. Raises OpsError."""
    with progress_for(sys.stdout) as progress:
        left = cloud.wait_until_gone([stack.name], progress)
    require_removed(stack.name, left)
    stack.forget()


def require_removed(name: str, left: Iterable[CloudObject]) -> None:
    """Raises OpsError if any objects are left on Scaleway."""
    listed = "".join(f"\n  {each} ({each.id})" for each in left)
    if listed:
        raise OpsError(
            f"{name}: all resources in its state were deleted, but these still exist in the cloud:{listed}\n"
            "Run `scripts/snu env sweep --yes` to remove them.",
            ExitCode.FAILED,
        )
