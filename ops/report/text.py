"""Styled text, independent of the output device."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_SHORT = 12

Span = tuple[str, str]
"""A string and its style: a rich style such as ``bold red``, or empty."""


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


def short(text: str) -> str:
    """The first 12 characters of a version, digest or commit."""
    return text.removeprefix("sha256:")[:_SHORT]


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or f'{noun}s'}"


_INVISIBLE = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0100-\U000e01ef]"
)
"""Invisible characters that Unicode classifies as letters or marks."""


def safe(text: str) -> str:
    """The text on one line, with escapes for control, direction and zero-width characters.

    These are invisible or change how the rest of the text is displayed.
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_safe_character, text))


def _safe_character(character: str) -> str:
    if character.isascii():
        hidden = not character.isprintable()
    else:
        hidden = unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs")
        hidden = hidden or _INVISIBLE.match(character) is not None
    if not hidden:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
