"""One instance of a container: a process that is started, probed, and started again when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from localcloud.api.errors import EngineError, origin
from localcloud.runtime.backoff import Backoff
from localcloud.runtime.balancer import Backend
from localcloud.runtime.clock import Clock
from localcloud.runtime.engine import Engine, Exit, Running
from localcloud.runtime.last_line import last_line
from localcloud.runtime.probes import Check, listening, started, unwell, well_again
from localcloud.runtime.revision import Revision


class UnhealthyError(Exception):
    """A deploy's instance did not become well; the text says why."""


@dataclass(frozen=True)
class Timing:
    """All in seconds."""

    grace: float = 10.0
    """From SIGTERM to SIGKILL."""
    drain: float = 5.0
    """How long requests under way may go on before SIGTERM."""
    listen: float = 300.0
    """How long an instance without a startup probe may take to listen."""
    backoff_base: float = 10.0
    backoff_longest: float = 300.0
    backoff_forgiven_after: float = 600.0

    def backoff(self) -> Backoff:
        return Backoff(self.backoff_base, self.backoff_longest, self.backoff_forgiven_after)


@dataclass(frozen=True)
class InstanceContext:
    """What all instances share."""

    engine: Engine
    check: Check
    clock: Clock
    timing: Timing = field(default_factory=Timing)
    started: Callable[[Revision], None] = lambda revision: None
    """Called when a process of a container was started: there are new logs."""
    health_changed: Callable[[Revision], None] = lambda revision: None
    """Called when an instance starts or stops to get requests because of its probes."""


_SECOND_EXIT = 2
"""The exit of a process that was never well that ends a deploy: the first may have been bad luck."""


class Instance:
    """Kept running until ``stop``."""

    def __init__(
        self, parts: InstanceContext, revision: Revision, number: int, ended: Callable[[str], Awaitable[None]]
    ) -> None:
        """``ended`` is told the engine's id of every process that has ended."""
        self._parts = parts
        self._revision = revision
        self._name = f"{revision.generation}-{number}"
        self._ended = ended
        self._backoff = parts.timing.backoff()
        self._running: Running | None = None
        self._task: asyncio.Task[None] | None = None
        self.first_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it is ready for the first time; ``UnhealthyError`` when it never will be, and then nothing runs."""
        self.backend: Backend | None = None
        """Where requests go; ``None`` while it is not ready."""
        self._served: Backend | None = None
        """What ``backend`` was last: requests may still be under way there."""
        self.stands = "is being started"
        """What keeps it from being ready, for people."""

    def begin(self) -> None:
        self._task = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """No more requests, then SIGTERM, then SIGKILL. Can be repeated."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _keep_running(self) -> None:
        runs = exits = 0
        try:
            while True:
                runs += 1
                fault, well_for, fatal = await self._run(f"{self._name}-{runs}")
                exits += 1
                self.stands = fault
                if not self.first_ready.done() and (fatal or exits >= _SECOND_EXIT):
                    self._give_up(fault)
                    return
                await self._parts.clock.sleep(self._backoff.delay(well_for))
        except Exception as error:
            if not self.first_ready.done():
                self._give_up(origin(error))
            raise
        finally:
            self.first_ready.cancel()
            await self._take_down()

    def _give_up(self, fault: str) -> None:
        self.first_ready.set_exception(UnhealthyError(fault))
        self.first_ready.exception()  # is looked at: nobody may wait for it any more

    async def _run(self, name: str) -> tuple[str, float, bool]:
        """Start a process and stay until it has ended.

        Gives why it did, how long it was well (seconds), and whether trying again makes no sense in a deploy.
        """
        try:
            running = await self._start(name)
        except EngineError as error:
            return self._revision.redacted(str(error)), 0.0, True
        clock = self._parts.clock
        begun = clock.now()
        self._served = None
        exited = asyncio.create_task(self._parts.engine.wait(running.id))
        watched = asyncio.create_task(self._watch(running))
        try:
            await asyncio.wait({exited, watched}, return_when=asyncio.FIRST_COMPLETED)
            well_for = clock.now() - begun if self._served is not None else 0.0
            if exited.done():
                return await self._told(exited, running), well_for, False
            fault = watched.result()
        finally:
            exited.cancel()
            watched.cancel()
            self.backend = None
        fault += await self._last_line(running.id)
        await self._take_down()
        return fault, well_for, True

    async def _start(self, name: str) -> Running:
        """What has begun is never left to itself, also when this is cancelled."""
        starting = asyncio.ensure_future(self._parts.engine.start(self._revision, name))
        try:
            self._running = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait({starting})
            if not starting.cancelled() and starting.exception() is None:
                self._running = starting.result()
            raise
        self._parts.started(self._revision)
        return self._running

    async def _watch(self, running: Running) -> str:
        """Ready once it has started, and whenever its liveness probe succeeds; gives why it never started."""
        parts, revision = self._parts, self._revision
        startup = revision.startup
        if startup is not None:
            fault = await started(parts.check, running.address, startup, parts.clock)
        else:
            fault = await listening(parts.check, running.address, revision.port, parts.timing.listen, parts.clock)
        if fault:
            return fault
        backend = self._served = Backend(running.address)
        while True:
            self.backend = backend
            if not self.first_ready.done():
                self.first_ready.set_result(None)
            parts.health_changed(revision)
            if revision.liveness is None:
                await asyncio.get_running_loop().create_future()
                return ""
            self.stands = await unwell(parts.check, running.address, revision.liveness, parts.clock)
            self.backend = None
            parts.health_changed(revision)
            await well_again(parts.check, running.address, revision.liveness, parts.clock)

    async def _told(self, exited: asyncio.Task[Exit], running: Running) -> str:
        """Why a process ended that nobody stopped."""
        self._running = None
        try:
            end = exited.result()
        except EngineError as error:
            await self._ended(running.id)
            return self._revision.redacted(str(error))
        fault = end.told(self._revision.memory_bytes) + await self._last_line(running.id)
        await self._ended(running.id)
        return fault

    async def _last_line(self, id: str) -> str:
        return await last_line(self._parts.engine, self._revision, id)

    async def _take_down(self) -> None:
        """Let requests under way end, and stop the process."""
        running, served, timing = self._running, self._served, self._parts.timing
        self._running = self.backend = None
        if running is None:
            return
        if served is not None:
            until = self._parts.clock.now() + timing.drain
            while served.in_flight and self._parts.clock.now() < until:
                await self._parts.clock.sleep(0.1)
        try:
            await self._parts.engine.stop(running.id, timing.grace)
        except EngineError as error:
            self.stands = f"cannot be stopped: {error}"
        await self._ended(running.id)
