"""The interface that the runtime requires of a container engine."""

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
    """A process started by the engine in its own container."""

    id: str
    """The engine's id."""
    address: str
    """``127.0.0.1:<port>``."""


@dataclass(frozen=True)
class Exit:
    """How a process exited."""

    status: int
    out_of_memory: bool = False

    def describe(self, memory_bytes: int) -> str:
        """Describe why the process exited; ``memory_bytes`` is its memory limit."""
        if self.out_of_memory:
            return f"it was killed because it exceeded its memory limit of {memory_bytes // 1_000_000} MB"
        return f"it exited with status {self.status}"


class Engine(LogSource, Protocol):
    """A container engine. It labels the containers that it starts with its owner's id to find them later."""

    async def pull(self, image: str, user: str, password: str) -> None:
        """Raises EngineError."""
        ...

    async def start(self, revision: Revision, instance: str) -> Running:
        """Start an instance of a container. On failure, raises EngineError and leaves nothing behind."""
        ...

    async def run(self, task: Task, attempt: str) -> str:
        """Start a job's process on the host's network and return the engine's id.

        On failure, raises EngineError and leaves nothing behind.
        """
        ...

    async def wait(self, id: str) -> Exit:
        """Wait until the process exits."""
        ...

    async def stop(self, id: str, grace: float) -> None:
        """Send SIGTERM, and SIGKILL after ``grace`` seconds. Keeps the logs; ignores a process that has exited."""
        ...

    async def remove(self, id: str) -> None:
        """Remove a process and its logs, killing it if it is still running. Ignores unknown ids."""
        ...


async def last_line(engine: Engine, program: Program, id: str) -> str:
    """The last line that a process wrote, in a form that can be appended to the reason for its exit."""
    last = ""
    try:
        for process in await engine.list_processes(program.container_id):
            if process.id == id:
                lines = [line async for line in engine.lines(process, tail=1)]
                last = max(lines, key=lambda line: line.time).text.strip() if lines else ""
    except EngineError:
        return ""
    return f"; its last line: {program.redacted(last)}" if last else "; it wrote nothing"
