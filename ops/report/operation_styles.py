"""The symbol, style and verbs of each engine operation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OperationStyle:
    """The symbol, style and verbs of an operation."""

    symbol: str
    style: str
    """A rich style."""
    plan: str
    """``create``."""
    doing: str
    """``creating``."""
    done: str
    """``created``."""


def _part(symbol: str, style: str, plan: str, doing: str, done: str, half: str) -> OperationStyle:
    """One half of a replacement."""
    return OperationStyle(symbol, style, f"{plan} {half}", f"{doing} {half}", f"{done} {half}")


_STYLES = {
    "same": OperationStyle(" ", "dim", "unchanged", "checking", "unchanged"),
    "create": OperationStyle("+", "green", "create", "creating", "created"),
    "update": OperationStyle("~", "yellow", "update", "updating", "updated"),
    "delete": OperationStyle("-", "red", "delete", "deleting", "deleted"),
    "replace": OperationStyle("+-", "magenta", "replace", "replacing", "replaced"),
    "create-replacement": _part("++", "magenta", "create", "creating", "created", "replacement"),
    "delete-replaced": _part("--", "red", "delete", "deleting", "deleted", "replaced"),
    "discard-replaced": _part("--", "red", "discard", "discarding", "discarded", "replaced"),
    "read": OperationStyle(">", "cyan", "read", "reading", "read"),
    "read-replacement": _part(">", "cyan", "read", "reading", "read", "replacement"),
    "refresh": OperationStyle("~", "cyan", "refresh", "refreshing", "refreshed"),
    "discard": OperationStyle("<", "cyan", "remove from state", "removing from state", "removed from state"),
    "import": OperationStyle("=", "green", "import", "importing", "imported"),
    "import-replacement": _part("=", "green", "import", "importing", "imported", "replacement"),
    "remove-pending-replace": OperationStyle("~", "yellow", "complete", "completing", "completed"),
}


def style_of(op: str) -> OperationStyle:
    """The style of an operation; unknown operations are shown by name."""
    return _STYLES.get(op) or OperationStyle("?", "", op, op, op)
