"""The end of an operation: diagnostics, counts, and anything left behind by an interruption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from ops.cost.change import cost_text
from ops.operation_record import Diagnostic, OperationRecord, Progress
from ops.report.operation_styles import style_of
from ops.report.text import Line, counted, seconds
from ops.steps import has_changes, name_of

_ORDER = ("create", "update", "replace", "delete", "read", "import", "discard")
_SEVERITY = {"error": ("error", "bold red"), "warning": ("warning", "yellow")}


def diagnostic_lines(diagnostic: Diagnostic) -> list[Line]:
    """The message with its severity and the affected resource."""
    label, style = _SEVERITY.get(diagnostic.severity, ("", ""))
    resource = f"{name_of(diagnostic.urn)}: " if diagnostic.urn else ""
    head, *more = diagnostic.message.splitlines()
    first = Line.of((f"{label}: " if label else "", style), (resource, "bold"), head)
    return [first, *(Line.of(f"  {text}") for text in more)]


def summary_lines(record: OperationRecord, *, preview: bool) -> list[Line]:
    """The last lines: how the operation ended, counts, and the duration."""
    if ending := _failed_ending(record):
        first = Line.of((ending, "bold red"), f": {counts(record, preview=preview)}", _after(record))
        return [first, *([] if preview else _unknown_lines(record))]
    if record.summary is None or not has_changes(record.summary.changes):
        return [Line.of(("No change", "bold green"), f": {_unchanged(_changes(record))}", _after(record))]
    head = ("To do", "bold") if preview else ("Done", "bold green")
    cost = cost_text(record) if preview and not record.is_refresh else ""
    return [
        Line.of(head, f": {counts(record, preview=preview)}", _after(record)),
        *([Line.of(cost)] if cost else []),
    ]


def _failed_ending(record: OperationRecord) -> str:
    """How an unsuccessful operation ended; empty if it succeeded."""
    if record.summary is None:
        return "Stopped before it was complete"
    if record.canceled:
        return "Cancelled"
    failed = record.summary.result == "failed" or any(item.failed for item in list(record.steps.values()))
    return "Failed" if failed else ""


def _unknown_lines(record: OperationRecord) -> Iterator[Line]:
    """The operations that were in progress when the engine stopped."""
    for progress in record.unfinished():
        yield Line.of(f"  {style_of(progress.step.op).doing} ", (progress.step.name, "bold"), ": result unknown")


def _changes(record: OperationRecord, *, preview: bool = True) -> Mapping[str, int]:
    """Number of resources per operation, counted from the steps if an interrupted engine sent no summary."""
    changes = record.summary.changes if record.summary else {}
    if changes or preview:
        return changes
    steps = [item.step for item in list(record.steps.values()) if item.ended is not None and not item.failed]
    return Counter(step.op for step in steps if step.is_change and not step.is_replacement_part)


def _after(record: OperationRecord) -> str:
    return f" ({seconds(record.duration)})"


def counts(record: OperationRecord, *, preview: bool) -> str:
    """``1 to update, 2 resources unchanged``."""
    changes = _changes(record, preview=preview)
    parts = []
    for op in [*_ORDER, *sorted(changes.keys() - {*_ORDER, "same"})]:
        if changes.get(op):
            style = style_of(op)
            parts.append(f"{changes[op]} to {style.plan}" if preview else f"{changes[op]} {style.done}")
    if changes.get("same"):
        parts.append(_unchanged(changes))
    if parts:
        return ", ".join(parts)
    if preview:
        return "no changes found so far"
    return "no operation was completed" if record.unfinished() else "nothing was changed"


def _unchanged(changes: Mapping[str, int]) -> str:
    return f"{counted(changes.get('same', 0), 'resource')} unchanged"


def cancel_lines(record: OperationRecord, *, preview: bool) -> list[Line]:
    """The operations that a cancelled run is still waiting for."""
    waiting = [] if preview else record.unfinished()
    if not waiting:
        return [Line.of(("Cancelling", "bold red"), ": no further operations will start.")]
    now = record.clock()
    return [
        Line.of(("Cancelling", "bold red"), f": waiting for {counted(len(waiting), 'operation')} in progress:"),
        *(Line.of(f"  {_in_progress(each, now)}") for each in waiting),
        Line.of("Press Ctrl-C again to stop immediately; operations in progress will remain pending in the state."),
    ]


def _in_progress(progress: Progress, now: float) -> str:
    return f"{style_of(progress.step.op).doing} {progress.step.name} ({seconds(progress.elapsed(now))})"
