"""One instance of a container: a process that is started, probed, and restarted when it exits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from localcloud.api.errors import EngineError, origin
from localcloud.runtime.backoff import RESTART_DELAY, Backoff
from localcloud.runtime.balancer import Backend
from localcloud.runtime.clock import Clock
from localcloud.runtime.engine import Engine, Exit, Running, last_line
from localcloud.runtime.probes import Check, until_healthy, until_listening, until_started, until_unhealthy
from localcloud.runtime.revision import Revision


class UnhealthyError(Exception):
    """An instance of a new revision did not become ready; the message states why."""


@dataclass(frozen=True)
class Timing:
    """Timeouts and delays, in seconds."""

    grace: float = 10.0
    """Time between SIGTERM and SIGKILL."""
    drain: float = 5.0
    """How long requests in progress may continue before SIGTERM."""
    listen: float = 300.0
    """How long an instance without a startup probe may take to listen on its port."""
    restart_delay: float = RESTART_DELAY
    """Delay before the second restart; see ``Backoff``."""

    def backoff(self) -> Backoff:
        return Backoff(self.restart_delay)


@dataclass(frozen=True)
class InstanceContext:
    """The dependencies shared by all instances."""

    engine: Engine
    check: Check
    clock: Clock
    timing: Timing = field(default_factory=Timing)
    started: Callable[[Revision], None] = lambda _revision: None
    """Called when a process has started, so that its logs can be followed."""
    health_changed: Callable[[Revision], None] = lambda _revision: None
    """Called when an instance starts or stops receiving requests because of its probes."""


_MAX_EXITS = 2
"""Number of exits after which a new revision counts as failed. A single exit may be due to a transient problem."""


class Instance:
    """A process that is kept running until ``stop`` is called."""

    def __init__(
        self, context: InstanceContext, revision: Revision, number: int, on_end: Callable[[str], Awaitable[None]]
    ) -> None:
        """``on_end`` is called with the engine's id of every process that has exited."""
        self._context = context
        self._revision = revision
        self._name = f"{revision.generation}-{number}"
        self._on_end = on_end
        self._backoff = context.timing.backoff()
        self._running: Running | None = None
        self._task: asyncio.Task[None] | None = None
        self.first_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Completes when the instance becomes ready, or fails with UnhealthyError and leaves no process behind."""
        self.backend: Backend | None = None
        """The destination of requests. None while the instance is not ready."""
        self._last_backend: Backend | None = None
        """The latest backend of the current process, where requests may still be in progress."""
        self.not_ready_reason = "it is starting"
        """The reason why the instance is not ready."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """Stop sending requests, then send SIGTERM, then SIGKILL. Idempotent."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _keep_running(self) -> None:
        runs = exits = 0
        try:
            while True:
                runs += 1
                fault, healthy_for, is_final = await self._run(f"{self._name}-{runs}")
                exits += 1
                self.not_ready_reason = fault
                if not self.first_ready.done() and (is_final or exits >= _MAX_EXITS):
                    self._give_up(fault)
                    return
                await self._context.clock.sleep(self._backoff.delay(healthy_for))
        except Exception as error:
            if not self.first_ready.done():
                self._give_up(origin(error))
            raise
        finally:
            self.first_ready.cancel()
            await self._shut_down()

    def _give_up(self, fault: str) -> None:
        self.first_ready.set_exception(UnhealthyError(fault))
        self.first_ready.exception()  # mark it as retrieved, since nothing may be awaiting it anymore

    async def _run(self, name: str) -> tuple[str, float, bool]:
        """Start a process and wait for it to exit.

        Returns why it exited, how long it was healthy (seconds), and whether a retry is pointless for a new revision.
        """
        try:
            running = await self._start(name)
        except EngineError as error:
            return self._revision.redacted(str(error)), 0.0, True
        clock = self._context.clock
        started_at = clock.now()
        self._last_backend = None
        exited = asyncio.create_task(self._context.engine.wait(running.id))
        watched = asyncio.create_task(self._watch(running))
        try:
            await asyncio.wait({exited, watched}, return_when=asyncio.FIRST_COMPLETED)
            healthy_for = clock.now() - started_at if self._last_backend is not None else 0.0
            if exited.done():
                return await self._exit_reason(exited, running), healthy_for, False
            fault = watched.result()
        finally:
            exited.cancel()
            watched.cancel()
            self.backend = None
        fault += await self._last_line(running.id)
        await self._shut_down()
        return fault, healthy_for, True

    async def _start(self, name: str) -> Running:
        """Start a process and record it, even if this task is cancelled in the meantime."""
        starting = asyncio.ensure_future(self._context.engine.start(self._revision, name))
        try:
            self._running = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait({starting})
            if not starting.cancelled() and starting.exception() is None:
                self._running = starting.result()
            raise
        self._context.started(self._revision)
        return self._running

    async def _watch(self, running: Running) -> str:
        """Mark the instance as ready while its probes succeed. Returns the reason if it never starts."""
        context, revision = self._context, self._revision
        startup = revision.startup
        if startup is not None:
            fault = await until_started(context.check, running.address, startup, context.clock)
        else:
            fault = await until_listening(
                context.check, running.address, revision.port, context.timing.listen, context.clock
            )
        if fault:
            return fault
        backend = self._last_backend = Backend(running.address)
        while True:
            self.backend = backend
            if not self.first_ready.done():
                self.first_ready.set_result(None)
            context.health_changed(revision)
            if revision.liveness is None:
                await asyncio.get_running_loop().create_future()
                return ""
            self.not_ready_reason = await until_unhealthy(
                context.check, running.address, revision.liveness, context.clock
            )
            self.backend = None
            context.health_changed(revision)
            await until_healthy(context.check, running.address, revision.liveness, context.clock)

    async def _exit_reason(self, exited: asyncio.Task[Exit], running: Running) -> str:
        """The reason why a process exited on its own."""
        self._running = None
        try:
            ended = exited.result()
        except EngineError as error:
            await self._on_end(running.id)
            return self._revision.redacted(str(error))
        fault = ended.describe(self._revision.memory_bytes) + await self._last_line(running.id)
        await self._on_end(running.id)
        return fault

    async def _last_line(self, id: str) -> str:
        return await last_line(self._context.engine, self._revision, id)

    async def _shut_down(self) -> None:
        """Wait for requests in progress, then stop the process."""
        running, backend, timing = self._running, self._last_backend, self._context.timing
        self._running = self.backend = None
        if running is None:
            return
        if backend is not None:
            deadline = self._context.clock.now() + timing.drain
            while backend.in_flight and self._context.clock.now() < deadline:
                await self._context.clock.sleep(0.1)
        try:
            await self._context.engine.stop(running.id, timing.grace)
        except EngineError as error:
            self.not_ready_reason = f"it cannot be stopped: {error}"
        await self._on_end(running.id)
