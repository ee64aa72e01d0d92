"""The instances of a container: start, crash, probes, roll-out, stop; with a fake engine and clock."""

from __future__ import annotations

import asyncio

import pytest

from localcloud.runtime.balancer import busy
from localcloud.runtime.workload import Workload
from tests.runtime.fakes import PROBE, Lab, Process, make_lab, revision, settle


@pytest.fixture
async def lab() -> Lab:
    return make_lab()


def _ends_badly(process: Process) -> None:
    process.output.append("bad hush")
    process.end(9)


async def roll_out(lab: Lab, workload: Workload, seconds: float = 1.0, **values: object) -> str:
    """Roll out a revision within a time, and return why it failed."""
    rolling = asyncio.create_task(workload.roll_out(revision(**values)))
    await lab.clock.advance(seconds)
    assert rolling.done(), "the roll-out goes on"
    return rolling.result()


async def test_the_desired_number_of_instances_serves(lab: Lab) -> None:
    workload = Workload(lab.context)
    assert await roll_out(lab, workload, instances=3) == ""
    assert [process.instance for process in lab.engine.running] == ["1-1-1", "1-2-1", "1-3-1"]
    assert {backend.address for _ in range(3) if (backend := workload.pick())} == {"p1", "p2", "p3"}
    await workload.stop()
    assert lab.engine.running == []
    assert workload.pick() is None


async def test_nothing_serves_before_all_are_started(lab: Lab) -> None:
    workload = Workload(lab.context)
    lab.check.faults["p2"] = "not yet"
    rolling = asyncio.create_task(workload.roll_out(revision(instances=2, startup=PROBE)))
    await lab.clock.advance(15)
    assert not rolling.done()
    assert workload.pick() is None
    assert workload.not_ready_reason == "it is starting"
    lab.check.faults.clear()
    await lab.clock.advance(5)
    assert rolling.result() == ""
    assert workload.pick() is not None


async def test_crashes_restart_immediately_and_then_with_backoff(lab: Lab) -> None:
    workload = Workload(lab.context)
    await roll_out(lab, workload)
    waits = []
    for _ in range(4):
        lab.engine.last.end()
        crashed = lab.clock.now()
        await lab.clock.advance(100)
        waits.append(lab.engine.last.started - crashed)
    assert waits == [0, 10, 20, 40]


async def test_a_crashed_instance_gets_no_requests_until_it_is_ready_again(lab: Lab) -> None:
    workload = Workload(lab.context)
    await roll_out(lab, workload, startup=PROBE, instances=2)
    lab.check.faults["p3"] = "not yet"
    lab.engine.processes["p1"].output.append("out of luck: hush")
    lab.engine.processes["p1"].end(7)
    await settle()
    assert {backend.address for _ in range(4) if (backend := workload.pick())} == {"p2"}
    assert "it exited with status 7; its last line: out of luck: [secret]" in workload.not_ready_reason
    lab.check.faults.clear()
    await lab.clock.advance(10)
    assert {backend.address for _ in range(4) if (backend := workload.pick())} == {"p2", "p3"}


async def test_an_unhealthy_instance_gets_no_requests_until_it_recovers(lab: Lab) -> None:
    workload = Workload(lab.context)
    await roll_out(lab, workload, liveness=PROBE, instances=2)
    lab.check.faults["p1"] = "GET /ok returned 503"
    await lab.clock.advance(30)
    assert {backend.address for _ in range(4) if (backend := workload.pick())} == {"p2"}
    lab.check.faults["p2"] = "GET /ok returned 503"
    await lab.clock.advance(30)
    assert not workload.is_ready
    assert workload.not_ready_reason == "its liveness probe failed 3 times in a row: GET /ok returned 503"
    assert [process.instance for process in lab.engine.running] == ["1-1-1", "1-2-1"], "none is restarted"
    lab.check.faults.clear()
    await lab.clock.advance(10)
    assert {backend.address for _ in range(4) if (backend := workload.pick())} == {"p1", "p2"}


