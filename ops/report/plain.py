"""Plain text for pipes, files and CI: one line for each operation that has ended."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self, TextIO

from ops.engines.base import EngineEvent
from ops.operation_record import OperationRecord, Progress
from ops.report.base import finish_lines, said_lines
from ops.report.changes import changes_of
from ops.report.operation_styles import look_of
from ops.report.summary import cancel_lines
from ops.report.text import Line, seconds
from ops.report.tree import change_line
from ops.steps import short_type


class PlainPrinter:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def print(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._stream.write(line.plain.rstrip() + "\n")
        self._stream.flush()


class PlainDisplay:
    """A preview shows its tree at the end; other operations show each step as it ends."""

    def __init__(
        self, stream: TextIO, title: str, *, preview: bool, properties: bool = True, all_properties: bool = False
    ) -> None:
        self.record = OperationRecord()
        self._printer = PlainPrinter(stream)
        self._title = title
        self._preview = preview
        self._properties = properties
        self._all_properties = all_properties

    def __enter__(self) -> Self:
        self._printer.print([Line.of(self._title)])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def on_event(self, event: EngineEvent) -> None:
        item = self.record.add(event)
        if isinstance(item, Progress) and not self._preview and item.ended is not None:
            self._printer.print(self._step_lines(item))

    def on_cancel(self) -> None:
        self._printer.print(cancel_lines(self.record, preview=self._preview))

    def _step_lines(self, progress: Progress) -> list[Line]:
        step, look = progress.step, look_of(progress.step.op)
        if not progress.failed and (step.is_root or step.is_provider or step.op == "replace" or not step.is_change):
            return []
        word = f"{look.doing} FAILED" if progress.failed else look.done
        duration = seconds(progress.elapsed(self.record.clock()))
        lines = [Line.of(f"{look.symbol:<2} {word} {step.name}  {short_type(step.type)} ({duration})")]
        if self._properties and step.op in ("update", "create-replacement"):
            lines += [change_line(change).indented("     ") for change in changes_of(step)]
        return lines

    def finish(self) -> None:
        self._printer.print(
            finish_lines(
                self.record,
                preview=self._preview,
                tree=self._preview,
                all_properties=self._all_properties,
            )
        )

    def finish_failed(self) -> None:
        self._printer.print(said_lines(self.record))
