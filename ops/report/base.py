"""What shows an operation while it runs and when it has ended."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Protocol, Self, TextIO

from ops.engines.base import EngineEvent
from ops.operation_record import OperationRecord
from ops.process_environment import process_environment
from ops.report.causes import merged
from ops.report.summary import diagnostic_lines, summary_lines
from ops.report.text import Line
from ops.report.tree import tree_lines


class Display(Protocol):
    """A context manager around one operation."""

    record: OperationRecord

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def on_event(self, event: EngineEvent) -> None: ...

    def on_cancel(self) -> None:
        """Show that the operation was cancelled, and what it waits for."""

    def finish(self) -> None:
        """Show the tree, the diagnostics and the summary."""

    def finish_failed(self) -> None:
        """Show the diagnostics of an operation that could not be carried on."""


class SilentDisplay:
    """Keeps the record and shows nothing."""

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


def said_lines(record: OperationRecord) -> list[Line]:
    """The diagnostics; what a program complained about that its engine has stopped is left aside."""
    hidden = "info#err" if record.canceled or record.program_stopped else ""
    told = merged(item for item in record.told if item.severity != hidden)
    return [line for diagnostic in told for line in diagnostic_lines(diagnostic)]


class Printer(Protocol):
    """Writes styled lines somewhere."""

    def print(self, lines: Iterable[Line]) -> None: ...


def finish_lines(
    record: OperationRecord, *, preview: bool, tree: bool, properties: bool = True, all_properties: bool = False
) -> list[Line]:
    """Everything that an operation's end shows."""
    lines: list[Line] = []
    if tree:
        lines += tree_lines(record, done=not preview, properties=properties, all_properties=all_properties)
    return [*lines, *said_lines(record), *summary_lines(record, preview=preview)]


def is_plain(stream: TextIO) -> bool:
    """Whether the stream gets text without escape codes: no terminal, NO_COLOR, CI or a dumb terminal."""
    if not stream.isatty() or process_environment().get("TERM") == "dumb":
        return True
    return bool(process_environment().get("NO_COLOR") or process_environment().get("CI"))
