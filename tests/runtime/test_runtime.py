"""The reconciler, on an engine without containers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.api import transitions
from localcloud.api.cloud import Cloud
from localcloud.api.containers.schemas import CONTAINERS
from localcloud.api.containers.variables import SECRET_VARIABLES
from localcloud.api.logs.reader import LogReader
from localcloud.api.oci.repository import IMAGES, MANIFESTS, NAMESPACES
from localcloud.api.seed import DEFAULT
from localcloud.api.seeding import seed_store
from localcloud.api.store import Store
from localcloud.runtime.leftovers import finish_without_runtime
from localcloud.runtime.runtime import Runtime
from tests.runtime.fakes import FakeCheck, FakeClock, FakeEngine, revision, settle

DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64
PROBE_DOCUMENT = {"failure_threshold": 1, "interval": "1s", "timeout": "1s", "http": {"path": "/ok"}}
IMAGE = f"localhost:1/snu/api@{DIGEST}"


class World:
    """A store with a registry that holds one image, and a runtime on it."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.engine = FakeEngine(self.clock)
        self.check = FakeCheck()
        self.folder = folder
        self.open()
        seed_store(self.cloud, DEFAULT)
        self.cloud.store.put(NAMESPACES, "r", {"id": "r", "name": "snu"})
        self.cloud.store.put(IMAGES, "i", {"id": "i", "name": "api", "namespace_id": "r"})
        self.push(DIGEST)

    def open(self) -> None:
        self.cloud = Cloud(Store(self.folder), port=1, organization_id=DEFAULT.organization_id)
        self.runtime = Runtime(self.cloud, self.engine, check=self.check, clock=self.clock)

    async def restart(self) -> None:
        await self.runtime.stop()
        self.cloud.store.commit()
        self.cloud.store.close()
        self.open()
        await self.start()

    async def start(self) -> None:
        await self.runtime.start()
        await settle()

    def push(self, digest: str) -> None:
        self.cloud.store.put(MANIFESTS, f"i@{digest}", {"id": f"i@{digest}", "digest": digest, "image_id": "i"})

    async def deploy(self, id: str = "c", **values: Any) -> None:
        """As the API's handlers do it."""
        before = self.cloud.store.get(CONTAINERS, id) or {"_generation": 0}
        container = {
            "id": id,
            "name": f"local-{id}",
            "namespace_id": "n",
            "image": IMAGE,
            "environment_variables": {},
            "min_scale": 0,
            "memory_limit_bytes": 1,
            "mvcpu_limit": 1,
            "port": 8080,
            "timeout": "10s",
            "startup_probe": PROBE_DOCUMENT,
            "liveness_probe": None,
            **before,
            "status": "ready",
            "error_message": "",
            "_generation": before["_generation"] + 1,
            **values,
        }
        container = transitions.begin(container, "creating", 0, 0)
        if self.runtime.will_run(container["image"]):
            container = transitions.hold(container)
        self.cloud.store.put(CONTAINERS, id, container)
        self.cloud.store.commit()
        self.runtime.wake()
        await settle()

    def shown(self, id: str = "c") -> dict[str, Any]:
        return transitions.visible(self.cloud.store.get(CONTAINERS, id) or {}, self.cloud.now())

    @property
    def generations(self) -> list[int]:
        return [process.revision.generation for process in self.engine.running]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "data")
    await world.start()
    yield world
    await world.runtime.stop()
    world.cloud.store.close()


async def test_a_container_is_transient_until_it_is_ready(world: World) -> None:
    world.engine.held = asyncio.Event()
    await world.deploy()
    assert world.shown()["status"] == "creating"
    world.engine.held.set()
    await settle()
    assert world.shown()["status"] == "ready"
    assert world.engine.pulled == [f"127.0.0.1:1/snu/api@{DIGEST}"]


async def test_variables_come_from_namespace_container_and_vault(world: World) -> None:
    store = world.cloud.store
    store.put("containers.namespace", "n", {"id": "n", "environment_variables": {"A": "n", "B": "n", "C": "n"}})
    store.put(SECRET_VARIABLES, "n", {"id": "n", "values": {"S": "n", "T": "n"}})
    store.put(SECRET_VARIABLES, "c", {"id": "c", "values": {"S": "c"}})
    await world.deploy(environment_variables={"B": "c", "T": "c"})
    assert world.engine.last.revision.environment == {"A": "n", "B": "c", "C": "n", "S": "c", "T": "n", "PORT": "8080"}


