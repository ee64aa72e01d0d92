"""Tables of styled text with column headers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ops.report.text import Line, Span

_GAP = "  "


def table(headers: Sequence[str], rows: Sequence[Sequence[Span | str]]) -> Iterator[Line]:
    """Yield the header and the rows, with columns as wide as their longest cell; nothing if there are no rows."""
    if not rows:
        return
    cells = [[(header, "dim") for header in headers], *([_span(cell) for cell in row] for row in rows)]
    widths = [max(len(text) for text, _ in column) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [(text.ljust(width), style) for (text, style), width in zip(row, widths, strict=True)]
        padded[-1] = row[-1]
        yield Line.of(*(part for span in padded for part in (span, _GAP)))


def _span(cell: Span | str) -> Span:
    return (cell, "") if isinstance(cell, str) else cell
