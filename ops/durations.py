"""Durations as people and Scaleway's provider write them."""

from __future__ import annotations

import re


def seconds_of(text: object) -> float:
    """Seconds of ``15m``, ``1h30m``, ``90s`` or ``90``. Raises ValueError."""
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", str(text).strip())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is no duration; expected something like 15m, 1h30m, 90s or 90")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