async def test_a_failed_deployment_is_an_error_until_the_next_one(world: World) -> None:
    await world.deploy()
    world.check.faults[""] = "GET /ok returned 500"
    await world.deploy(min_scale=2)
    assert world.shown()["status"] == "error"
    assert "GET /ok returned 500" in world.shown()["error_message"]
    assert world.generations == [1]
    world.check.faults.clear()
    await world.deploy()
    assert (world.shown()["status"], world.shown()["error_message"]) == ("ready", "")
    assert world.generations == [3, 3]


async def test_a_container_whose_liveness_probe_fails_is_in_error_until_it_succeeds(world: World) -> None:
    await world.deploy(liveness_probe=PROBE_DOCUMENT)
    world.check.faults["p1"] = "GET /ok returned 503"
    await world.clock.advance(1)
    assert world.shown()["status"] == "error"
    assert world.shown()["error_message"] == "its liveness probe failed once: GET /ok returned 503"
    assert world.generations == [1]
    world.check.faults.clear()
    await world.clock.advance(1)
    assert (world.shown()["status"], world.shown()["error_message"]) == ("ready", "")


async def test_after_a_failed_deployment_the_previous_revision_serves_for_a_day(world: World) -> None:
    await world.deploy()
    world.check.faults["p2"] = "no answer"
    await world.deploy()
    hour = 3600
    await world.clock.advance(23 * hour)
    assert world.generations == [1]
    await world.clock.advance(hour)
    assert world.generations == []
    assert world.shown()["status"] == "error"
    world.check.faults.clear()
    await world.deploy()
    await world.clock.advance(25 * hour)
    assert world.generations == [3]
    assert world.shown()["status"] == "ready"


async def test_a_successful_deployment_ends_the_fallback(world: World) -> None:
    await world.deploy()
    world.check.faults["p2"] = "no answer"
    await world.deploy()
    world.check.faults.clear()
    await world.deploy()
    await world.clock.advance(48 * 3600)
    assert world.generations == [3]


async def test_a_failed_pull_is_an_error(world: World) -> None:
    world.engine.pull_fault = "the image cannot be pulled: no space left"
    await world.deploy()
    assert world.shown()["error_message"] == "the image cannot be pulled: no space left"


async def test_a_container_starts_once_its_image_is_pushed(world: World) -> None:
    await world.deploy(image=f"localhost:1/snu/api@{OTHER}")
    assert world.shown()["status"] == "ready"
    assert world.engine.processes == {}
    response = world.runtime.unavailable_response(world.cloud.store.get(CONTAINERS, "c") or {})
    assert response is not None
    assert response[0] == 200
    world.push(OTHER)
    world.runtime.wake()
    await settle()
    assert world.generations == [1]


async def test_an_update_to_a_missing_image_stops_the_container(world: World) -> None:
    await world.deploy()
    await world.deploy(image=f"localhost:1/snu/api@{OTHER}")
    assert world.generations == []
    assert world.shown()["status"] == "ready"


async def test_a_deleted_container_leaves_no_process(world: World) -> None:
    await world.deploy()
    world.cloud.store.delete(CONTAINERS, "c")
    world.runtime.wake()
    await settle()
    assert world.engine.processes == {}


async def test_a_container_deleted_during_its_deployment_leaves_no_process(world: World) -> None:
    world.engine.held = asyncio.Event()
    await world.deploy()
    world.cloud.store.delete(CONTAINERS, "c")
    world.runtime.wake()
    await settle()
    world.engine.held.set()
    await settle()
    assert world.engine.processes == {}


async def test_one_removal_does_not_disturb_another(world: World) -> None:
    await world.deploy("quick")
    await world.deploy("slow")
    world.engine.seconds_to_stop["slow"] = 3.0
    for id in ("quick", "slow"):
        world.cloud.store.delete(CONTAINERS, id)
    world.runtime.wake()
    await settle()
    assert [process.revision.container_id for process in world.engine.running] == ["slow"]
    await world.clock.advance(3)
    assert world.engine.processes == {}


async def test_a_cancelled_deployment_is_removed_however_often_the_runtime_wakes(world: World) -> None:
    world.check.faults[""] = "not yet"
    await world.deploy("slow", startup_probe={**PROBE_DOCUMENT, "failure_threshold": 100})
    world.engine.seconds_to_stop["slow"] = 3.0
    world.cloud.store.delete(CONTAINERS, "slow")
    for _ in range(3):
        world.runtime.wake()
        await world.clock.advance(1)
    assert world.engine.processes == {}


