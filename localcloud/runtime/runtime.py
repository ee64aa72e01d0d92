"""Brings what runs to what the API's store says should run, and tells the store what came of it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from dataclasses import replace
from math import inf
from typing import Any

import httpx

from localcloud.api import transitions
from localcloud.api.access import API_KEYS, SECRET_KEYS, USERS
from localcloud.api.asgi import Receive, Scope, Send
from localcloud.api.cloud import Cloud
from localcloud.api.containers.schemas import CONTAINERS
from localcloud.api.errors import EngineError, origin
from localcloud.api.logs.reader import LogReader
from localcloud.api.serverless_jobs.runs import give_up
from localcloud.api.store import Resource
from localcloud.runtime.clock import Clock, RealClock
from localcloud.runtime.desired import held_image, revision_of
from localcloud.runtime.engine import Engine
from localcloud.runtime.gateway import Gateway, new_client
from localcloud.runtime.instance import InstanceContext, Timing
from localcloud.runtime.job_runner import JobRunner
from localcloud.runtime.messages import note
from localcloud.runtime.probes import Check, NetworkCheck
from localcloud.runtime.revision import Revision
from localcloud.runtime.workload import Workload
from scaleway_facts.behaviour import FALLBACK

ROLLED_OUT = "vault.runtime.revision"
"""Kind: container id → the revision that serves. It outlives a restart, as after a failed redeploy on the platform."""

_STOP_SECONDS = 20.0
_USER = "nologin"


class Runtime:
    def __init__(
        self,
        cloud: Cloud,
        engine: Engine,
        timing: Timing | None = None,
        check: Check | None = None,
        clock: Clock | None = None,
    ) -> None:
        """``check``: how probes look; over the network if not said otherwise."""
        self._cloud = cloud
        self._engine = engine
        self.logs = LogReader(engine)
        self._timing = timing or Timing()
        self._check = check
        self._clock = clock or RealClock()
        self._job_runner = JobRunner(cloud, engine, self.logs, self._clock, self._timing, self._pull, self._commit)
        self._client: httpx.AsyncClient | None = None
        self._parts: InstanceContext | None = None
        self._gateway: Gateway | None = None
        self._workloads: dict[str, Workload] = {}
        self._handled: dict[str, int] = {}
        """Container id → the generation that was last brought in."""
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._ending: set[str] = set()
        """Containers whose job is called off or takes them away: it is let end in peace."""
        self._fallbacks: dict[str, asyncio.Task[None]] = {}
        """Container id → what ends the version that serves since a deploy has failed."""
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    # --- for the API --------------------------------------------------------------------------------------

    def will_run(self, image: str) -> bool:
        """Whether a process is to run of an image: then a container is ready when that is."""
        return held_image(self._cloud, image) is not None

    def wake(self) -> None:
        """Something was written to the store, or it was emptied."""
        self._wake.set()

    def serves(self, container: Resource) -> bool:
        """Whether a process answers the container's requests; where none does, see ``standing``."""
        workload = self._workloads.get(container["id"])
        return workload is not None and workload.serves

    def standing(self, container: Resource) -> tuple[int, str] | None:
        """Why no process answers: status and sentence; ``None`` where the container's own status says it."""
        if not self.will_run(container["image"]):
            return (
                200,
                "This is a container of the local Scaleway. No process runs behind it: its image is not in the local "
                f"registry; it runs once the image is pushed there. See http://127.0.0.1:{self._cloud.port}/ for more.",
            )
        if container["status"] == "error" and container.get("_until", 0) <= self._cloud.now():
            return None
        workload = self._workloads.get(container["id"])
        stands = workload.standing if workload is not None else "is being started"
        return (503, f"No instance of this container is ready yet: {stands}.")

    async def serve(self, container: Resource, scope: Scope, receive: Receive, send: Send) -> tuple[int, str]:
        """Answer a request for a container that is served; see ``Gateway``."""
        assert self._gateway is not None
        return await self._gateway(self._workloads[container["id"]], scope, receive, send)

    # --- start and stop -----------------------------------------------------------------------------------

    async def start(self) -> None:
        give_up(self._cloud)
        self._client = new_client()
        self._gateway = Gateway(self._client)
        self._parts = InstanceContext(
            self._engine,
            self._check or NetworkCheck(self._client),
            self._clock,
            self._timing,
            lambda revision: self.logs.started(revision.container_id),
            self._health_changed,
        )
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop all processes and remove them, within a bounded time; what stays, the next start removes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._stop()
        if self._client is not None:
            await self._client.aclose()

    async def _stop(self) -> None:
        tasks = [task for task in (self._loop, *self._jobs.values(), *self._fallbacks.values()) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.gather(self._job_runner.stop(), *(workload.stop() for workload in self._workloads.values()))
        self._workloads.clear()
        await self._remove_leftovers()

    async def _remove_leftovers(self) -> None:
        await remove_leftovers(self._engine)

    # --- the reconciler -----------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._remove_leftovers()
        except EngineError as error:
            note(f"what an earlier run left cannot be removed: {error}")
        self._job_runner.start()
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                self._reconcile()
                self._job_runner.look()
            except Exception as error:
                note(origin(error))

    def _reconcile(self) -> None:
        """Give every container that is not as it should be a job; one job a container at a time."""
        wanted = {
            container["id"]: container
            for container in self._cloud.store.all(CONTAINERS)
            if not transitions.is_deleting(container)
        }
        for id, job in list(self._jobs.items()):
            if id not in wanted and id not in self._ending:
                self._ending.add(id)
                job.cancel()  # its end wakes us, and then what it began is removed
        for id in self._workloads.keys() - wanted.keys() - self._jobs.keys():
            self._ending.add(id)
            self._begin(id, self._take_away(id))
        for id, container in wanted.items():
            if id not in self._jobs:
                self._bring(container)

    def _bring(self, container: Resource) -> None:
        id, generation = container["id"], container.get("_generation", 0)
        if self._handled.get(id) == generation and (id in self._workloads or not self.will_run(container["image"])):
            return
        revision = revision_of(self._cloud, container)
        first_look = id not in self._handled
        if revision is None:
            self._handled[id] = generation
            if transitions.is_held(container):
                self._settle(id, generation, "")
            if id in self._workloads:
                self._begin(id, self._take_away(id))
            return
        if first_look and container["status"] == "error" and not transitions.is_held(container):
            # What served goes on; where nothing did, the engine may have been at fault.
            if self._fallback_left(container) <= 0:
                self._forget_rolled_out(id)
            revision = self._rolled_out(id) or revision
            self._limit_fallback(container)
        self._handled[id] = generation
        interrupted = first_look and transitions.is_held(container)
        before = self._rolled_out(id) if interrupted else None
        self._begin(id, self._roll_out(revision, generation, before))

    def _begin(self, id: str, work: Any) -> None:
        job = asyncio.create_task(work)
        self._jobs[id] = job

        def done(task: asyncio.Task[None]) -> None:
            self._jobs.pop(id, None)
            self._ending.discard(id)
            if not task.cancelled() and (error := task.exception()) is not None:
                note(origin(error) if isinstance(error, Exception) else repr(error))
            self._wake.set()

        job.add_done_callback(done)

    async def _roll_out(self, revision: Revision, generation: int, before: Revision | None) -> None:
        """``before``: what served until the runtime was stopped, and goes on until the revision can."""
        id = revision.container_id
        workload = self._workloads.setdefault(id, self._new_workload())
        if before is not None:
            await self._deploy(workload, before)
        fault = await self._deploy(workload, revision)
        if not fault:
            self._cloud.store.put(ROLLED_OUT, id, {"id": id, **revision.document()})
        if revision.generation == generation:
            self._settle(id, generation, fault)
        elif not fault:
            self._commit()

    async def _deploy(self, workload: Workload, revision: Revision) -> str:
        try:
            await self._pull(self._at_this_port(revision).image)
        except EngineError as error:
            return revision.redacted(str(error))
        return await workload.roll_out(self._at_this_port(revision))

    async def _pull(self, image: str) -> None:
        await self._engine.pull(image, _USER, self._key())

    async def _take_away(self, id: str) -> None:
        workload = self._workloads.pop(id)
        self._handled.pop(id, None)
        self._forget_rolled_out(id)
        await workload.remove()

    def _settle(self, id: str, generation: int, fault: str) -> None:
        """Say what came of a deploy, unless there is a newer one."""
        container = self._cloud.store.get(CONTAINERS, id)
        if container is None or container.get("_generation", 0) != generation or transitions.is_deleting(container):
            return
        if fault:
            note(f"container {container['name']}: {fault}")
        if fault or transitions.is_held(container) or container["status"] == "error":
            container = transitions.settled(container, fault)
            container["_failed_at"] = self._cloud.now() if fault else None
            self._cloud.store.put(CONTAINERS, id, container)
            self._limit_fallback(container)
        self._commit()

    def _health_changed(self, revision: Revision) -> None:
        """A container none of whose instances passes its liveness probe is in error, until one does."""
        id = revision.container_id
        container, workload = self._cloud.store.get(CONTAINERS, id), self._workloads.get(id)
        if container is None or workload is None or container.get("_generation", 0) != revision.generation:
            return
        if transitions.is_held(container) or transitions.is_deleting(container):
            return
        fault = "" if workload.is_ready else workload.standing
        if bool(fault) != (container["status"] == "error"):
            note(f"container {container['name']}: {fault or 'its liveness probe succeeds again'}")
            self._cloud.store.put(CONTAINERS, id, transitions.settled(container, fault))
            self._commit()

    def _limit_fallback(self, container: Resource) -> None:
        """The version that serves after a failed deploy does so for a limited time."""
        id = container["id"]
        if (earlier := self._fallbacks.pop(id, None)) is not None:
            earlier.cancel()
        if container.get("_failed_at") is not None:
            ending = self._end_fallback(id, container["_generation"], self._fallback_left(container))
            self._fallbacks[id] = asyncio.create_task(ending)

    def _fallback_left(self, container: Resource) -> float:
        """Seconds for which what served before a failed deploy may go on; unlimited if none has failed."""
        failed_at = container.get("_failed_at")
        return inf if failed_at is None else FALLBACK.total_seconds() - (self._cloud.now() - failed_at)

    async def _end_fallback(self, id: str, generation: int, seconds: float) -> None:
        await self._clock.sleep(seconds)
        container, workload = self._cloud.store.get(CONTAINERS, id), self._workloads.get(id)
        if container is None or workload is None or container["_generation"] != generation:
            return
        note(f"container {container['name']}: what served since its deploy failed is removed")
        self._forget_rolled_out(id)
        await workload.stop()

    def _commit(self) -> None:
        try:
            self._cloud.store.commit()
        except sqlite3.Error as error:
            self._cloud.store.rollback()
            note(f"cannot write the state: {error}")

    def _new_workload(self) -> Workload:
        assert self._parts is not None
        return Workload(self._parts)

    def _rolled_out(self, id: str) -> Revision | None:
        kept = self._cloud.store.get(ROLLED_OUT, id)
        return Revision.from_document({name: value for name, value in kept.items() if name != "id"}) if kept else None

    def _forget_rolled_out(self, id: str) -> None:
        if self._cloud.store.get(ROLLED_OUT, id) is not None:
            self._cloud.store.delete(ROLLED_OUT, id)
            self._commit()

    def _at_this_port(self, revision: Revision) -> Revision:
        """The registry may have listened elsewhere when the revision was kept."""
        _, _, path = revision.image.partition("/")
        return replace(revision, image=f"127.0.0.1:{self._cloud.port}/{path}")

    def _key(self) -> str:
        """A key that may pull: the owner's."""
        store = self._cloud.store
        for key in store.all(SECRET_KEYS):
            user = (store.get(API_KEYS, key["access_key"]) or {}).get("user_id")
            if user and (store.get(USERS, user) or {}).get("type") == "owner":
                return str(key["id"])
        return ""


async def remove_leftovers(engine: Engine) -> int:
    """Remove everything that the owner's runtime has started and not removed; how many. Raises EngineError."""
    found = await engine.kept()
    await asyncio.gather(*(engine.remove(kept.id) for kept in found))
    return len(found)
