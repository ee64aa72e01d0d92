"""Messages about overwritten states and the pending operations of interrupted runs."""

from __future__ import annotations

from collections.abc import Sequence

from ops.report.markdown import code
from ops.report.text import Line
from ops.state.checkpoint import latest_in
from ops.state.last_run import Observed
from ops.steps import name_of
from pulumi_state.interruption import pending_operations
from pulumi_state.store.checkpoints import StoredCheckpoint

_HEAD = "a run was interrupted, and the result of these operations is unknown:"


def pending_names(stored: StoredCheckpoint | None) -> list[str]:
    """The pending operations in the form ``creating api-container``. Raises OpsError if the state cannot be read."""
    return [f"{operation} {name_of(urn)}" for operation, urn in pending_operations(latest_in(stored))]


def pending_text(stack: str, names: Sequence[str]) -> str:
    """The pending operations and the next command."""
    return "\n".join([_HEAD, *(f"  {name}" for name in names), _next(stack)])


def interrupted_line(stack: str, names: Sequence[str]) -> Line:
    """The content of ``pending_text`` on a single line."""
    return Line.of(("interrupted: ", "bold red"), f"{', '.join(names)}; run `scripts/snu recover {stack}`")


def pending_markdown(stack: str, names: Sequence[str]) -> list[str]:
    """The content of ``pending_text`` for a comment; empty if no operation is pending."""
    if not names:
        return []
    return [f"**Warning:** {_HEAD}", "", *(f"- {code(name)}" for name in names), "", _next(stack), ""]


def overwritten_markdown(observed: Observed) -> list[str]:
    """The warning about an overwritten state; empty if the state was not overwritten."""
    return [f"**Warning:** {observed.overwritten}", ""] if observed.overwritten else []


def _next(stack: str) -> str:
    return f"Run `scripts/snu recover {stack}` next."
