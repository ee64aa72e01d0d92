"""Cron schedules of jobs, with time zones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MINUTE = 60
"""The resolution of schedules, in seconds."""


class ScheduleError(Exception):
    """An invalid schedule; the message states what is expected."""

    def __init__(self, part: str, message: str) -> None:
        """``part``: ``schedule`` or ``timezone``."""
        super().__init__(message)
        self.part = part


def is_due(schedule: Mapping[str, str], minute: int) -> bool:
    """Whether a job is due in the minute that starts at ``minute`` (seconds since the epoch). Raises ScheduleError.

    Clock changes are handled as in Debian's cron: times in a skipped hour are due right after it, and times in a
    repeated hour are due once, except in schedules with ``*`` as the hour or minute.
    """
    try:
        zone = ZoneInfo(schedule["timezone"])
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError("timezone", "must be a time zone name, such as Europe/Paris") from error
    before = datetime.fromtimestamp(minute - MINUTE, zone)
    try:
        following = next(CronSim(schedule["schedule"], before), None)
    except CronSimError as error:
        raise ScheduleError("schedule", f"must be a cron expression with five fields: {error}") from error
    return following is not None and following.timestamp() == minute
