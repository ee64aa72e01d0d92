"""The terminal display, in colour and with the operations in progress."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self, TextIO

from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from ops.engines.base import EngineEvent
from ops.operation_record import OperationRecord, Progress
from ops.report.base import all_diagnostic_lines, finish_lines, progress_lines
from ops.report.console import CleanConsole
from ops.report.operation_styles import style_of
from ops.report.summary import cancel_lines
from ops.report.text import Line, counted, seconds
from ops.steps import short_type

_REFRESHES_PER_SECOND = 8
_MOST_SHOWN = 8
"""Maximum number of running operations listed by name."""


def to_rich(line: Line) -> Text:
    """A line as rich text."""
    text = Text()
    for part, style in line.spans:
        text.append(part, style=style)
    return text


class TerminalPrinter:
    """Writes lines in colour."""

    def __init__(self, stream: TextIO) -> None:
        self._console = CleanConsole(stream, soft_wrap=True)

    def print(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._console.print(to_rich(line))


class TerminalDisplay:
    """Shows the running operations, refreshed by a rich thread.

    When it finishes, a preview's tree or one line per step of any other operation stays on the screen.
    """

    def __init__(
        self,
        stream: TextIO,
        title: str,
        *,
        preview: bool,
        properties: bool = True,
        all_properties: bool = False,
    ) -> None:
        self.record = OperationRecord()
        self._title = title
        self._preview = preview
        self._properties = properties
        self._all_properties = all_properties
        self._printer = TerminalPrinter(stream)
        self._spinner = Spinner("dots")
        self._live = Live(
            get_renderable=self._render,
            console=CleanConsole(stream),
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def on_event(self, event: EngineEvent) -> None:
        item = self.record.add(event)
        self._print_above(progress_lines(item, self.record, preview=self._preview, properties=self._properties))

    def on_cancel(self) -> None:
        self._print_above(cancel_lines(self.record, preview=self._preview))

    def _print_above(self, lines: Iterable[Line]) -> None:
        """Print permanent lines above the running operations."""
        for line in lines:
            self._live.console.print(to_rich(line), soft_wrap=True)

    def _render(self) -> RenderableType:
        running = [item for item in self.record.running() if not item.step.is_root]
        ended = sum(item.ended is not None for item in list(self.record.steps.values()))
        done = f", {counted(ended, 'step')} complete" if ended else ""
        self._spinner.update(text=Text(f"{self._title}{done}, {seconds(self.record.duration)}"))
        rows: list[RenderableType] = [self._spinner]
        rows += [self._row(item) for item in running[:_MOST_SHOWN]]
        if len(running) > _MOST_SHOWN:
            rows.append(Text(f"   and {len(running) - _MOST_SHOWN} more", style="dim"))
        return Group(*rows)

    def _row(self, item: Progress) -> Text:
        style = style_of(item.step.op)
        row = Text("   ", no_wrap=True, overflow="ellipsis")
        row.append(f"{style.symbol:<2} ", style=style.style)
        row.append(f"{style.doing} ").append(item.step.name, style="bold")
        row.append(f"  {short_type(item.step.type)}", style="dim")
        return row.append(f"  {seconds(item.elapsed(self.record.clock()))}", style="dim")

    def finish(self) -> None:
        lines = finish_lines(
            self.record,
            preview=self._preview,
            properties=self._properties,
            all_properties=self._all_properties,
        )
        self._printer.print(lines)

    def finish_failed(self) -> None:
        self._printer.print(all_diagnostic_lines(self.record))
