"""Times and durations in the platform's formats."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DURATION = re.compile(r"(\d+)(?:\.(\d{1,9}))?s")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")
SECOND = 1_000_000_000
"""One second in nanoseconds."""


def timestamp(moment: float) -> str:
    """Convert seconds since the epoch to RFC 3339 with a time zone (clients reject times without one)."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_timestamp(text: str) -> float:
    """Convert RFC 3339 to seconds since the epoch. Raises ``ValueError``."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time must include a time zone")
    return moment.timestamp()


def parse_duration(text: str) -> float:
    """Convert ``"60s"`` or ``"60.000000000s"`` to seconds. Raises ``ValueError``."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a duration must be in seconds, such as 60s")
    return float(text[:-1])


def duration(seconds: float) -> str:
    """Convert seconds to the form ``"60s"``."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def nanotime(nanoseconds: int) -> str:
    """Convert nanoseconds since the epoch to sortable RFC 3339 (UTC, nine digits). Raises ``ValueError``."""
    seconds, rest = divmod(nanoseconds, SECOND)
    if seconds < 0:
        raise ValueError("the time is before 1970")
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("the time is after the year 9999") from error
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def parse_nanotime(text: str) -> int:
    """Convert RFC 3339, with up to nanosecond precision, to nanoseconds since the epoch. Raises ``ValueError``."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("a time must be in RFC 3339 format, such as 2026-01-31T12:00:00Z")
    seconds = datetime.fromisoformat(match[1].upper() + match[3].upper()).timestamp()
    return int(seconds) * SECOND + int((match[2] or "").ljust(9, "0"))
