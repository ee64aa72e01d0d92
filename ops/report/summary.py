"""What is said at the end of an operation: diagnostics, counts, what is left after an interruption."""

from __future__ import annotations

from collections.abc import Mapping

from ops.cost.change import cost_text
from ops.operation_record import Diagnostic, OperationRecord, Progress
from ops.report.operation_styles import look_of
from ops.report.text import Line, counted, seconds
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


def summary_lines(record: OperationRecord, *, preview: bool) -> list[Line]:
    """The last lines: counts, duration, and how it ended."""
    if record.summary is None:
        return [Line.of(("Ended before it was complete", "bold red"), _after(record))]
    if record.canceled:
        done = counts(record, preview=False)
        return [Line.of(("Cancelled", "bold red"), f": {done}", _after(record))]
    if record.summary.result == "failed" or any(item.failed for item in record.steps.values()):
        done = counts(record, preview=preview)
        return [Line.of(("Failed", "bold red"), f": {done}", _after(record))]
    if not has_changes(record.summary.changes):
        return [Line.of(("No change", "bold green"), f": {_unchanged(record.summary.changes)}", _after(record))]
    head = ("To do", "bold") if preview else ("Done", "bold green")
    cost = cost_text(record) if preview else ""
    return [
        Line.of(head, f": {counts(record, preview=preview)}", _after(record)),
        *([Line.of(cost)] if cost else []),
    ]


def _after(record: OperationRecord) -> str:
    return f" ({seconds(record.duration)})"


def counts(record: OperationRecord, *, preview: bool) -> str:
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


def cancel_lines(record: OperationRecord, *, preview: bool) -> list[Line]:
    """What a run that was just cancelled waits for."""
    waiting = [] if preview else record.unfinished()
    if not waiting:
        return [Line.of(("Cancelling", "bold red"), ": no more operations are started.")]
    now = record.clock()
    return [
        Line.of(("Cancelling", "bold red"), f": waiting for {counted(len(waiting), 'operation')} under way:"),
        *(Line.of(f"  {_under_way(each, now)}") for each in waiting),
        Line.of("Press Ctrl-C again to end at once: what is under way then stays pending in the state."),
    ]


def _under_way(progress: Progress, now: float) -> str:
    return f"{look_of(progress.step.op).doing} {progress.step.name} ({seconds(progress.elapsed(now))})"