async def test_an_unhealthy_instance_that_ends_is_restarted(lab: Lab) -> None:
    workload = Workload(lab.context)
    await roll_out(lab, workload, liveness=PROBE)
    lab.check.faults["p1"] = "GET /ok returned 503"
    await lab.clock.advance(30)
    lab.engine.processes["p1"].end(1)
    await settle()
    assert [process.instance for process in lab.engine.running] == ["1-1-2"]
    assert (backend := workload.pick()) is not None
    assert backend.address == "p2"


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        ("exit", "it exited with status 9; its last line: bad [secret]"),
        ("memory", "it was killed because it exceeded its memory limit of 256 MB; it wrote nothing"),
        ("start", "the image cannot be run: [secret]"),
        ("probe", "its startup probe failed 3 times in a row: GET /ok returned 500; it wrote nothing"),
    ],
)
async def test_a_failed_roll_out_says_why_and_keeps_the_old_instances(lab: Lab, spoil: str, expected: str) -> None:
    workload = Workload(lab.context)
    await roll_out(lab, workload)
    if spoil == "exit":
        lab.engine.started = _ends_badly
        lab.check.faults[""] = "refused"
    elif spoil == "memory":
        lab.engine.started = lambda process: process.end(137, out_of_memory=True)
        lab.check.faults[""] = "refused"
    elif spoil == "start":
        lab.engine.start_fault = "the image cannot be run: hush"
    else:
        lab.check.faults[""] = "GET /ok returned 500"
    assert await roll_out(lab, workload, 30, generation=2, startup=PROBE, instances=2) == expected
    assert [process.revision.generation for process in lab.engine.running] == [1]
    assert workload.revision is not None
    assert workload.revision.generation == 1
    assert (backend := workload.pick()) is not None
    assert backend.address == "p1"


async def test_a_failed_instance_is_not_restarted(lab: Lab) -> None:
    workload = Workload(lab.context)
    lab.check.faults[""] = "GET /ok returned 500"
    assert await roll_out(lab, workload, 100, startup=PROBE) != ""
    assert [process.instance for process in lab.engine.processes.values()] == ["1-1-1"]


async def test_a_roll_out_tolerates_one_exit(lab: Lab) -> None:
    workload = Workload(lab.context)
    lab.check.faults["p1"] = "refused"
    rolling = asyncio.create_task(workload.roll_out(revision()))
    await settle()
    lab.engine.last.end()
    await lab.clock.advance(1)
    assert rolling.result() == ""
    assert [process.instance for process in lab.engine.running] == ["1-1-2"]


async def test_an_instance_that_never_listens_fails_the_roll_out(lab: Lab) -> None:
    workload = Workload(lab.context)
    lab.check.faults[""] = "refused"
    assert "it did not listen on port 8080 within 300 s" in await roll_out(lab, workload, 301)
    assert lab.engine.running == []


async def test_the_old_revision_finishes_its_requests(lab: Lab) -> None:
    workload = Workload(lab.context)
    await roll_out(lab, workload)
    old = workload.pick()
    assert old is not None
    with busy(old):
        assert await roll_out(lab, workload, generation=2) == ""
        assert (new := workload.pick()) is not None
        assert new.address == "p2"
        assert lab.engine.processes["p1"].runs
    await lab.clock.advance(1)
    assert not lab.engine.processes["p1"].runs


async def test_endless_requests_do_not_keep_old_instances_running(lab: Lab) -> None:
    workload = Workload(lab.context)
    await roll_out(lab, workload)
    old = workload.pick()
    assert old is not None
    with busy(old):
        await roll_out(lab, workload, generation=2)
        await lab.clock.advance(6)
        assert not lab.engine.processes["p1"].runs


async def test_stop_during_a_start_leaves_no_process(lab: Lab) -> None:
    workload = Workload(lab.context)
    lab.engine.held = asyncio.Event()
    rolling = asyncio.create_task(workload.roll_out(revision()))
    await settle()
    rolling.cancel()
    await settle()
    lab.engine.held.set()
    await settle()
    assert rolling.cancelled()
    assert lab.engine.running == []
    assert lab.engine.last.stopped


async def test_only_the_last_ended_processes_are_kept_for_their_logs(lab: Lab) -> None:
    workload = Workload(lab.context)
    await roll_out(lab, workload)
    for _ in range(20):
        lab.engine.last.end()
        await lab.clock.advance(400)
    ended = [process for process in lab.engine.processes.values() if not process.runs]
    assert len(ended) == 10
    await workload.remove()
    assert lab.engine.processes == {}


async def test_logs_that_cannot_be_removed_do_not_end_the_service(lab: Lab) -> None:
    lab.engine.remove_fault = "Docker does not respond"
    workload = Workload(lab.context)
    await roll_out(lab, workload)
    for _ in range(20):
        lab.engine.last.end()
        await lab.clock.advance(400)
    assert len(lab.engine.processes) == 21
    assert lab.engine.last.runs


async def test_an_instance_that_cannot_be_stopped_gets_no_requests(lab: Lab) -> None:
    workload = Workload(lab.context)
    await roll_out(lab, workload)
    lab.engine.stop_fault = "Docker does not respond"
    await workload.stop()
    assert workload.pick() is None
    assert lab.engine.last.runs