async def test_stop_removes_all_processes_and_start_restores_them(world: World) -> None:
    await world.deploy("a")
    await world.deploy("b", min_scale=2)
    await world.runtime.stop()
    assert world.engine.processes == {}
    await world.restart()
    assert sorted(process.revision.container_id for process in world.engine.running) == ["a", "b", "b"]
    assert (world.shown("a")["status"], world.shown("b")["status"]) == ("ready", "ready")


async def test_processes_of_an_earlier_run_are_removed(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    await world.engine.start(revision(), "7-1-1")
    left = world.engine.last
    await world.start()
    assert not left.runs
    assert world.engine.processes == {}
    await world.runtime.stop()
    world.cloud.store.close()


async def test_processes_that_cannot_be_removed_do_not_prevent_a_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path / "data")
    await world.engine.start(revision(), "7-1-1")
    world.engine.remove_fault = "Docker does not respond"
    await world.start()
    assert "cannot remove the processes of an earlier run: Docker does not respond" in capsys.readouterr().err
    world.engine.remove_fault = ""
    await world.deploy()
    assert world.shown()["status"] == "ready"
    await world.runtime.stop()
    world.cloud.store.close()


async def test_a_full_disk_is_told_and_ends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise sqlite3.OperationalError("database or disk is full")

    await world.deploy("a")
    with monkeypatch.context() as patched:
        patched.setattr(world.runtime, "wake", lambda: None)  # only what the runtime itself writes fails
        await world.deploy("b")
    with monkeypatch.context() as patched:
        patched.setattr(world.cloud.store, "commit", full)
        world.runtime.wake()
        await settle()
    assert "cannot write the state: database or disk is full" in capsys.readouterr().err
    await world.deploy("c")
    assert world.shown("c")["status"] == "ready"


async def test_a_restart_after_a_failed_deployment_restores_the_previous_revision(world: World) -> None:
    await world.deploy()
    world.check.faults[""] = "bad"
    await world.deploy(min_scale=2)
    world.check.faults.clear()
    await world.restart()
    assert world.generations == [1]
    assert world.shown()["status"] == "error"


async def test_a_restart_a_day_after_a_failed_deployment_does_not_restore_it(world: World) -> None:
    await world.deploy()
    world.check.faults["p2"] = world.check.faults["p3"] = "no answer"
    await world.deploy()
    container = world.cloud.store.get(CONTAINERS, "c") or {}
    world.cloud.store.put(CONTAINERS, "c", {**container, "_failed_at": container["_failed_at"] - 25 * 3600})
    await world.restart()
    assert world.generations == []
    assert world.shown()["status"] == "error"


async def test_a_container_that_never_served_is_retried_after_a_restart(world: World) -> None:
    """The engine may have been at fault."""
    world.engine.pull_fault = "no engine"
    await world.deploy()
    assert world.shown()["status"] == "error"
    world.engine.pull_fault = ""
    await world.restart()
    assert (world.shown()["status"], world.shown()["error_message"]) == ("ready", "")
    assert world.generations == [1]


async def test_an_interrupted_deployment_continues_after_a_restart(world: World) -> None:
    await world.deploy()
    world.engine.held = asyncio.Event()
    await world.deploy()
    stopping = asyncio.create_task(world.restart())
    await settle()
    world.engine.held.set()
    await stopping
    await settle()
    await world.clock.advance(1)
    assert world.shown()["status"] == "ready"
    assert world.generations == [2]


async def test_without_a_runtime_waiting_containers_become_ready(world: World) -> None:
    world.engine.held = asyncio.Event()
    await world.deploy()
    finish_without_runtime(world.cloud)
    assert world.shown()["status"] == "ready"
    world.engine.held.set()


async def test_images_are_pulled_with_the_owners_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    logins = []

    async def pull(image: str, user: str, password: str) -> None:
        logins.append((user, password))

    monkeypatch.setattr(world.engine, "pull", pull)
    await world.deploy()
    assert logins == [("nologin", DEFAULT.owner.secret_key)]


async def test_the_last_lines_over_all_instances(world: World) -> None:
    await world.deploy(min_scale=2)
    first, second = world.engine.running
    first.output += ["a", "b"]
    second.output += ["c", "d", "e"]
    reader = LogReader(world.engine)
    assert [line.text async for line in reader.lines("c")] == ["a", "b", "c", "d", "e"]
    assert [line.text async for line in reader.lines("c", tail=4)] == ["b", "c", "d", "e"]
    assert [line.text async for line in reader.lines("c", tail=0)] == []
    assert [line.text async for line in reader.lines("other")] == []
