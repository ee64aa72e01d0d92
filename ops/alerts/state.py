"""The state that the job `apps/crash-alerts` keeps in object storage, as far as this command reads it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class LastError(_Document):
    """The error of the last run."""

    time: float = Field(description="Milliseconds since 1970.")
    message: str


class Heartbeat(_Document):
    """Times of the last runs in milliseconds since 1970; None for never."""

    last_run: float | None
    last_good_run: float | None
    last_error: LastError | None


class PendingMessage(_Document):
    """A message that is not posted to Slack yet."""

    kind: str
    count: int


class AlertsState(_Document):
    """The state between runs: `apps/crash-alerts/src/state.js`."""

    cursor: int = Field(description="Nanoseconds since 1970: all earlier logs were read.")
    outbox: list[PendingMessage]
    heartbeat: Heartbeat
