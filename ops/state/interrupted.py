"""What an interrupted run has left pending in a stack's state, or overwritten in it, as users are told of it."""

from __future__ import annotations

from collections.abc import Sequence

from ops.report.markdown import code
from ops.report.text import Line
from ops.state.checkpoint import latest_in
from ops.state.last_run import Observed
from ops.steps import name_of
from pulumi_state.interruption import pending_operations
from pulumi_state.store.checkpoints import StoredCheckpoint

_HEAD = "a run was interrupted, and whether these operations have ended is not known:"


def pending_names(stored: StoredCheckpoint | None) -> list[str]:
    """The operations, as ``creating api-container``. Raises OpsError when the state cannot be read."""
    return [f"{operation} {name_of(urn)}" for operation, urn in pending_operations(latest_in(stored))]


def pending_text(stack: str, names: Sequence[str]) -> str:
    """The operations and the next command."""
    return "\n".join([_HEAD, *(f"  {name}" for name in names), _next(stack)])


def interrupted_line(stack: str, names: Sequence[str]) -> Line:
    """The same in one line."""
    return Line.of(("interrupted: ", "bold red"), f"{', '.join(names)}; run `scripts/snu recover {stack}`")


def pending_markdown(stack: str, names: Sequence[str]) -> list[str]:
    """The same for a comment; nothing where nothing is pending."""
    if not names:
        return []
    return [f"**Warning:** {_HEAD}", "", *(f"- {code(name)}" for name in names), "", _next(stack), ""]


def overwritten_markdown(observed: Observed) -> list[str]:
    """That the state is older than what the last run left; nothing where it is not."""
    return [f"**Warning:** {observed.overwritten}", ""] if observed.overwritten else []


def _next(stack: str) -> str:
    return f"Run `scripts/snu recover {stack}` next."
