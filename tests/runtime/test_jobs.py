"""Job runs on an engine without containers, and schedules."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.api.secret_manager.payloads import PAYLOADS, VERSIONS
from localcloud.api.serverless_jobs.runs import DEFINITIONS, REFERENCES, RUNS, new_run, shown, stopped
from localcloud.api.serverless_jobs.schedule import ScheduleError, is_due
from localcloud.api.store import Resource
from localcloud.runtime import job_runner
from localcloud.runtime.leftovers import finish_without_runtime
from localcloud.runtime.task import Task
from tests.runtime.fakes import settle
from tests.runtime.test_runtime import IMAGE, World

MIDNIGHT = 1_700_006_400.0
"""2023-11-15T00:00:00Z."""
PARIS = ZoneInfo("Europe/Paris")


class JobWorld(World):
    """Like ``World``, with a wall clock that starts at MIDNIGHT."""

    def open(self) -> None:
        super().open()
        self.cloud.now = lambda: MIDNIGHT + self.clock.now()
        self.cloud.will_run = self.runtime.will_run

    def define(self, id: str = "j", **values: Any) -> Resource:
        """As the API's handler does it."""
        definition = {
            "id": id,
            "name": f"local-{id}",
            "image_uri": IMAGE,
            "cpu_limit": 140,
            "memory_limit": 256,
            "local_storage_capacity": 1,
            "region": "fr-par",
            "command": "",
            "startup_command": [],
            "args": [],
            "environment_variables": {},
            "job_timeout": "600s",
            "retry_policy": None,
            "cron_schedule": None,
            "_project": "p",
            "_region": "fr-par",
            **values,
        }
        self.cloud.store.put(DEFINITIONS, id, definition)
        return definition

    async def begin(self, definition: Resource, **wanted: Any) -> str:
        id = str(new_run(self.cloud, definition, self.cloud.now(), wanted)["id"])
        self.runtime.wake()
        await settle()
        return id

    async def interrupt(self, id: str) -> None:
        self.cloud.store.put(RUNS, id, stopped(self.cloud.store.get(RUNS, id) or {}, self.cloud.now()))
        self.runtime.wake()
        await settle()

    def run(self, id: str) -> dict[str, Any]:
        return shown(self.cloud.store.get(RUNS, id) or {}, self.cloud.now())

    @property
    def runs(self) -> list[Resource]:
        return list(self.cloud.store.all(RUNS))

    @property
    def task(self) -> Task:
        program = self.engine.last.program
        assert isinstance(program, Task)
        return program

    def keep_secret(self, secret_id: str, *values: str, disabled: tuple[int, ...] = ()) -> None:
        for revision, value in enumerate(values, 1):
            id = f"{secret_id}/{revision}"
            status = "disabled" if revision in disabled else "enabled"
            version = {"id": id, "secret_id": secret_id, "revision": revision, "status": status}
            self.cloud.store.put(VERSIONS, id, version)
            data = base64.b64encode(value.encode()).decode()
            self.cloud.store.put(PAYLOADS, id, {"id": id, "data": data})

    def refer(self, secret_id: str, version: str, **place: Any) -> None:
        id = f"r{len(list(self.cloud.store.all(REFERENCES)))}"
        found = {"id": id, "job_definition_id": "j", "secret_manager_id": secret_id, "secret_manager_version": version}
        self.cloud.store.put(REFERENCES, id, {**found, **place})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[JobWorld]:
    world = JobWorld(tmp_path / "data")
    await world.start()
    yield world
    await world.runtime.stop()
    world.cloud.store.close()


async def test_a_run_is_queued_runs_and_succeeds(world: JobWorld) -> None:
    world.engine.held = asyncio.Event()
    id = await world.begin(world.define())
    assert world.run(id)["state"] == "queued"
    assert world.run(id)["started_at"] is None
    world.engine.held.set()
    await settle()
    assert world.run(id)["state"] == "running"
    assert world.run(id)["exit_code"] is None
    await world.clock.advance(7)
    world.engine.last.end(0)
    await settle()
    run = world.run(id)
    assert (run["state"], run["exit_code"], run["reason"], run["error_message"]) == ("succeeded", 0, None, "")
    assert run["run_duration"] == "7s"
    assert run["terminated_at"] == "2023-11-15T00:00:07.000000Z"


