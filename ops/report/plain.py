"""Plain text for pipes, files and CI."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self, TextIO

from ops.engines.base import EngineEvent
from ops.operation_record import OperationRecord
from ops.report.base import all_diagnostic_lines, finish_lines, progress_lines
from ops.report.summary import cancel_lines
from ops.report.text import Line


class PlainPrinter:
    """Writes lines without their styles."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def print(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._stream.write(line.plain.rstrip() + "\n")
        self._stream.flush()


class PlainDisplay:
    """Shows a preview's tree when it finishes, and the steps of other operations as each one finishes."""

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
        self._printer.print(progress_lines(item, self.record, preview=self._preview, properties=self._properties))

    def on_cancel(self) -> None:
        self._printer.print(cancel_lines(self.record, preview=self._preview))

    def finish(self) -> None:
        self._printer.print(
            finish_lines(
                self.record,
                preview=self._preview,
                properties=self._properties,
                all_properties=self._all_properties,
            )
        )

    def finish_failed(self) -> None:
        self._printer.print(all_diagnostic_lines(self.record))
