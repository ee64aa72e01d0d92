"""Ranges of bytes: ``Range`` of downloads (RFC 9110, 14.2), and ``Content-Range`` of chunks (the spec's own)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)
_CHUNK = re.compile(r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/(?:\d+|\*))?", re.IGNORECASE)


class RangeNotSatisfiable(Exception):
    """The range lies outside the content."""


def wanted_part(header: str, size: int) -> tuple[int, int] | None:
    """First byte and length that a ``Range`` asks for; ``None`` = all, also for what may be ignored: lists of ranges.

    Raises ``RangeNotSatisfiable``.
    """
    match = _RANGE.fullmatch(header)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    if start > end:
        raise RangeNotSatisfiable
    return start, end - start + 1


def chunk_range(header: str) -> tuple[int, int] | None:
    """First byte and length of an uploaded chunk (``0-1023``). Raises ``ValueError``."""
    if not header:
        return None
    match = _CHUNK.fullmatch(header)
    if match is None:
        raise ValueError("a chunk's range is written as first-last")
    first, last = (int(number) for number in match.groups())
    if last < first:
        raise ValueError("a chunk's range ends before it begins")
    return first, last - first + 1


def received(size: int) -> str:
    """The ``Range`` of an upload with ``size`` bytes so far; clients expect ``0-0`` of an empty one."""
    return f"0-{max(0, size - 1)}"
