"""Displays that show an operation while it runs and when it finishes."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Protocol, Self, TextIO

from ops.engines.base import EngineEvent
from ops.operation_record import Diagnostic, OperationRecord, Progress
from ops.process_environment import process_environment
from ops.report.causes import merged
from ops.report.summary import diagnostic_lines, summary_lines
from ops.report.text import Line
from ops.report.tree import step_lines, tree_lines


class Display(Protocol):
    """A context manager around one operation."""

    record: OperationRecord

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def on_event(self, event: EngineEvent) -> None: ...

    def on_cancel(self) -> None:
        """Show that the operation was cancelled and what it is waiting for."""

    def finish(self) -> None:
        """Show the diagnostics and the summary; for a preview, show the tree of changes first."""

    def finish_failed(self) -> None:
        """Show the diagnostics of an operation that the engine could not run."""


class SilentDisplay:
    """Records the operation without showing anything."""

    def __init__(self) -> None:
        self.record = OperationRecord()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def on_event(self, event: EngineEvent) -> None:
        self.record.add(event)

    def on_cancel(self) -> None:
        return None

    def finish(self) -> None:
        return None

    def finish_failed(self) -> None:
        return None


def progress_lines(
    item: Progress | Diagnostic | None, record: OperationRecord, *, preview: bool, properties: bool
) -> list[Line]:
    """The lines to show immediately rather than at the end of the operation: finished steps and hooks' messages."""
    if preview:
        return []
    if isinstance(item, Diagnostic) and item.severity == "info" and item.urn:
        record.shown.add(item)
        return diagnostic_lines(item)
    if isinstance(item, Progress) and item.ended is not None:
        return step_lines(item, record, properties=properties)
    return []


def all_diagnostic_lines(record: OperationRecord) -> list[Line]:
    """An operation's diagnostics, without the output of a program that the engine interrupted."""
    hidden = "info#err" if record.canceled or record.program_stopped else ""
    diagnostics = merged(
        item for item in record.relevant_diagnostics if item.severity != hidden and item not in record.shown
    )
    return [line for diagnostic in diagnostics for line in diagnostic_lines(diagnostic)]


def error_lines(record: OperationRecord) -> list[Line]:
    """An operation's errors."""
    diagnostics = merged(item for item in record.relevant_diagnostics if item.severity == "error")
    return [line for diagnostic in diagnostics for line in diagnostic_lines(diagnostic)]


class Printer(Protocol):
    """Prints styled lines."""

    def print(self, lines: Iterable[Line]) -> None: ...


def finish_lines(
    record: OperationRecord, *, preview: bool, properties: bool = True, all_properties: bool = False
) -> list[Line]:
    """The lines shown at the end of an operation.

    Only a preview shows the tree, because other operations show each step as it finishes.
    """
    tree = tree_lines(record, properties=properties, all_properties=all_properties) if preview else []
    return [*tree, *all_diagnostic_lines(record), *summary_lines(record, preview=preview)]


def is_plain(stream: TextIO) -> bool:
    """Whether to omit escape codes: not a terminal, a dumb terminal, or ``NO_COLOR`` or ``CI`` is set."""
    if not stream.isatty() or process_environment().get("TERM") == "dumb":
        return True
    return bool(process_environment().get("NO_COLOR") or process_environment().get("CI"))


def is_coloured(stream: TextIO) -> bool:
    """Whether lines are coloured; FORCE_COLOR also enables colour in pipes and CI, unless NO_COLOR is set."""
    environ = process_environment()
    return not is_plain(stream) or bool(environ.get("FORCE_COLOR") and not environ.get("NO_COLOR"))
