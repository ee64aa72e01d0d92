"""A stack's jobs and their runs: https://www.scaleway.com/en/developers/api/serverless-jobs/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from infra import naming
from ops.errors import OpsError, UnknownNameError
from ops.exit_codes import ExitCode
from ops.report.text import safe
from ops.scaleway.catalogue import JOB_DEFINITION
from ops.scaleway.client import ScalewayError
from ops.scaleway.list_call import ListCall

if TYPE_CHECKING:
    from infra.settings import EnvironmentSettings
    from ops.scaleway.client import Client, Object

RUNS = ListCall(f"{JOB_DEFINITION.listing.path.rpartition('/')[0]}/job-runs", "job_runs")
SUCCEEDED = "succeeded"
_ENDED = frozenset({SUCCEEDED, "failed", "interrupted"})


@dataclass(frozen=True)
class JobRun:
    """A run of a job."""

    id: str
    state: str
    """Scaleway's state, such as ``queued``, ``running``, ``succeeded``, ``failed`` or ``interrupted``."""
    created: datetime
    started: datetime | None
    ended: datetime | None
    seconds: float | None
    """Duration in seconds; None if the run has not started."""
    exit_code: int | None
    """None unless a process has exited."""
    reason: str
    """Scaleway's reason for a failure, such as ``timeout``; empty if there is none."""
    message: str
    """Details of a failure."""

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED

    @property
    def failure(self) -> str:
        """Why the run failed."""
        code = f"exit code {self.exit_code}" if self.exit_code else ""
        return ": ".join(filter(None, [", ".join(filter(None, [self.reason.replace("_", " "), code])), self.message]))


def job_names(settings: EnvironmentSettings) -> dict[str, str]:
    """Names of the job definitions on Scaleway by the jobs' keys, including those for commands and crash alerts."""
    names = {key: settings.job_name(key) for key in settings.jobs} | settings.command_jobs
    if settings.crash_alerts is None:
        return names
    return {**names, naming.ALERTS_JOB: naming.job(settings.environment.name, naming.ALERTS_JOB)}


def require_job(stack: str, names: Mapping[str, str], job: str) -> None:
    """Raises UnknownNameError if the stack's file has no such job. ``names``: as returned by ``job_names``."""
    if job not in names:
        raise UnknownNameError(f"Pulumi.{stack}.yaml has no job {safe(job)}. Jobs: {', '.join(names) or 'none'}.", job)


class Jobs:
    """The job definitions of one stack. Requests raise ScalewayError."""

    def __init__(self, client: Client, stack: str, names: Mapping[str, str]) -> None:
        """``stack``: name of the stack; ``names``: names of the definitions on Scaleway by the jobs' keys."""
        self._client = client
        self.stack = stack
        self._names = names

    def definitions(self) -> dict[str, Object | None]:
        """The jobs' definitions by the jobs' keys; None for those that are not deployed."""
        return {key: self._find(name) for key, name in self._names.items()}

    def definition(self, job: str) -> Object:
        """A job's definition. Raises OpsError if the stack's file has no such job or if it is not deployed."""
        require_job(self.stack, self._names, job)
        definition = self._find(self._names[job])
        if definition is None:
            raise OpsError(
                f"The job {self._names[job]} does not exist on Scaleway, or the API key has no access to it. Deploy it "
                f"with: scripts/snu up {self.stack}",
                ExitCode.FAILED,
            )
        return definition

    def runs(self, definition: Object) -> Iterator[JobRun]:
        """A job's runs, newest first."""
        query = {"job_definition_id": str(definition["id"]), "order_by": "created_at_desc"}
        return map(_job_run, self._client.list(RUNS, query))

    def run(self, id: str) -> JobRun:
        return _job_run(self._client.get(self._run_path(id)))

    def start(self, definition: Object, arguments: Sequence[str] | None, environment: Mapping[str, str]) -> JobRun:
        """Start a run. ``arguments`` replace the definition's; ``environment`` is added to its variables.

        Not retried, because starting a job twice could cause damage. Raises OpsError if the outcome is unknown.
        """
        body: Object = {"environment_variables": dict(environment), "replicas": 1}
        if arguments is not None:
            body["args"] = list(arguments)
        path = f"{JOB_DEFINITION.listing.object_at(region=self._client.profile.region, id=definition['id'])}/start"
        try:
            return _job_run(self._client.post(path, body, retry=False)["job_runs"][0])
        except ScalewayError as error:
            if error.status != 0 and error.status < 500:
                raise
            raise OpsError(
                f"{error}. The run may have started anyway; check the job's latest runs with `scripts/snu job runs`.",
                ExitCode.FAILED,
            ) from None

    def stop(self, id: str) -> JobRun:
        return _job_run(self._client.post(f"{self._run_path(id)}/stop"))

    def _run_path(self, id: str) -> str:
        return RUNS.object_at(region=self._client.profile.region, id=id)

    def _find(self, name: str) -> Object | None:
        found = self._client.list(JOB_DEFINITION.listing)
        definitions = [each for each in found if each["name"] == name]
        if len(definitions) > 1:
            projects = ", ".join(each["project_id"] for each in definitions)
            raise OpsError(
                f"Several projects have a job named {name} ({projects}). Use an API key that has access to only one.",
                ExitCode.ENVIRONMENT,
            )
        return definitions[0] if definitions else None


def _job_run(answer: Object) -> JobRun:
    started, ended = _moment(answer.get("started_at")), _moment(answer.get("terminated_at"))
    reason = str(answer.get("reason") or "")
    state = str(answer["state"])
    return JobRun(
        id=str(answer["id"]),
        state=state,
        created=_moment(answer["created_at"]) or datetime.now(UTC),
        started=started,
        ended=ended,
        seconds=((ended or datetime.now(UTC)) - started).total_seconds() if started else None,
        exit_code=answer.get("exit_code") if state in _ENDED else None,
        reason="" if reason == "unknown_reason" else reason,
        message=str(answer.get("error_message") or ""),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
