"""Checks whether a stack's crash alerts work, from the job's state in object storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import ValidationError

from infra import naming
from ops.alerts.state import AlertsState
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import Stack, find_stack, settings_of
from ops.state.account import Account
from pulumi_state.store import MissingError, StoreError, open_store
from pulumi_state.store.bucket import ACCESS_KEY, SECRET_KEY

if TYPE_CHECKING:
    from infra.settings.models import CrashAlertsSettings, FoundationSettings

_MISSED_INTERVALS = 3
_CLOCK_TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True)
class AlertsStatus:
    """The status of a stack's crash alerts."""

    stack: str
    interval_minutes: int
    problem: str = ""
    """Why the status could not be read; if set, the fields below are unset."""
    last_run: datetime | None = None
    last_good_run: datetime | None = None
    """The last time that all logs were read and all messages were posted to Slack."""
    read_until: datetime | None = None
    """All logs before this time have been read."""
    waiting: int = 0
    """Number of messages not yet posted to Slack."""
    last_error: str = ""
    """Error of the last run; empty if it succeeded."""

    def is_silent(self, now: datetime) -> bool:
        """Whether crashes may currently go unreported."""
        limit = timedelta(minutes=self.interval_minutes * _MISSED_INTERVALS)
        return (
            self.last_good_run is None
            or now - self.last_good_run > limit
            or any(is_future(moment, now) for moment in (self.last_good_run, self.read_until))
        )


def is_future(moment: datetime | None, now: datetime) -> bool:
    """Whether a time is in the future, as after a run with a wrong clock. The next run then rereads the logs."""
    return moment is not None and moment > now + _CLOCK_TOLERANCE


def alerts_of(stack: Stack) -> tuple[str, CrashAlertsSettings] | None:
    """The environment's name and its crash alert settings; None if it has no crash alerts."""
    settings = settings_of(stack)
    if settings.blueprint == "foundation" or settings.crash_alerts is None:
        return None
    return settings.environment.name, settings.crash_alerts


def check_alerts(
    stack: Stack, environment: str, alerts: CrashAlertsSettings, environ: Mapping[str, str]
) -> AlertsStatus:
    """The status according to the job's state. Never raises; an error is recorded in ``problem``."""
    try:
        state = _read(stack, environment, environ)
    except (OpsError, StoreError) as error:
        return AlertsStatus(stack.name, alerts.interval_minutes, problem=str(error))
    if state is None:
        return AlertsStatus(stack.name, alerts.interval_minutes)
    heartbeat = state.heartbeat
    return AlertsStatus(
        stack.name,
        alerts.interval_minutes,
        last_run=_moment(heartbeat.last_run),
        last_good_run=_moment(heartbeat.last_good_run),
        read_until=_moment(state.cursor / 1e6),
        waiting=len(state.outbox),
        last_error=heartbeat.last_error.message if heartbeat.last_error else "",
    )


def _read(stack: Stack, environment: str, environ: Mapping[str, str]) -> AlertsState | None:
    """The job's state; None if it has never run. Raises OpsError and StoreError."""
    foundation = _foundation(stack)
    bucket = naming.alerts_bucket(foundation.project.name, environment)
    account = Account(stack, environ)
    try:
        endpoint = foundation.object_storage or account.storage_endpoint()
        keys = dict(zip((ACCESS_KEY, SECRET_KEY), account.storage_key(_project_id(account, environment)), strict=True))
        region = account.region
    finally:
        account.close()
    store = open_store(f"s3://{bucket}?endpoint={endpoint}&region={region}", keys)
    try:
        item = store.read(naming.ALERTS_STATE)
    except MissingError:  # created by the first run
        return None
    finally:
        store.close()
    if item is None:
        return None
    try:
        return AlertsState.model_validate_json(item.content)
    except ValidationError:
        raise OpsError(
            f"{naming.ALERTS_STATE} in the bucket {bucket} has an unknown format.", ExitCode.FAILED
        ) from None


def _foundation(stack: Stack) -> FoundationSettings:
    name = stack.config["snu:environment"]["foundation"]
    settings = settings_of(find_stack(stack.project_dir, name))
    if settings.blueprint != "foundation":
        raise OpsError(f"{stack.file.name}: {name} is not a foundation.", ExitCode.SETTINGS)
    return settings


def _project_id(account: Account, environment: str) -> str:
    """Id of the project that contains the job, its bucket and its secret."""
    name = naming.alerts_secret(environment)
    secrets = account.secrets_named(name)
    if len(secrets) != 1:
        raise OpsError(
            f"the API key can see {len(secrets)} secrets named {name}; expected exactly one. Update the "
            "environment's foundation with `scripts/snu up`, which creates it.",
            ExitCode.ENVIRONMENT,
        )
    return secrets[0].project_id


def _moment(milliseconds: float | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1e3, UTC)
