"""Human-readable times in the terminal's time zone, which is set by TZ."""

from __future__ import annotations

from datetime import datetime


def local_time(moment: datetime, *, seconds: bool = False) -> str:
    """For example ``2026-11-29 07:46 CET``."""
    return f"{moment.astimezone():{'%Y-%m-%d %H:%M:%S %Z' if seconds else '%Y-%m-%d %H:%M %Z'}}"
