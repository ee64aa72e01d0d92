"""Styled text that does not depend on where it is shown."""

from __future__ import annotations

from dataclasses import dataclass

Span = tuple[str, str]
"""A text and its style: a style of rich's such as ``bold red``, or an empty text."""


@dataclass(frozen=True)
class Line:
    """One line of output."""

    spans: tuple[Span, ...] = ()

    @classmethod
    def of(cls, *parts: Span | str) -> Line:
        return cls(tuple((part, "") if isinstance(part, str) else part for part in parts if part))

    @property
    def plain(self) -> str:
        return "".join(text for text, _ in self.spans)

    def indented(self, prefix: str, style: str = "") -> Line:
        return Line(((prefix, style), *self.spans)) if prefix else self


def seconds(duration: float) -> str:
    """``0.4s``, ``12s``, ``2m05s``."""
    if duration < 10:
        return f"{duration:.1f}s"
    if duration < 60:
        return f"{duration:.0f}s"
    return f"{int(duration) // 60}m{int(duration) % 60:02d}s"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
