"""Runs jobs: one process per run, started by a request or by the job's schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from localcloud.api.cloud import Cloud
from localcloud.api.errors import EngineError, origin
from localcloud.api.logs.reader import LogReader
from localcloud.api.serverless_jobs import runs
from localcloud.api.serverless_jobs.runs import DEFINITIONS, ENDED, RUNS, new_run
from localcloud.api.serverless_jobs.schedule import MINUTE, ScheduleError, is_due
from localcloud.api.store import Resource
from localcloud.api.timestamps import timestamp
from localcloud.runtime.clock import Clock
from localcloud.runtime.engine import Engine, Exit, last_line
from localcloud.runtime.instance import Timing
from localcloud.runtime.log import log
from localcloud.runtime.task import Task, TaskError, task_of

MAX_LOGGED_RUNS = 10
"""Number of ended runs per job for which logs are kept."""
MAX_ENDED_RUNS = 100
"""Number of ended runs per job that are kept: a job that runs every minute must not fill the store."""


@dataclass(frozen=True)
class _Outcome:
    state: str
    """One of ``runs.ENDED``."""
    reason: str | None = None
    message: str = ""
    exit_code: int | None = None


_CANCELLED = _Outcome("interrupted", "cancellation", "it was stopped")
_SERVER_STOPPED = _Outcome("interrupted", "technical_error", "the local Scaleway was stopped during the run")


class JobRunner:
    def __init__(
        self,
        cloud: Cloud,
        engine: Engine,
        logs: LogReader,
        clock: Clock,
        timing: Timing,
        pull: Callable[[str], Awaitable[None]],
        commit: Callable[[], None],
    ) -> None:
        """``pull`` pulls an image and may raise EngineError; ``commit`` writes the store's changes."""
        self._cloud = cloud
        self._engine = engine
        self._logs = logs
        self._clock = clock
        self._timing = timing
        self._pull = pull
        self._commit = commit
        self._active: dict[str, asyncio.Task[None]] = {}
        """Keyed by run id."""
        self._stopping: set[str] = set()
        """Active runs that have been cancelled. They are not cancelled again."""
        self._logged: dict[str, str] = {}
        """Maps ended runs that have logs, oldest first, to the ids of their job definitions."""
        self._schedules: asyncio.Task[None] | None = None
        self._removals: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._schedules = asyncio.create_task(self._run_schedules())

    def reconcile(self) -> None:
        """Start queued runs, and stop those that were interrupted or deleted."""
        runs_by_id = {run["id"]: run for run in self._cloud.store.all(RUNS) if "_state" in run}
        for id, run in runs_by_id.items():
            if run["_state"] == "queued" and id not in self._active:
                self._start_run(run)
            elif run["_state"] == "interrupting" and id not in self._active:
                self._finish(id, _CANCELLED)
        for id in self._active.keys() - self._stopping:
            if id not in runs_by_id or runs_by_id[id]["_state"] == "interrupting":
                self._stopping.add(id)
                self._active[id].cancel()
        self._remove_logs([id for id in self._logged if id not in runs_by_id])

    async def stop(self) -> None:
        """Stop all runs."""
        tasks = [*self._active.values(), *self._removals]
        if self._schedules is not None:
            tasks.append(self._schedules)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # --- schedules ----------------------------------------------------------------------------------------

    async def _run_schedules(self) -> None:
        """Start due jobs every minute. Minutes during which the machine was suspended are skipped."""
        last_minute = int(self._cloud.now() // MINUTE)
        while True:
            await self._clock.sleep(MINUTE - self._cloud.now() % MINUTE)
            minute = int(self._cloud.now() // MINUTE)
            if minute == last_minute:
                continue
            last_minute = minute
            try:
                self._start_due(minute * MINUTE)
            except Exception as error:
                log(origin(error))

    def _start_due(self, minute: int) -> None:
        """Start the jobs due at this minute, even if an earlier run has not ended, as on the platform."""
        for definition in list(self._cloud.store.all(DEFINITIONS)):
            schedule = definition["cron_schedule"]
            if not schedule or not self._cloud.will_run(definition["image_uri"]):
                continue
            try:
                if is_due(schedule, minute):
                    new_run(self._cloud, definition, self._cloud.now())
            except ScheduleError as error:
                log(f"job {definition['name']}: its {error.part} {error}")
        self._commit()
        self.reconcile()

    # --- runs ---------------------------------------------------------------------------------------------

    def _start_run(self, run: Resource) -> None:
        id, job = run["id"], run["job_definition_id"]
        self._active[id] = asyncio.create_task(self._run(id))
        self._active[id].add_done_callback(lambda _: self._on_end(id, job))

    def _on_end(self, id: str, job: str) -> None:
        del self._active[id]
        self._stopping.discard(id)
        self._logged[id] = job
        self._prune(job)

    async def _run(self, id: str) -> None:
        try:
            outcome = await self._outcome(id)
        except asyncio.CancelledError:
            stopped = (self._cloud.store.get(RUNS, id) or {}).get("_state") == "interrupting"
            self._finish(id, _CANCELLED if stopped else _SERVER_STOPPED)
            raise
        except Exception as error:
            log(origin(error))
            outcome = _Outcome("failed", "technical_error", "internal error in the local Scaleway")
        self._finish(id, outcome)

    async def _outcome(self, id: str) -> _Outcome:
        run = self._cloud.store.get(RUNS, id) or {}
        try:
            task = task_of(self._cloud, run)
        except TaskError as error:
            return _Outcome("failed", error.reason, str(error))
        try:
            await self._pull(task.image)
        except EngineError as error:
            return _Outcome("failed", "image_not_found", task.redacted(str(error)))
        return await self._attempts(task)

    async def _attempts(self, task: Task) -> _Outcome:
        """Run attempts until one succeeds, the retries are used up, or the timeout expires."""
        deadline, backoff = self._clock.now() + task.timeout, self._timing.backoff()
        attempt = 1
        while True:
            outcome = await self._attempt(task, attempt, deadline)
            if outcome.state == "succeeded" or outcome.reason == "timeout" or attempt > task.retries:
                return outcome
            self._change(task.container_id, _state="retrying")
            await self._clock.sleep(min(backoff.delay(0.0), deadline - self._clock.now()))
            attempt += 1

    async def _attempt(self, task: Task, attempt: int, deadline: float) -> _Outcome:
        timed_out = _Outcome("failed", "timeout", f"it did not finish within its timeout of {task.timeout:g} s")
        if self._clock.now() >= deadline:
            return timed_out
        try:
            process = await self._start(task, attempt)
        except EngineError as error:
            return _Outcome("failed", "invalid_image", task.redacted(str(error)))
        exited = asyncio.ensure_future(self._engine.wait(process))
        timer = asyncio.ensure_future(self._clock.sleep(deadline - self._clock.now()))
        try:
            await asyncio.wait({exited, timer}, return_when=asyncio.FIRST_COMPLETED)
            return await self._ended(task, process, exited.result()) if exited.done() else timed_out
        except EngineError as error:
            return _Outcome("failed", "technical_error", task.redacted(str(error)))
        finally:
            timer.cancel()
            if not exited.done():
                exited.cancel()
                await self._stop(process)

    async def _start(self, task: Task, attempt: int) -> str:
        """Start a process and record it. If this task is cancelled in the meantime, stop the process."""
        starting = asyncio.ensure_future(self._engine.run(task, str(attempt)))
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait({starting})
            if not starting.cancelled() and starting.exception() is None:
                await self._stop(starting.result())
            raise
        run = self._cloud.store.get(RUNS, task.container_id) or {}
        started = run.get("_starts_at") or self._cloud.now()
        self._change(task.container_id, _state="running", _starts_at=started, attempts=attempt)
        self._logs.started(task.container_id)
        return process

    async def _ended(self, task: Task, process: str, ended: Exit) -> _Outcome:
        if ended.status == 0:
            return _Outcome("succeeded", exit_code=0)
        message = ended.describe(task.memory_bytes) + await last_line(self._engine, task, process)
        reason = "memory_usage_exceeded" if ended.out_of_memory else "exited_with_error"
        return _Outcome("failed", reason, message, ended.status)

    async def _stop(self, process: str) -> None:
        try:
            await self._engine.stop(process, self._timing.grace)
        except EngineError as error:
            log(str(error))

    def _change(self, id: str, **values: Any) -> None:
        """Update a run, unless it was deleted or is being stopped."""
        run = self._cloud.store.get(RUNS, id)
        if run is not None and run["_state"] not in ("interrupting", *ENDED):
            self._cloud.store.put(RUNS, id, {**run, **values, "updated_at": timestamp(self._cloud.now())})
            self._commit()

    def _finish(self, id: str, outcome: _Outcome) -> None:
        run = self._cloud.store.get(RUNS, id)
        if run is None:
            return
        now = self._cloud.now()
        ended = runs.ended(run, now, outcome.state, outcome.reason, outcome.message, outcome.exit_code)
        self._cloud.store.put(RUNS, id, ended)
        self._commit()

    # --- clean-up -------------------------------------------------------------------------------------

    def _prune(self, job: str) -> None:
        """Remove the job's oldest runs, and the logs of all but the latest runs."""
        store = self._cloud.store
        ended = [
            run["id"]
            for run in store.all(RUNS)
            if run["job_definition_id"] == job and runs.state(run, self._cloud.now()) in ENDED
        ]
        for id in ended[:-MAX_ENDED_RUNS]:
            store.delete(RUNS, id)
        self._commit()
        logged = [id for id, definition in self._logged.items() if definition == job]
        newest = [id for id in logged if store.get(RUNS, id) is not None][-MAX_LOGGED_RUNS:]
        self._remove_logs([id for id in logged if id not in newest])

    def _remove_logs(self, ids: list[str]) -> None:
        """Remove the processes of ended runs along with their logs."""
        for id in ids:
            del self._logged[id]
            removal = asyncio.create_task(self._remove(id))
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)

    async def _remove(self, id: str) -> None:
        try:
            for process in await self._engine.list_processes(id):
                await self._engine.remove(process.id)
        except EngineError:
            return  # the next start of the runtime finds them by their label and removes them
