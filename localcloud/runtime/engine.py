"""What the runtime needs of a container engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from localcloud.api.errors import EngineError
from localcloud.api.logs.lines import LogSource
from localcloud.runtime.revision import Program, Revision

if TYPE_CHECKING:
    from localcloud.runtime.task import Task


@dataclass(frozen=True)
class Running:
    """A process that the engine started, in a container of its own."""

    id: str
    """The engine's id."""
    address: str
    """``127.0.0.1:<port>``."""


@dataclass(frozen=True)
class Exit:
    """How a process ended."""

    status: int
    out_of_memory: bool = False

    def describe(self, memory_bytes: int) -> str:
        """The reason in words; ``memory_bytes`` is the process's memory limit."""
        if self.out_of_memory:
            return f"it was killed because it needs more than its {memory_bytes // 1_000_000} MB of memory"
        return f"it exited with status {self.status}"


class Engine(LogSource, Protocol):
    """A container engine. It labels everything that it starts with its owner's id, and finds it again by that label."""

    async def pull(self, image: str, user: str, password: str) -> None:
        """Raises EngineError."""
        ...

    async def start(self, revision: Revision, instance: str) -> Running:
        """Start an instance of a container. Raises EngineError, and leaves nothing behind then."""
        ...

    async def run(self, task: Task, attempt: str) -> str:
        """Start a job's process on the host's network and return the engine's id.

        Raises EngineError, and leaves nothing behind then.
        """
        ...

    async def wait(self, id: str) -> Exit:
        """Wait until the process ends."""
        ...

    async def stop(self, id: str, grace: float) -> None:
        """Send SIGTERM, and SIGKILL after ``grace`` seconds. Keeps the logs; ignores a process that has ended."""
        ...

    async def remove(self, id: str) -> None:
        """Remove a process and its logs, and kill it if it still runs. Ignores an unknown id."""
        ...


async def last_line(engine: Engine, program: Program, id: str) -> str:
    """The last line that a process of the program wrote, worded as an addition to the reason of its end."""
    last = ""
    try:
        for process in await engine.list_processes(program.container_id):
            if process.id == id:
                lines = [line async for line in engine.lines(process, tail=1)]
                last = max(lines, key=lambda line: line.time).text.strip() if lines else ""
    except EngineError:
        return ""
    return f"; its last line: {program.redacted(last)}" if last else "; it wrote nothing"
