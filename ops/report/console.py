"""A rich console that sends its own control sequences to the terminal but escapes those in its text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ops.report.output import clean


class CleanConsole(Console):
    """Escapes control characters in all text that it renders."""

    def __init__(self, stream: TextIO, *, soft_wrap: bool = False) -> None:
        super().__init__(file=cast("TextIO", _Styled(stream)), highlight=False, soft_wrap=soft_wrap)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(clean(segment.text), segment.style)


class _Styled:
    """The stream without its own escaping."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.write = getattr(stream, "write_styled", stream.write)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
