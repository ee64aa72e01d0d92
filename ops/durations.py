"""Parses and formats durations such as ``1h30m``."""

from __future__ import annotations

import re

SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
"""Seconds by unit."""
_LONGEST = 100 * 366 * SECONDS["d"]
"""A longer duration is probably a typo, and would exceed the range of dates."""
_PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


def seconds_of(text: object, unit: str = "s") -> float:
    """Convert ``2d``, ``15m``, ``1h30m``, ``90s`` or a plain number of ``unit`` to seconds. Raises ValueError."""
    text = str(text).strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        total = float(text) * SECONDS[unit]
    elif text and (match := _PARTS.fullmatch(text)):
        total = sum(float(part or 0) * seconds for part, seconds in zip(match.groups(), SECONDS.values(), strict=True))
    else:
        raise ValueError(f"{text!r} is not a duration; expected a value such as 2d, 15m, 1h30m or 90s")
    if total > _LONGEST:
        raise ValueError(f"{text} is longer than 100 years")
    return total


def shown(seconds: float) -> str:
    """Format a duration for parsing by ``seconds_of``, in the largest unit that divides it: ``60d`` or ``90s``."""
    unit = next((unit for unit, length in SECONDS.items() if seconds and seconds % length == 0), "s")
    return f"{seconds / SECONDS[unit]:.12g}{unit}"
