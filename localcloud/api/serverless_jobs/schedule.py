"""When a job starts by itself: cron's five fields, in a time zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MINUTE = 60
"""Seconds: how fine a schedule can be."""


class ScheduleError(Exception):
    """The text says what is needed."""

    def __init__(self, part: str, message: str) -> None:
        """``part``: ``schedule`` or ``timezone``."""
        super().__init__(message)
        self.part = part


def is_due(schedule: Mapping[str, str], minute: int) -> bool:
    """Whether a schedule names a minute, by its first second since the epoch. Raises BadSchedule.

    Where clocks change it is as with Debian's cron: what would be in a skipped hour is due right after it, and what
    is in an hour that comes twice is due once, but for schedules with ``*`` as their hour or minute.
    """
    try:
        zone = ZoneInfo(schedule["timezone"])
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError("timezone", "must be the name of a time zone, such as Europe/Paris") from error
    before = datetime.fromtimestamp(minute - MINUTE, zone)
    try:
        following = next(CronSim(schedule["schedule"], before), None)
    except CronSimError as error:
        raise ScheduleError("schedule", f"must be the five fields of cron: {error}") from error
    return following is not None and following.timestamp() == minute
