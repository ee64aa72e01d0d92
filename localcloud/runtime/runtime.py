"""Reconciles running containers with the API's store, and writes their status to it."""

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
from localcloud.api.serverless_jobs.runs import interrupt_leftover_runs
from localcloud.api.store import Resource
from localcloud.runtime.clock import Clock, RealClock
from localcloud.runtime.desired import registry_image, revision_of
from localcloud.runtime.engine import Engine
from localcloud.runtime.gateway import Gateway, new_client
from localcloud.runtime.instance import InstanceContext, Timing
from localcloud.runtime.job_runner import JobRunner
from localcloud.runtime.leftovers import remove_leftovers
from localcloud.runtime.log import log
from localcloud.runtime.probes import Check, NetworkCheck
from localcloud.runtime.revision import Revision
from localcloud.runtime.workload import Workload
from scaleway_facts.behaviour import FALLBACK

ROLLED_OUT = "vault.runtime.revision"
"""Store kind that maps container ids to the serving revisions.

They survive a restart: as on the platform, the previous revision keeps serving after a failed redeploy.
"""

_STOP_SECONDS = 20.0
_REGISTRY_USER = "nologin"


class Runtime:
    def __init__(
        self,
        cloud: Cloud,
        engine: Engine,
        timing: Timing | None = None,
        check: Check | None = None,
        clock: Clock | None = None,
    ) -> None:
        """``check`` runs probes, by default over the network."""
        self._cloud = cloud
        self._engine = engine
        self.logs = LogReader(engine)
        self._timing = timing or Timing()
        self._check = check
        self._clock = clock or RealClock()
        self._job_runner = JobRunner(cloud, engine, self.logs, self._clock, self._timing, self._pull, self._commit)
        self._client: httpx.AsyncClient | None = None
        self._context: InstanceContext | None = None
        self._gateway: Gateway | None = None
        self._workloads: dict[str, Workload] = {}
        self._reconciled: dict[str, int] = {}
        """Maps container ids to the last reconciled generation."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: set[str] = set()
        """Containers whose task must not be cancelled: it already was, or it is removing the container."""
        self._fallbacks: dict[str, asyncio.Task[None]] = {}
        """Maps container ids to timers that stop the revision still serving after a failed deployment."""
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    # --- for the API --------------------------------------------------------------------------------------

    def will_run(self, image: str) -> bool:
        """Whether a container or job with this image runs as a process, which then determines its status."""
        return registry_image(self._cloud, image) is not None

    def wake(self) -> None:
        """Reconcile after a change to the store."""
        self._wake.set()

    def serves(self, container: Resource) -> bool:
        """Whether a process handles the container's requests. If not, see ``unavailable_response``."""
        workload = self._workloads.get(container["id"])
        return workload is not None and workload.serves

    def unavailable_response(self, container: Resource) -> tuple[int, str] | None:
        """Status and reason to send while no process handles requests. None: use the ``error_message`` instead."""
        if not self.will_run(container["image"]):
            return (
                200,
                "This container is deployed to the local Scaleway, but no process is running for it: its image is not "
                f"in the local registry. Push the image to start it. Overview: http://127.0.0.1:{self._cloud.port}/",
            )
        if container["status"] == "error" and container.get("_until", 0) <= self._cloud.now():
            return None
        workload = self._workloads.get(container["id"])
        reason = workload.not_ready_reason if workload is not None else "it is starting"
        return (503, f"No instance of this container is ready yet: {reason}.")

    async def serve(self, container: Resource, scope: Scope, receive: Receive, send: Send) -> tuple[int, str]:
        """Forward a request to an instance of the container; see ``Gateway``."""
        assert self._gateway is not None
        return await self._gateway(self._workloads[container["id"]], scope, receive, send)

    # --- start and stop -----------------------------------------------------------------------------------

    async def start(self) -> None:
        interrupt_leftover_runs(self._cloud)
        self._client = new_client()
        self._gateway = Gateway(self._client)
        self._context = InstanceContext(
            self._engine,
            self._check or NetworkCheck(self._client),
            self._clock,
            self._timing,
            lambda revision: self.logs.started(revision.container_id),
            self._health_changed,
        )
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop and remove all processes within ``_STOP_SECONDS``. The next start removes any that are left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._stop()
        if self._client is not None:
            await self._client.aclose()

    async def _stop(self) -> None:
        tasks = [task for task in (self._loop, *self._tasks.values(), *self._fallbacks.values()) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.gather(self._job_runner.stop(), *(workload.stop() for workload in self._workloads.values()))
        self._workloads.clear()
        await remove_leftovers(self._engine)

    # --- the reconciler -----------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await remove_leftovers(self._engine)
        except EngineError as error:
            log(f"cannot remove the processes of an earlier run: {error}")
        self._job_runner.start()
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                self._reconcile()
                self._job_runner.reconcile()
            except Exception as error:
                log(origin(error))

    def _reconcile(self) -> None:
        """Start a task for every container that is not in its desired state, with at most one task per container."""
        desired = {
            container["id"]: container
            for container in self._cloud.store.all(CONTAINERS)
            if not transitions.is_deleting(container)
        }
        for id, task in list(self._tasks.items()):
            if id not in desired and id not in self._ending:
                self._ending.add(id)
                task.cancel()  # its end wakes the loop, which then removes its processes
        for id in self._workloads.keys() - desired.keys() - self._tasks.keys():
            self._ending.add(id)
            self._start_task(id, self._remove_workload(id))
        for id, container in desired.items():
            if id not in self._tasks:
                self._reconcile_container(container)

    def _reconcile_container(self, container: Resource) -> None:
        id, generation = container["id"], container.get("_generation", 0)
        if self._reconciled.get(id) == generation and (id in self._workloads or not self.will_run(container["image"])):
            return
        revision = revision_of(self._cloud, container)
        is_first_time = id not in self._reconciled
        if revision is None:
            self._reconciled[id] = generation
            if transitions.is_held(container):
                self._finish(id, generation, "")
            if id in self._workloads:
                self._start_task(id, self._remove_workload(id))
            return
        if is_first_time and container["status"] == "error" and not transitions.is_held(container):
            # The last good revision continues to serve. If there is none, the engine may have been at fault: try again.
            if self._fallback_left(container) <= 0:
                self._forget_rolled_out(id)
            revision = self._rolled_out(id) or revision
            self._limit_fallback(container)
        self._reconciled[id] = generation
        interrupted = is_first_time and transitions.is_held(container)
        previous = self._rolled_out(id) if interrupted else None
        self._start_task(id, self._roll_out(revision, generation, previous))

    def _start_task(self, id: str, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks[id] = task

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.pop(id, None)
            self._ending.discard(id)
            if not task.cancelled() and (error := task.exception()) is not None:
                log(origin(error) if isinstance(error, Exception) else repr(error))
            self._wake.set()

        task.add_done_callback(done)

    async def _roll_out(self, revision: Revision, generation: int, previous: Revision | None) -> None:
        """``previous``: the revision that served before a restart. It serves again until the new one is ready."""
        id = revision.container_id
        workload = self._workloads.setdefault(id, self._new_workload())
        if previous is not None:
            await self._deploy(workload, previous)
        fault = await self._deploy(workload, revision)
        if not fault:
            self._cloud.store.put(ROLLED_OUT, id, {"id": id, **revision.document()})
        if revision.generation == generation:
            self._finish(id, generation, fault)
        elif not fault:
            self._commit()

    async def _deploy(self, workload: Workload, revision: Revision) -> str:
        try:
            await self._pull(self._with_current_port(revision).image)
        except EngineError as error:
            return revision.redacted(str(error))
        return await workload.roll_out(self._with_current_port(revision))

    async def _pull(self, image: str) -> None:
        await self._engine.pull(image, _REGISTRY_USER, self._owner_key())

    async def _remove_workload(self, id: str) -> None:
        workload = self._workloads.pop(id)
        self._reconciled.pop(id, None)
        self._forget_rolled_out(id)
        await workload.remove()

    def _finish(self, id: str, generation: int, fault: str) -> None:
        """Record the result of a deployment, unless there is a newer one."""
        container = self._cloud.store.get(CONTAINERS, id)
        if container is None or container.get("_generation", 0) != generation or transitions.is_deleting(container):
            return
        if fault:
            log(f"container {container['name']}: {fault}")
        if fault or transitions.is_held(container) or container["status"] == "error":
            container = transitions.finished(container, fault)
            container["_failed_at"] = self._cloud.now() if fault else None
            self._cloud.store.put(CONTAINERS, id, container)
            self._limit_fallback(container)
        self._commit()

    def _health_changed(self, revision: Revision) -> None:
        """Set a container's status to ``error`` while no instance passes its liveness probe."""
        id = revision.container_id
        container, workload = self._cloud.store.get(CONTAINERS, id), self._workloads.get(id)
        if container is None or workload is None or container.get("_generation", 0) != revision.generation:
            return
        if transitions.is_held(container) or transitions.is_deleting(container):
            return
        fault = "" if workload.is_ready else workload.not_ready_reason
        if bool(fault) != (container["status"] == "error"):
            log(f"container {container['name']}: {fault or 'its liveness probe is succeeding again'}")
            self._cloud.store.put(CONTAINERS, id, transitions.finished(container, fault))
            self._commit()

    def _limit_fallback(self, container: Resource) -> None:
        """Limit how long the previous revision serves after a failed deployment."""
        id = container["id"]
        if (earlier := self._fallbacks.pop(id, None)) is not None:
            earlier.cancel()
        if container.get("_failed_at") is not None:
            ending = self._end_fallback(id, container["_generation"], self._fallback_left(container))
            self._fallbacks[id] = asyncio.create_task(ending)

    def _fallback_left(self, container: Resource) -> float:
        """Seconds for which the previous revision may keep serving requests; infinite if no deployment has failed."""
        failed_at = container.get("_failed_at")
        return inf if failed_at is None else FALLBACK.total_seconds() - (self._cloud.now() - failed_at)

    async def _end_fallback(self, id: str, generation: int, seconds: float) -> None:
        await self._clock.sleep(seconds)
        container, workload = self._cloud.store.get(CONTAINERS, id), self._workloads.get(id)
        if container is None or workload is None or container["_generation"] != generation:
            return
        log(f"container {container['name']}: stopped the revision that had been serving since the failed deployment")
        self._forget_rolled_out(id)
        await workload.stop()

    def _commit(self) -> None:
        try:
            self._cloud.store.commit()
        except sqlite3.Error as error:
            self._cloud.store.rollback()
            log(f"cannot write the state: {error}")

    def _new_workload(self) -> Workload:
        assert self._context is not None
        return Workload(self._context)

    def _rolled_out(self, id: str) -> Revision | None:
        stored = self._cloud.store.get(ROLLED_OUT, id)
        return (
            Revision.from_document({name: value for name, value in stored.items() if name != "id"}) if stored else None
        )

    def _forget_rolled_out(self, id: str) -> None:
        if self._cloud.store.get(ROLLED_OUT, id) is not None:
            self._cloud.store.delete(ROLLED_OUT, id)
            self._commit()

    def _with_current_port(self, revision: Revision) -> Revision:
        """The revision with the registry's current port, which may differ from the stored one."""
        _, _, path = revision.image.partition("/")
        return replace(revision, image=f"127.0.0.1:{self._cloud.port}/{path}")

    def _owner_key(self) -> str:
        """The owner's secret key, which grants access to every image."""
        store = self._cloud.store
        for key in store.all(SECRET_KEYS):
            user = (store.get(API_KEYS, key["access_key"]) or {}).get("user_id")
            if user and (store.get(USERS, user) or {}).get("type") == "owner":
                return str(key["id"])
        return ""
