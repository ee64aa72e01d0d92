"""``snu job``: lists, runs and stops jobs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ops.commands.logs import LinePrinter, LogSession, environment_of
from ops.durations import shown
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.jobs import SUCCEEDED, JobRun, Jobs, job_names, require_job
from ops.local import require_running
from ops.logs.follow import POLL_SECONDS, Follower
from ops.logs.loki import LogQuery, LokiError
from ops.process_environment import process_environment
from ops.report.document import print_document
from ops.report.factory import printer_for
from ops.report.text import Line, safe, seconds
from ops.report.times import local_time
from ops.scaleway.client import Client, Object, ScalewayError

if TYPE_CHECKING:
    from ops.stacks import Stack

_STYLES = {SUCCEEDED: "green", "failed": "bold red", "interrupted": "yellow"}
_SHOWN_ID = 8
_LATE_LINES_SECONDS = 10.0
"""Time to wait for the last lines of a run on the real Scaleway."""


def show(cwd: Path | None, stack_name: str, *, as_json: bool) -> ExitCode:
    """List the jobs of an environment."""
    with _jobs(cwd, stack_name) as (_, jobs):
        listed = [
            (key, definition, next(jobs.runs(definition), None) if definition else None)
            for key, definition in jobs.definitions().items()
        ]
    if as_json:
        print_document("job list", {"jobs": [_job_document(*each) for each in listed]})
        return ExitCode.OK
    lines = [line for each in listed for line in _job_lines(*each)]
    printer_for(sys.stdout).print(lines or [Line.of(f"{stack_name} has no jobs.")])
    return ExitCode.OK


def runs(cwd: Path | None, stack_name: str, job: str, limit: int, *, as_json: bool) -> ExitCode:
    """List the latest runs of a job."""
    with _jobs(cwd, stack_name, job) as (_, jobs):
        latest = [*islice(jobs.runs(jobs.definition(job)), limit)]
    if as_json:
        print_document("job runs", {"job": job, "runs": latest})
        return ExitCode.OK
    hint = Line.of((f"Logs of a run: scripts/snu logs {job} --stack {stack_name} --instance RUN", "dim"))
    printer_for(sys.stdout).print([*map(_run_line, latest), hint] if latest else [Line.of(f"{job} has not run yet.")])
    return ExitCode.OK


def run(
    cwd: Path | None,
    stack_name: str,
    job: str,
    arguments: Sequence[str] | None,
    environment: Sequence[str],
    *,
    wait: bool,
    timeout: float | None,
) -> ExitCode:
    """Start a run. With ``wait``, print its log until it finishes; ``timeout`` is in seconds.

    Returns FAILED if the run did not succeed, and JOB_UNFINISHED after the timeout.
    """
    if timeout is not None and not wait:
        raise OpsError("--timeout requires --wait. Nothing was started.", ExitCode.USAGE)
    variables = _variables(environment)
    with _jobs(cwd, stack_name, job) as (stack, jobs):
        started = jobs.start(jobs.definition(job), arguments or None, variables)
        print(f"Started run {started.id} of {job}.", flush=True)
        show_log = f"scripts/snu logs {job} --stack {stack_name} --instance {started.id[:_SHOWN_ID]}"
        if not wait:
            print(f"To follow its log: {show_log} --follow")
            return ExitCode.OK
        continues = (
            f"The run continues. To follow its log: {show_log} --follow\n"
            f"To stop it: scripts/snu job stop {job} {started.id[:_SHOWN_ID]} --stack {stack_name}\n"
        )
        try:
            ended = _wait(stack, jobs, started, cwd, timeout)
        except KeyboardInterrupt:
            sys.stderr.write(f"Interrupted. {continues}")
            return ExitCode.CANCELLED
    if ended is None:
        sys.stderr.write(f"error: {job} has not finished after {shown(timeout or 0)}. {continues}")
        return ExitCode.JOB_UNFINISHED
    if ended.state != SUCCEEDED:
        failure = f": {safe(ended.failure)}" if ended.failure else ""
        raise OpsError(
            f"Run {ended.id} of {job} {'was ' if ended.state == 'interrupted' else ''}{ended.state}{failure}. "
            f"To show its log: {show_log}",
            ExitCode.FAILED,
        )
    print(f"{job} succeeded after {seconds(ended.seconds or 0)}.")
    return ExitCode.OK


def stop(cwd: Path | None, stack_name: str, job: str, run_id: str) -> ExitCode:
    """Stop a run."""
    if not run_id:
        raise OpsError(
            f"The run id is empty. Nothing was stopped. To list the runs: scripts/snu job runs {safe(job)} "
            f"--stack {stack_name}",
            ExitCode.USAGE,
        )
    with _jobs(cwd, stack_name, job) as (_, jobs):
        matching = [each for each in jobs.runs(jobs.definition(job)) if each.id.startswith(run_id)]
        if len(matching) != 1:
            raise OpsError(
                f"{job} has {len(matching) or 'no'} runs whose ids start with {safe(run_id)}; expected exactly "
                f"one. Nothing was stopped. To list the runs: scripts/snu job runs {job} --stack {stack_name}",
                ExitCode.USAGE,
            )
        stopped = matching[0] if matching[0].has_ended else jobs.stop(matching[0].id)
    had_ended = matching[0].has_ended or stopped.state in (SUCCEEDED, "failed")
    state = {SUCCEEDED: "succeeded", "failed": "failed", "interrupted": "stopped"}.get(stopped.state, "stopping")
    print(f"Run {stopped.id} {'had already' if had_ended else 'is'} {state}.")
    return ExitCode.OK


def _variables(given: Sequence[str]) -> dict[str, str]:
    own, variables = process_environment(), {}
    for each in given:
        name, is_given, value = each.partition("=")
        if not name or not (is_given or name in own):
            problem = "is not set in this shell" if name else "has no name"
            raise OpsError(
                f"--env {safe(name) or safe(each)}: the variable {problem}; expected NAME=VALUE, or the name of a "
                "variable that is set. Nothing was started.",
                ExitCode.USAGE,
            )
        variables[name] = value if is_given else own[name]
    return variables


@contextmanager
def _jobs(cwd: Path | None, stack_name: str, job: str | None = None) -> Iterator[tuple[Stack, Jobs]]:
    """The jobs of an environment. Raises OpsError, before anything else, if it has no such ``job``."""
    stack, settings = environment_of(cwd, stack_name)
    names = job_names(settings)
    if job is not None:
        require_job(stack.name, names, job)
    require_running(stack)
    with Client.of(stack, process_environment(), ExitCode.FAILED) as client:
        yield stack, Jobs(client, stack.name, names)


def _wait(stack: Stack, jobs: Jobs, run: JobRun, cwd: Path | None, timeout: float | None) -> JobRun | None:
    """Print the run's log until it finishes. Returns the finished run, or None after the timeout.

    If the log cannot be read, this is reported once, and the wait continues.
    """
    deadline = time.monotonic() + timeout if timeout is not None else float("inf")
    with RunLog(cwd, stack.name, run) as log:
        while not run.has_ended:
            if time.monotonic() >= deadline:
                return None
            log.print_new()
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))
            try:
                run = jobs.run(run.id)
            except ScalewayError as error:
                if not error.is_transient:
                    raise
        log.print_new()
        if not stack.is_local:
            time.sleep(min(_LATE_LINES_SECONDS, max(0.0, deadline - time.monotonic())))
            log.print_new(late=True)
    return run


class RunLog:
    """Prints the log of a run in progress."""

    def __init__(self, cwd: Path | None, stack_name: str, run: JobRun) -> None:
        """``run``: a run that has just been started."""
        self._printer = LinePrinter()
        self._session: LogSession | None = None
        self._query = LogQuery.of("serverless_job", (run.id,))
        self._warned = False
        try:
            self._session = LogSession.open(cwd, stack_name, self._printer)
        except OpsError as error:
            self._warn(error)
            return
        start = int(run.created.timestamp() - 60) * 1_000_000_000
        self._follower = Follower(self._session.reader, start, start)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            self._session.close()

    def print_new(self, *, late: bool = False) -> None:
        """Print the lines that have arrived since the last call, including ``late`` ones."""
        if self._session is None:
            return
        try:
            for page in self._follower.poll(self._query, late=late):
                self._printer.print(page)
        except LokiError as error:
            self._warn(error)

    def _warn(self, error: OpsError) -> None:
        if not self._warned:
            sys.stderr.write(f"warning: {error}\n")
            self._warned = True


def _job_lines(job: str, definition: Object | None, last: JobRun | None) -> Iterator[Line]:
    if definition is None:
        yield Line.of((job, "bold"), ("  not deployed", "dim"))
        return
    schedule = _schedule(definition)
    yield Line.of((job, "bold"), f"  {schedule['schedule']} ({schedule['timezone']})" if schedule else "  no schedule")
    yield _run_line(last).indented("  last run ") if last else Line.of(("  has not run yet", "dim"))


def _job_document(job: str, definition: Object | None, last: JobRun | None) -> dict[str, object]:
    schedule = _schedule(definition or {})
    return {
        "job": job,
        "name": definition["name"] if definition else None,
        "schedule": schedule["schedule"] if schedule else None,
        "timezone": schedule["timezone"] if schedule else None,
        "lastRun": last,
    }


def _schedule(definition: Mapping[str, object]) -> Mapping[str, str] | None:
    schedule = definition.get("cron_schedule")
    return schedule if isinstance(schedule, Mapping) else None


def _run_line(run: JobRun) -> Line:
    duration = f"  {seconds(run.seconds)}" if run.seconds is not None else ""
    code = f"  exit code {run.exit_code}" if run.exit_code is not None else ""
    problem = f"  {safe(run.failure)}" if run.state != SUCCEEDED and run.failure else ""
    return Line.of(
        (run.id[:_SHOWN_ID], "bold"),
        f"  {local_time(run.created, seconds=True)}  ",
        (run.state, _STYLES.get(run.state, "")),
        duration,
        code if not problem else "",
        problem,
    )
