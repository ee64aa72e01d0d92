"""Takes a preview environment down, and looks in the cloud whether it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.previews import metadata as abouts
from ops.previews.cloud import Cloud, CloudObject
from ops.previews.inventory import look
from ops.previews.metadata import PreviewMetadata
from ops.previews.parent import Parent
from ops.previews.stack import PreviewStack, remove_files
from ops.report.progress import progress_for
from ops.session import Options

_PURPOSE = "snu env down"


@dataclass(frozen=True)
class RemovalResult:
    """What became of it."""

    was_there: bool
    about: PreviewMetadata | None
    """What it was made for, where that was known."""
    kept: bool = False
    """Whether it was left as it is, being wanted."""


def take_down(
    parent: Parent,
    cloud: Cloud,
    name: str,
    engine: EngineChoice,
    lock_timeout: float,
    is_wanted: Callable[[], bool] = lambda: False,
) -> RemovalResult:
    """Wait for whoever has locked it, and take it down unless it is wanted then.

    Raises OpsError when something is left, with a list of it.
    """
    found = look(parent, cloud.look(), name)
    stack = PreviewStack.open(parent, name, engine, validate=False)
    options = Options(yes=True, lock_timeout=lock_timeout)
    with stack.session.locked(_PURPOSE, options):
        about = abouts.read(parent.store, parent.project, name)
        if is_wanted():
            return RemovalResult(bool(found), about, kept=True)
        # Looked at again: an up that was waited for has made what was not there before.
        if not look(parent, cloud.look(), name):
            remove_files(parent, name)
            return RemovalResult(bool(found), about)
        end_held(stack, options)
        finish_held(stack, cloud)
    return RemovalResult(True, about)


def end_held(stack: PreviewStack, options: Options) -> None:
    """Delete all that the state of an environment has, which the caller holds. Raises OpsError."""
    if stack.state is None:
        return
    stack.mend()
    stack.destroy(options)


def finish_held(stack: PreviewStack, cloud: Cloud) -> None:
    """Look until nothing of it is in the cloud, and forget it. Raises OpsError when something is left."""
    with progress_for(sys.stdout) as progress:
        left = cloud.wait_until_gone([stack.name], progress)
    refuse_left(stack.name, left)
    stack.forget()


def refuse_left(name: str, left: Iterable[CloudObject]) -> None:
    """Raises OpsError where something is left."""
    listed = "".join(f"\n  {each} ({each.id})" for each in left)
    if listed:
        raise OpsError(
            f"{name} is down as far as its state goes, and this is still in the cloud:{listed}\nLook with "
            "`scripts/snu env sweep`, which removes what no state knows.",
            ExitCode.FAILED,
        )
