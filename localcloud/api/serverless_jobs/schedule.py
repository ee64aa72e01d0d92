"""Cron schedules of jobs, with a time zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MINUTE = 60
"""Seconds; the resolution of a schedule."""


class ScheduleError(Exception):
    """An invalid schedule; the message says what is expected."""

    def __init__(self, part: str, message: str) -> None:
        """``part``: ``schedule`` or ``timezone``."""
        super().__init__(message)
        self.part = part


def is_due(schedule: Mapping[str, str], minute: int) -> bool:
    """Whether a job is due at a minute, given in seconds since the epoch. Raises ScheduleError.

    At clock changes it works like Debian's cron: times in a skipped hour are due right after it, and times in a
    repeated hour are due once, except for schedules with ``*`` as hour or minute.
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
