"""What is said at the end of an operation: diagnostics, counts, what is left after an interruption."""

from __future__ import annotations

from collections.abc import Mapping

from ops.cost.change import cost_text
from ops.display.operations import look_of
from ops.display.text import Line, counted, seconds
from ops.record import Diagnostic, Record
from ops.steps import has_changes, name_of

_ORDER = ("create", "update", "replace", "delete", "read", "import", "discard")
_SEVERITY = {"error": ("error", "bold red"), "warning": ("warning", "yellow")}


def diagnostic_lines(diagnostic: Diagnostic) -> list[Line]:
    """The message with its severity and the resource it is about."""
    label, style = _SEVERITY.get(diagnostic.severity, ("", ""))
    about = f"{name_of(diagnostic.urn)}: " if diagnostic.urn else ""
    head, *more = diagnostic.message.splitlines()
    first = Line.of((f"{label}: " if label else "", style), (about, "bold"), head)
    return [first, *(Line.of(f"  {text}") for text in more)]


def summary_lines(record: Record, *, preview: bool) -> list[Line]:
    """The last lines: counts, duration, and how it ended."""
    left_over = [] if preview else _left_over(record)
    if record.summary is None:
        return [*left_over, Line.of(("Ended before it was complete", "bold red"), _after(record))]
    if record.canceled:
        done = counts(record, preview=False)
        return [*left_over, Line.of(("Cancelled", "bold red"), f": {done}", _after(record))]
    if record.summary.result == "failed" or any(item.failed for item in record.steps.values()):
        done = counts(record, preview=preview)
        return [*left_over, Line.of(("Failed", "bold red"), f": {done}", _after(record))]
    if not has_changes(record.summary.changes):
        return [Line.of(("No change", "bold green"), f": {_unchanged(record.summary.changes)}", _after(record))]
    head = ("To do", "bold") if preview else ("Done", "bold green")
    cost = cost_text(record) if preview else ""
    return [
        Line.of(head, f": {counts(record, preview=preview)}", _after(record)),
        *([Line.of(cost)] if cost else []),
    ]


def _after(record: Record) -> str:
    return f" ({seconds(record.duration)})"


def counts(record: Record, *, preview: bool) -> str:
    """``1 to update, 2 resources unchanged``."""
    changes = record.summary.changes if record.summary else {}
    parts = []
    for op in [*_ORDER, *sorted(changes.keys() - {*_ORDER, "same"})]:
        if changes.get(op):
            look = look_of(op)
            parts.append(f"{changes[op]} to {look.plan}" if preview else f"{changes[op]} {look.done}")
    if changes.get("same"):
        parts.append(_unchanged(changes))
    return ", ".join(parts) or "nothing done"


def _unchanged(changes: Mapping[str, int]) -> str:
    return f"{counted(changes.get('same', 0), 'resource')} unchanged"


def _left_over(record: Record) -> list[Line]:
    unfinished = record.unfinished()
    if not unfinished:
        return []
    lines = [Line.of("Begun, and not known to be complete:")]
    lines += [Line.of(f"  {item.step.name}: {look_of(item.step.op).doing}") for item in unfinished]
    return [*lines, Line.of("`scripts/snu refresh` compares the state with the cloud.")]
