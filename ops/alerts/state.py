"""The state of the `apps/crash-alerts` job in object storage, limited to the fields that `snu alerts` reads."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class LastError(_Document):
    """The error of the last run."""

    time: float = Field(description="Unix time in milliseconds.")
    message: str


class Heartbeat(_Document):
    """When the job last ran and last succeeded, in Unix milliseconds; None if it never has."""

    last_run: float | None
    last_good_run: float | None
    last_error: LastError | None


class PendingMessage(_Document):
    """A message that has not been posted to Slack yet."""

    kind: str
    count: int


class AlertsState(_Document):
    """The state kept between runs; see `apps/crash-alerts/src/state.js`."""

    cursor: int = Field(description="Unix time in nanoseconds; all logs before it have been read.")
    outbox: list[PendingMessage]
    heartbeat: Heartbeat
