"""An engine without containers, and a clock that a test moves."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from localcloud.api.errors import EngineError
from localcloud.api.logs.lines import LoggedProcess, LogLine
from localcloud.runtime.engine import Exit, Running
from localcloud.runtime.instance import InstanceContext, Timing
from localcloud.runtime.revision import Probe, Revision
from localcloud.runtime.task import Task

REVISION = Revision(
    container_id="c",
    name="api",
    generation=1,
    image="127.0.0.1:1/snu/api@sha256:0",
    environment={"SECRET": "hush"},
    secrets=("hush",),
    command=(),
    args=(),
    port=8080,
    memory_bytes=256_000_000,
    mvcpu=1_000,
    instances=1,
    timeout=60.0,
    startup=None,
    liveness=None,
)
PROBE = Probe("/ok", interval=10.0, timeout=1.0, failure_threshold=3)


def revision(**values: Any) -> Revision:
    return replace(REVISION, **values)


async def settle() -> None:
    """Run everything that needs no time."""
    for _ in range(50):
        await asyncio.sleep(0)


class FakeClock:
    def __init__(self) -> None:
        self._now = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let time pass and run everything in order."""
        until = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            self._now, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self._now = until


@dataclass
class Process:
    program: Revision | Task
    instance: str
    started: float
    exit: asyncio.Future[Exit]
    output: list[str] = field(default_factory=list)
    stopped: bool = False
    """Whether ``stop`` was called."""

    @property
    def revision(self) -> Revision:
        assert isinstance(self.program, Revision)
        return self.program

    @property
    def runs(self) -> bool:
        return not self.exit.done()

    def end(self, status: int = 1, *, out_of_memory: bool = False) -> None:
        self.exit.set_result(Exit(status, out_of_memory))


class FakeEngine:
    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self.processes: dict[str, Process] = {}
        self.pulled: list[str] = []
        self.pull_fault = ""
        self.start_fault = ""
        self.stop_fault = ""
        self.remove_fault = ""
        self.started: Callable[[Process], None] = lambda process: None
        """Called when a process was started."""
        self.seconds_to_stop: dict[str, float] = {}
        """Container id → seconds that its processes take to end."""
        self.held: asyncio.Event | None = None
        """Starting waits until this event is set."""

    @property
    def running(self) -> list[Process]:
        return [process for process in self.processes.values() if process.runs]

    @property
    def last(self) -> Process:
        return list(self.processes.values())[-1]

    async def pull(self, image: str, user: str, password: str) -> None:
        if self.pull_fault:
            raise EngineError(self.pull_fault)
        self.pulled.append(image)

    async def start(self, revision: Revision, instance: str) -> Running:
        id = await self._begin(revision, instance)
        return Running(id, id)

    async def run(self, task: Task, attempt: str) -> str:
        return await self._begin(task, attempt)

    async def _begin(self, program: Revision | Task, instance: str) -> str:
        if self.start_fault:
            raise EngineError(self.start_fault)
        if self.held is not None:
            await self.held.wait()
        id = f"p{next(self._numbers)}"
        loop = asyncio.get_running_loop()
        process = self.processes[id] = Process(program, instance, self._clock.now(), loop.create_future())
        self.started(process)
        return id

    async def wait(self, id: str) -> Exit:
        return await asyncio.shield(self.processes[id].exit)

    async def stop(self, id: str, grace: float) -> None:
        process = self.processes[id]
        if self.stop_fault:
            raise EngineError(self.stop_fault)
        process.stopped = True
        await self._clock.sleep(self.seconds_to_stop.get(process.program.container_id, 0.0))
        if process.runs:
            process.end(143)

    async def remove(self, id: str) -> None:
        if self.remove_fault:
            raise EngineError(self.remove_fault)
        if (process := self.processes.pop(id, None)) is not None and process.runs:
            process.end(137)

    async def list_processes(self, container_id: str | None = None) -> list[LoggedProcess]:
        return [
            LoggedProcess(id, process.program.container_id, process.instance, not process.runs)
            for id, process in self.processes.items()
            if container_id in (None, process.program.container_id)
        ]

    async def lines(
        self, process: LoggedProcess, *, tail: int | None = None, since: str = "", until: str = "", follow: bool = False
    ) -> AsyncGenerator[LogLine, None]:
        output = self.processes[process.id].output
        numbered = list(enumerate(output))[-tail if tail else 0 :]
        for number, text in numbered:
            if (time := f"{process.id}.{number:03}") > since:
                yield LogLine(time, process.instance, "stdout", text)


class FakeCheck:
    """Probes with results set by the test."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        """Address, or ``""`` for all → what is wrong."""
        self.asked: list[tuple[str, Probe]] = []

    async def __call__(self, address: str, probe: Probe) -> str:
        self.asked.append((address, probe))
        return self.faults.get(address) or self.faults.get("", "")


@dataclass
class Lab:
    clock: FakeClock
    engine: FakeEngine
    check: FakeCheck
    context: InstanceContext


def make_lab(**timing: float) -> Lab:
    clock = FakeClock()
    engine, check = FakeEngine(clock), FakeCheck()
    return Lab(clock, engine, check, InstanceContext(engine, check, clock, Timing(**timing)))