async def test_a_process_gets_values_of_the_definition_and_the_start_request(world: JobWorld) -> None:
    definition = world.define(
        environment_variables={"A": "a", "B": "a"}, startup_command=["node"], args=["job.js"], cpu_limit=500
    )
    await world.begin(definition, environment_variables={"B": "b"}, args=["--once"])
    task = world.task
    assert task.environment == {"A": "a", "B": "b"}
    assert (task.command, task.args) == (("node",), ("--once",))
    assert (task.memory_bytes, task.mvcpu) == (256 * 1_048_576, 500)
    await world.begin(world.define(command="sh -c 'echo a b'"))
    assert world.task.command == ("sh", "-c", "echo a b")
    run = world.run(await world.begin(world.define(command="echo 'a")))
    assert (run["state"], run["reason"]) == ("failed", "invalid_request")


async def test_secrets_are_read_when_a_run_starts(world: JobWorld) -> None:
    world.keep_secret("s", "one", "two", "three", disabled=(3,))
    world.refer("s", "1", env_var={"name": "FIRST"})
    world.refer("s", "latest_enabled", file={"path": "/etc/secret"})
    await world.begin(world.define())
    assert world.task.environment == {"FIRST": "one"}
    assert world.task.files == {"/etc/secret": b"two"}
    assert "one" not in repr(world.task)
    world.keep_secret("s", "changed")
    await world.begin(world.define())
    assert world.task.environment == {"FIRST": "changed"}


@pytest.mark.parametrize(
    ("version", "reason"), [("latest", "secret_disabled"), ("9", "secret_not_found"), ("2", "secret_disabled")]
)
async def test_a_secret_that_cannot_be_read_fails_the_run(world: JobWorld, version: str, reason: str) -> None:
    world.keep_secret("s", "one", "two", disabled=(2,))
    world.refer("s", version, env_var={"name": "A"})
    run = world.run(await world.begin(world.define()))
    assert (run["state"], run["reason"]) == ("failed", reason)
    assert world.engine.processes == {}


async def test_failure_messages_contain_no_secrets(world: JobWorld) -> None:
    world.keep_secret("s", "hush")
    world.refer("s", "latest", env_var={"name": "A"})
    id = await world.begin(world.define())
    world.engine.last.output.append("cannot log in with hush")
    world.engine.last.end(3)
    await settle()
    run = world.run(id)
    assert (run["state"], run["reason"], run["exit_code"]) == ("failed", "exited_with_error", 3)
    assert run["error_message"] == "it exited with status 3; its last line: cannot log in with [secret]"


async def test_running_out_of_memory_has_its_own_reason(world: JobWorld) -> None:
    id = await world.begin(world.define())
    world.engine.last.end(137, out_of_memory=True)
    await settle()
    assert world.run(id)["reason"] == "memory_usage_exceeded"
    assert "268 MB" in world.run(id)["error_message"]


@pytest.mark.parametrize(("fault", "reason"), [("pull_fault", "image_not_found"), ("start_fault", "invalid_image")])
async def test_an_unusable_image_fails_the_run(world: JobWorld, fault: str, reason: str) -> None:
    setattr(world.engine, fault, "no such thing")
    run = world.run(await world.begin(world.define()))
    assert (run["state"], run["reason"], run["error_message"]) == ("failed", reason, "no such thing")


async def test_a_run_is_stopped_after_its_timeout(world: JobWorld) -> None:
    id = await world.begin(world.define(job_timeout="60s", retry_policy={"max_retries": 3}))
    await world.clock.advance(59)
    assert world.run(id)["state"] == "running"
    await world.clock.advance(1)
    run = world.run(id)
    assert (run["state"], run["reason"], run["exit_code"], run["attempts"]) == ("failed", "timeout", None, 1)
    assert world.engine.running == []
    assert world.engine.last.stopped


