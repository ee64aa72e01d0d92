"""The containers and job runs whose logs are read, looked up by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.jobs import Jobs
from ops.logs.lines import LogLine
from ops.logs.loki import LogQuery, quoted
from ops.report.text import safe
from ops.scaleway.catalogue import CONTAINER

if TYPE_CHECKING:
    from datetime import datetime

    from ops.scaleway.client import Client

_MAX_RUNS = 100
"""Limits the length of a query."""
_TOLERANCE = timedelta(minutes=1)


class LogSource(Protocol):
    """A source of logs."""

    @property
    def missing(self) -> str:
        """The message if nothing has written logs."""
        ...

    def query(self, filters: Sequence[str], since: datetime | None, /) -> LogQuery | None:
        """The query for its logs after ``since``, with line filters; None if nothing has written logs."""
        ...

    def accepts(self, line: LogLine, /) -> bool:
        """Whether a line that the query selected was written by the requested instance."""
        ...


@dataclass(frozen=True)
class ContainerLogs:
    """The logs of all of a container's instances, or of one."""

    client: Client
    stack: str
    container: str
    """Name of the container."""
    project_id: str
    """Id of its project; empty if unknown."""
    instance: str
    """Name of an instance, with or without the container's name; empty for all."""

    @property
    def missing(self) -> str:
        return (
            f"The container {self.container} does not exist on Scaleway, or the API key has no access to it. Deploy it "
            f"with: scripts/snu up {self.stack}"
        )

    def query(self, filters: Sequence[str], _since: datetime | None, /) -> LogQuery | None:
        query = {"name": self.container, **({"project_id": self.project_id} if self.project_id else {})}
        found = self.client.list(CONTAINER.listing, query)
        ids = tuple(str(each["id"]) for each in found if each["name"] == self.container)
        of_instance = [f"|= {quoted(self.instance)}"] if self.instance else []
        return LogQuery.of("serverless_container", ids, (*of_instance, *filters)) if ids else None

    def accepts(self, line: LogLine, /) -> bool:
        return not self.instance or line.instance == self.instance or self.instance.endswith(f"-{line.instance}")


@dataclass(frozen=True)
class JobLogs:
    """The logs of a job's runs: those in progress since a given time, the last one, or a specific one."""

    jobs: Jobs
    job: str
    """Key of the job."""
    run: str
    """Id of a run, or a prefix of it; empty for all."""

    @property
    def missing(self) -> str:
        which = f"no run {safe(self.run)}" if self.run else "not run yet, or not in the requested period"
        command = f"scripts/snu job runs {self.job} --stack {self.jobs.stack}"
        return f"The job {self.job} has {which}. To list its runs: {command}"

    def query(self, filters: Sequence[str], since: datetime | None, /) -> LogQuery | None:
        """Without ``since``, the query selects the last run only. Raises OpsError if there are too many runs."""
        ids = list[str]()
        for run in self.jobs.runs(self.jobs.definition(self.job)):
            if len(ids) == _MAX_RUNS:
                raise OpsError(
                    f"The job {self.job} has had more than {_MAX_RUNS} runs since then. Use a later time, or select "
                    "one run with --instance.",
                    ExitCode.USAGE,
                )
            if self.run:
                ids += [run.id] if run.id.startswith(self.run) else []
            elif since is None or run.ended is None or run.ended >= since - _TOLERANCE:
                ids.append(run.id)
            if ids and (self.run or since is None):
                break
        return LogQuery.of("serverless_job", tuple(ids), tuple(filters)) if ids else None

    def accepts(self, _line: LogLine, /) -> bool:
        return True
