"""Times and durations as the platform writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DURATION = re.compile(r"(\d+)(?:\.(\d{1,9}))?s")


def timestamp(moment: float) -> str:
    """Seconds since the epoch → RFC 3339 with zone (the clients refuse a time without one)."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_timestamp(text: str) -> float:
    """RFC 3339 → seconds since the epoch. Raises ``ValueError``."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone")
    return moment.timestamp()


def parse_duration(text: str) -> float:
    """``"60s"``, ``"60.000000000s"`` → seconds. Raises ``ValueError``."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a duration is written as seconds, such as 60s")
    return float(text[:-1])


def duration(seconds: float) -> str:
    """Seconds → ``"60s"``."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
