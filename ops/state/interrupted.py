"""What an interrupted run has left pending in a stack's state, as users are told of it."""

from __future__ import annotations

from collections.abc import Sequence

from ops.display.markdown import code
from ops.display.text import Line
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.steps import name_of
from pulumi_state.errors import PulumiError
from pulumi_state.interrupted import pending_operations
from pulumi_state.statefile import StateFile
from pulumi_state.store import Store

_HEAD = "a run was interrupted, and whether these operations have ended is not known:"


def pending_names(store: Store, project: str, stack: str) -> list[str]:
    """The operations, as ``creating api-container``. Raises OpsError when the state cannot be read."""
    try:
        return [f"{kind} {name_of(urn)}" for kind, urn in pending_operations(StateFile(store, project, stack))]
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from error


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


def _next(stack: str) -> str:
    return f"Run `scripts/snu recover {stack}` next."
