"""How each operation of an engine is drawn and named."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OperationLook:
    symbol: str
    style: str
    plan: str
    """What will be done: ``create``."""
    doing: str
    done: str


def _part(symbol: str, style: str, plan: str, doing: str, done: str, what: str) -> OperationLook:
    """One half of a replacement."""
    return OperationLook(symbol, style, f"{plan} {what}", f"{doing} {what}", f"{done} {what}")


_LOOKS = {
    "same": OperationLook(" ", "dim", "unchanged", "checking", "unchanged"),
    "create": OperationLook("+", "green", "create", "creating", "created"),
    "update": OperationLook("~", "yellow", "update", "updating", "updated"),
    "delete": OperationLook("-", "red", "delete", "deleting", "deleted"),
    "replace": OperationLook("+-", "magenta", "replace", "replacing", "replaced"),
    "create-replacement": _part("++", "magenta", "create", "creating", "created", "replacement"),
    "delete-replaced": _part("--", "red", "delete", "deleting", "deleted", "replaced"),
    "discard-replaced": _part("--", "red", "discard", "discarding", "discarded", "replaced"),
    "read": OperationLook(">", "cyan", "read", "reading", "read"),
    "read-replacement": _part(">", "cyan", "read", "reading", "read", "replacement"),
    "refresh": OperationLook("~", "cyan", "refresh", "refreshing", "refreshed"),
    "discard": OperationLook("<", "cyan", "forget", "forgetting", "forgotten"),
    "import": OperationLook("=", "green", "import", "importing", "imported"),
    "import-replacement": _part("=", "green", "import", "importing", "imported", "replacement"),
    "remove-pending-replace": OperationLook("~", "yellow", "complete", "completing", "completed"),
}


def look_of(op: str) -> OperationLook:
    return _LOOKS.get(op) or OperationLook("?", "", op, op, op)
