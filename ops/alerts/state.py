"""What the job leaves in object storage. `apps/crash-alerts` writes more than is declared here, which is what the
command reads."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class LastError(_Document):
    """Why the last run was not good."""

    time: float = Field(description="Milliseconds since 1970.")
    message: str


class Heartbeat(_Document):
    """When it last ran. Milliseconds since 1970; None: never."""

    last_run: float | None
    last_good_run: float | None
    last_error: LastError | None


class PendingMessage(_Document):
    """A message that Slack has not taken yet."""

    kind: str
    count: int


class AlertsState(_Document):
    """What a run leaves to the next one: `apps/crash-alerts/src/state.js`."""

    cursor: int = Field(description="Nanoseconds since 1970: all logs before were read.")
    outbox: list[PendingMessage]
    heartbeat: Heartbeat
