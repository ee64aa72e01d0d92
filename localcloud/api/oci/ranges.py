"""Byte ranges: ``Range`` for downloads (RFC 9110, 14.2), and the spec's variant of ``Content-Range`` for chunks."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)
_CHUNK = re.compile(r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/(?:\d+|\*))?", re.IGNORECASE)


class RangeNotSatisfiable(Exception):
    """The range is outside the content."""


def requested_range(header: str, size: int) -> tuple[int, int] | None:
    """First byte and length of a ``Range``. None means the whole content.

    Also returns None for ranges that may be ignored, such as lists. Raises ``RangeNotSatisfiable``.
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
        raise ValueError("a chunk's range must have the form first-last")
    first, last = (int(number) for number in match.groups())
    if last < first:
        raise ValueError("a chunk's range ends before it starts")
    return first, last - first + 1


def upload_range(size: int) -> str:
    """The ``Range`` of an upload with ``size`` bytes so far. Clients expect ``0-0`` for an empty upload."""
    return f"0-{max(0, size - 1)}"
