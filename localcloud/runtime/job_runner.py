"""Runs jobs: a process for each run that was started, by a request or by its schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from localcloud.api.clock import timestamp
from localcloud.api.cloud import Cloud
from localcloud.api.errors import EngineError, origin
from localcloud.api.logs.reader import LogReader
from localcloud.api.serverless_jobs import runs
from localcloud.api.serverless_jobs.runs import DEFINITIONS, ENDED, RUNS, new_run
from localcloud.api.serverless_jobs.schedule import MINUTE, ScheduleError, is_due
from localcloud.api.store import Resource
from localcloud.runtime.clock import Clock
from localcloud.runtime.engine import Engine, Exit
from localcloud.runtime.instance import Timing
from localcloud.runtime.last_line import last_line
from localcloud.runtime.messages import note
from localcloud.runtime.task import Task, TaskError, task_of

KEPT_ENDED = 10
"""So many ended runs of a job keep their logs."""
KEPT_RUNS = 100
"""So many ended runs of a job are known at all: a schedule of every minute must not fill the store."""


@dataclass(frozen=True)
class _Outcome:
    state: str
    """One of ``runs.ENDED``."""
    reason: str | None = None
    message: str = ""
    exit_code: int | None = None


_CANCELLED = _Outcome("interrupted", "cancellation", "it was stopped")
_CUT_SHORT = _Outcome("interrupted", "technical_error", "the local Scaleway was stopped while it ran")


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
        """``pull`` gets an image, and raises EngineError; ``commit`` writes what changed in the store."""
        self._cloud = cloud
        self._engine = engine
        self._logs = logs
        self._clock = clock
        self._timing = timing
        self._pull = pull
        self._commit = commit
        self._under_way: dict[str, asyncio.Task[None]] = {}
        """By the run's id."""
        self._stopping: set[str] = set()
        """Runs under way that are let end in peace."""
        self._logged: dict[str, str] = {}
        """Ended runs that have logs, the oldest first → the job's definition."""
        self._schedules: asyncio.Task[None] | None = None
        self._removals: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._schedules = asyncio.create_task(self._keep_schedules())

    def look(self) -> None:
        """Begin the runs that are queued; end those that somebody stops, and those that are gone."""
        found = {run["id"]: run for run in self._cloud.store.all(RUNS) if "_state" in run}
        for id, run in found.items():
            if run["_state"] == "queued" and id not in self._under_way:
                self._begin(run)
            elif run["_state"] == "interrupting" and id not in self._under_way:
                self._settle(id, _CANCELLED)
        for id in self._under_way.keys() - self._stopping:
            if id not in found or found[id]["_state"] == "interrupting":
                self._stopping.add(id)
                self._under_way[id].cancel()
        self._forget([id for id in self._logged if id not in found])

    async def stop(self) -> None:
        """End all processes."""
        tasks = [*self._under_way.values(), *self._removals]
        if self._schedules is not None:
            tasks.append(self._schedules)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # --- schedules ----------------------------------------------------------------------------------------

    async def _keep_schedules(self) -> None:
        """Start what is due, minute by minute. A minute that nobody looked at, as while a laptop sleeps, is past."""
        looked_at = int(self._cloud.now() // MINUTE)
        while True:
            await self._clock.sleep(MINUTE - self._cloud.now() % MINUTE)
            minute = int(self._cloud.now() // MINUTE)
            if minute == looked_at:
                continue
            looked_at = minute
            try:
                self._start_due(minute * MINUTE)
            except Exception as error:
                note(origin(error))

    def _start_due(self, minute: int) -> None:
        """Whether or not an earlier run of the job is still under way, as on the platform."""
        for definition in list(self._cloud.store.all(DEFINITIONS)):
            schedule = definition["cron_schedule"]
            if not schedule or not self._cloud.will_run(definition["image_uri"]):
                continue
            try:
                if is_due(schedule, minute):
                    new_run(self._cloud, definition, self._cloud.now())
            except ScheduleError as error:
                note(f"job {definition['name']}: its {error.part} {error}")
        self._commit()
        self.look()

    # --- runs ---------------------------------------------------------------------------------------------

    def _begin(self, run: Resource) -> None:
        id, job = run["id"], run["job_definition_id"]
        self._under_way[id] = asyncio.create_task(self._run(id))
        self._under_way[id].add_done_callback(lambda _: self._over(id, job))

    def _over(self, id: str, job: str) -> None:
        del self._under_way[id]
        self._stopping.discard(id)
        self._logged[id] = job
        self._tidy(job)

    async def _run(self, id: str) -> None:
        try:
            outcome = await self._outcome(id)
        except asyncio.CancelledError:
            stopped = (self._cloud.store.get(RUNS, id) or {}).get("_state") == "interrupting"
            self._settle(id, _CANCELLED if stopped else _CUT_SHORT)
            raise
        except Exception as error:
            note(origin(error))
            outcome = _Outcome("failed", "technical_error", "internal error of the local Scaleway")
        self._settle(id, outcome)

    async def _outcome(self, id: str) -> _Outcome:
        run = self._cloud.store.get(RUNS, id) or {}
        try:
            task = task_of(self._cloud, run)
        except TaskError as unfit:
            return _Outcome("failed", unfit.reason, str(unfit))
        try:
            await self._pull(task.image)
        except EngineError as error:
            return _Outcome("failed", "image_not_found", task.redacted(str(error)))
        return await self._attempts(task)

    async def _attempts(self, task: Task) -> _Outcome:
        """Until one succeeds, there were enough, or the time is over."""
        until, backoff = self._clock.now() + task.timeout, self._timing.backoff()
        attempt = 1
        while True:
            outcome = await self._attempt(task, attempt, until)
            if outcome.state == "succeeded" or outcome.reason == "timeout" or attempt > task.retries:
                return outcome
            self._change(task.container_id, _state="retrying")
            await self._clock.sleep(min(backoff.delay(0.0), until - self._clock.now()))
            attempt += 1

    async def _attempt(self, task: Task, attempt: int, until: float) -> _Outcome:
        late = _Outcome("failed", "timeout", f"it did not end within its timeout of {task.timeout:g} s")
        if self._clock.now() >= until:
            return late
        try:
            process = await self._start(task, attempt)
        except EngineError as error:
            return _Outcome("failed", "invalid_image", task.redacted(str(error)))
        exited = asyncio.ensure_future(self._engine.wait(process))
        timer = asyncio.ensure_future(self._clock.sleep(until - self._clock.now()))
        try:
            await asyncio.wait({exited, timer}, return_when=asyncio.FIRST_COMPLETED)
            return await self._told(task, process, exited.result()) if exited.done() else late
        except EngineError as error:
            return _Outcome("failed", "technical_error", task.redacted(str(error)))
        finally:
            timer.cancel()
            if not exited.done():
                exited.cancel()
                await self._end(process)

    async def _start(self, task: Task, attempt: int) -> str:
        """What has begun is never left to itself, also when this is cancelled."""
        starting = asyncio.ensure_future(self._engine.run(task, str(attempt)))
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait({starting})
            if not starting.cancelled() and starting.exception() is None:
                await self._end(starting.result())
            raise
        run = self._cloud.store.get(RUNS, task.container_id) or {}
        started = run.get("_starts_at") or self._cloud.now()
        self._change(task.container_id, _state="running", _starts_at=started, attempts=attempt)
        self._logs.started(task.container_id)
        return process

    async def _told(self, task: Task, process: str, end: Exit) -> _Outcome:
        if end.status == 0:
            return _Outcome("succeeded", exit_code=0)
        message = end.told(task.memory_bytes) + await last_line(self._engine, task, process)
        reason = "memory_usage_exceeded" if end.out_of_memory else "exited_with_error"
        return _Outcome("failed", reason, message, end.status)

    async def _end(self, process: str) -> None:
        try:
            await self._engine.stop(process, self._timing.grace)
        except EngineError as error:
            note(str(error))

    def _change(self, id: str, **values: Any) -> None:
        """Unless the run is gone, or somebody stops it."""
        run = self._cloud.store.get(RUNS, id)
        if run is not None and run["_state"] not in ("interrupting", *ENDED):
            self._cloud.store.put(RUNS, id, {**run, **values, "updated_at": timestamp(self._cloud.now())})
            self._commit()

    def _settle(self, id: str, outcome: _Outcome) -> None:
        run = self._cloud.store.get(RUNS, id)
        if run is None:
            return
        now = self._cloud.now()
        over = runs.ended(run, now, outcome.state, outcome.reason, outcome.message, outcome.exit_code)
        self._cloud.store.put(RUNS, id, over)
        self._commit()

    # --- what is left -------------------------------------------------------------------------------------

    def _tidy(self, job: str) -> None:
        """Forget the job's oldest runs, and the logs of more of them."""
        store = self._cloud.store
        ended = [
            run["id"]
            for run in store.all(RUNS)
            if run["job_definition_id"] == job and runs.state(run, self._cloud.now()) in ENDED
        ]
        for id in ended[:-KEPT_RUNS]:
            store.delete(RUNS, id)
        self._commit()
        logged = [id for id, of in self._logged.items() if of == job]
        kept = [id for id in logged if store.get(RUNS, id) is not None][-KEPT_ENDED:]
        self._forget([id for id in logged if id not in kept])

    def _forget(self, ids: list[str]) -> None:
        """Remove the processes of ended runs, and their logs with them."""
        for id in ids:
            del self._logged[id]
            removal = asyncio.create_task(self._remove(id))
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)

    async def _remove(self, id: str) -> None:
        try:
            for kept in await self._engine.kept(id):
                await self._engine.remove(kept.id)
        except EngineError:
            return  # the next start of the runtime finds it by its label