async def test_a_run_ends_at_its_timeout_even_if_docker_fails(
    world: JobWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    id = await world.begin(world.define(job_timeout="60s"))
    world.engine.stop_fault = world.engine.remove_fault = "Docker does not respond"
    await world.clock.advance(60)
    assert (world.run(id)["state"], world.run(id)["reason"]) == ("failed", "timeout")
    assert "Docker does not respond" in capsys.readouterr().err
    world.cloud.store.delete(RUNS, id)
    world.runtime.wake()
    await settle()
    assert world.runs == []
    world.engine.stop_fault = world.engine.remove_fault = ""


async def test_a_failed_run_is_retried(world: JobWorld) -> None:
    id = await world.begin(world.define(retry_policy={"max_retries": 2}))
    world.engine.last.end(1)
    await settle()
    assert (world.run(id)["state"], world.run(id)["attempts"]) == ("running", 2)
    world.engine.last.end(1)
    await settle()
    assert world.run(id)["state"] == "retrying"
    await world.clock.advance(10)
    assert (world.run(id)["state"], world.run(id)["attempts"]) == ("running", 3)
    world.engine.last.end(0)
    await settle()
    assert world.run(id)["state"] == "succeeded"
    assert [process.instance for process in world.engine.processes.values()] == ["1", "2", "3"]


async def test_retries_end_with_the_timeout(world: JobWorld) -> None:
    world.engine.started = lambda process: process.end(1)
    id = await world.begin(world.define(job_timeout="15s", retry_policy={"max_retries": 10}))
    await world.clock.advance(15)
    assert (world.run(id)["state"], world.run(id)["reason"], world.run(id)["attempts"]) == ("failed", "timeout", 3)


async def test_a_run_is_interrupted(world: JobWorld) -> None:
    id = await world.begin(world.define())
    world.engine.seconds_to_stop[id] = 5
    await world.interrupt(id)
    assert world.run(id)["state"] == "interrupting"
    for _ in range(3):  # whatever else happens meanwhile
        world.runtime.wake()
        await settle()
    await world.clock.advance(5)
    assert (world.run(id)["state"], world.run(id)["reason"]) == ("interrupted", "cancellation")
    assert world.engine.running == []


async def test_a_queued_run_can_be_interrupted(world: JobWorld) -> None:
    world.engine.held = asyncio.Event()
    id = await world.begin(world.define())
    await world.interrupt(id)
    world.engine.held.set()
    await settle()
    assert world.run(id)["state"] == "interrupted"
    assert world.engine.running == []


async def test_a_run_can_be_interrupted_before_it_starts(world: JobWorld) -> None:
    run = new_run(world.cloud, world.define(), world.cloud.now())
    await world.interrupt(run["id"])
    assert world.run(run["id"])["state"] == "interrupted"
    assert world.engine.processes == {}


async def test_runs_of_a_job_overlap(world: JobWorld) -> None:
    definition = world.define()
    for _ in range(3):
        await world.begin(definition)
    assert len(world.engine.running) == 3


async def test_deleted_runs_end_and_are_cleaned_up(world: JobWorld) -> None:
    definition = world.define()
    over = await world.begin(definition)
    world.engine.last.end(0)
    await settle()
    under_way = await world.begin(definition)
    for id in (over, under_way):
        world.cloud.store.delete(RUNS, id)
    world.runtime.wake()
    await settle()
    assert world.engine.processes == {}


async def test_only_the_newest_runs_and_logs_are_kept(world: JobWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runner, "MAX_LOGGED_RUNS", 2)
    monkeypatch.setattr(job_runner, "MAX_ENDED_RUNS", 4)
    definition, other = world.define(), world.define("k")
    world.engine.started = lambda process: process.end(0)
    first = await world.begin(other)
    ids = [await world.begin(definition) for _ in range(6)]
    assert [process.program.container_id for process in world.engine.processes.values()] == [first, *ids[-2:]]
    assert [run["id"] for run in world.runs] == [first, *ids[-4:]]


async def test_stopping_the_local_scaleway_ends_runs(world: JobWorld) -> None:
    id = await world.begin(world.define())
    await world.restart()
    run = world.run(id)
    assert (run["state"], run["reason"]) == ("interrupted", "technical_error")
    assert world.engine.processes == {}


async def test_runs_of_a_killed_local_scaleway_are_interrupted(world: JobWorld) -> None:
    id = await world.begin(world.define())
    kept = dict(world.cloud.store.get(RUNS, id) or {})
    await world.runtime.stop()
    world.cloud.store.put(RUNS, id, kept)
    finish_without_runtime(world.cloud)
    assert world.run(id)["state"] == "interrupted"
    await world.start()


async def test_without_a_process_a_run_changes_state_by_time(world: JobWorld) -> None:
    world.cloud.transitions = 10
    id = await world.begin(world.define(image_uri="elsewhere/x:1"))
    states = []
    for _ in range(3):
        states.append(world.run(id)["state"])
        await world.clock.advance(10)
    assert states == ["queued", "running", "succeeded"]
    assert world.engine.processes == {}


# Schedules


async def test_a_schedule_starts_runs(world: JobWorld) -> None:
    world.define(cron_schedule={"schedule": "*/2 * * * *", "timezone": "UTC"})
    world.engine.started = lambda process: process.end(0)
    counts = []
    for _ in range(5):
        await world.clock.advance(60)
        counts.append(len(world.runs))
    assert counts == [0, 1, 1, 2, 2]
    assert {world.run(run["id"])["state"] for run in world.runs} == {"succeeded"}


async def test_the_minute_of_the_start_is_not_scheduled(world: JobWorld) -> None:
    world.define(cron_schedule={"schedule": "* * * * *", "timezone": "UTC"})
    await world.clock.advance(30)
    await world.restart()
    await world.clock.advance(29)
    assert world.runs == []
    await world.clock.advance(1)
    assert len(world.runs) == 1


async def test_missed_minutes_are_not_caught_up(world: JobWorld) -> None:
    world.define(cron_schedule={"schedule": "* * * * *", "timezone": "UTC"})
    asleep = 0.0
    world.cloud.now = lambda: MIDNIGHT + world.clock.now() + asleep
    await world.clock.advance(60)
    assert len(world.runs) == 1
    asleep = 3 * 3_600
    await world.clock.advance(60)
    assert len(world.runs) == 2


async def test_a_changed_schedule_applies_from_the_next_minute(world: JobWorld) -> None:
    world.define(cron_schedule={"schedule": "* * * * *", "timezone": "UTC"})
    await world.clock.advance(60)
    world.define(cron_schedule=None)
    await world.clock.advance(120)
    assert len(world.runs) == 1


async def test_an_invalid_schedule_does_not_affect_others(world: JobWorld) -> None:
    world.define("a", cron_schedule={"schedule": "99 * * * *", "timezone": "UTC"})
    world.define("b", cron_schedule={"schedule": "* * * * *", "timezone": "UTC"})
    await world.clock.advance(60)
    assert [run["job_definition_id"] for run in world.runs] == ["b"]


async def test_without_a_runtime_schedules_start_nothing(world: JobWorld) -> None:
    world.define(image_uri="elsewhere/x:1", cron_schedule={"schedule": "* * * * *", "timezone": "UTC"})
    await world.clock.advance(60)
    assert world.runs == []


def _minutes(schedule: str, year: int, month: int, day: int) -> list[str]:
    """The local times at which a schedule is due on a day in Paris."""
    first = int(datetime(year, month, day, tzinfo=PARIS).timestamp())
    clocks = [(minute, datetime.fromtimestamp(minute, PARIS)) for minute in range(first, first + 25 * 3_600, 60)]
    return [
        f"{clock:%H:%M}"
        for minute, clock in clocks
        if clock.day == day and is_due({"schedule": schedule, "timezone": "Europe/Paris"}, minute)
    ]


def test_schedules_use_their_time_zone() -> None:
    assert _minutes("30 4 * * *", 2026, 1, 5) == ["04:30"]
    assert _minutes("0 */8 * * MON-FRI", 2026, 1, 5) == ["00:00", "08:00", "16:00"]
    assert _minutes("0 */8 * * MON-FRI", 2026, 1, 4) == []
    assert is_due({"schedule": "30 4 * * *", "timezone": "Europe/Paris"}, 1_767_583_800)  # 2026-01-05T03:30:00Z


def test_clock_changes_skip_and_repeat_nothing() -> None:
    assert _minutes("30 2 * * *", 2026, 3, 29) == ["03:00"]
    assert _minutes("30 2 * * *", 2026, 10, 25) == ["02:30"]


@given(st.integers(0, 59), st.integers(0, 23), st.integers(0, 3 * 365 * 24 * 60))
def test_a_minute_is_due_when_local_time_matches_the_schedule(minute: int, hour: int, number: int) -> None:
    moment = int(MIDNIGHT) + number * 60
    read = datetime.fromtimestamp(moment, ZoneInfo("UTC"))
    due = is_due({"schedule": f"{minute} {hour} * * *", "timezone": "UTC"}, moment)
    assert due == ((read.hour, read.minute) == (hour, minute))


@pytest.mark.parametrize(
    ("schedule", "zone", "part"),
    [
        ("60 * * * *", "UTC", "schedule"),
        ("0 0 31 2 *", "UTC", "schedule"),
        ("a * * * *", "UTC", "schedule"),
        ("* * * * *", "Europe/Lutetia", "timezone"),
        ("* * * * *", "../etc/passwd", "timezone"),
    ],
)
def test_invalid_schedules_are_rejected(schedule: str, zone: str, part: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        is_due({"schedule": schedule, "timezone": zone}, 0)
    assert refusal.value.part == part
