"""What the runtime needs of a container engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from localcloud.api.logs.lines import LogSource
from localcloud.runtime.revision import Revision

if TYPE_CHECKING:
    from localcloud.runtime.task import Task


@dataclass(frozen=True)
class Running:
    """A process that the engine started, in a container of its own."""

    id: str
    """The engine's."""
    address: str
    """``127.0.0.1:<port>``."""


@dataclass(frozen=True)
class Exit:
    status: int
    out_of_memory: bool = False

    def told(self, memory_bytes: int) -> str:
        """For people; ``memory_bytes`` is what it may take."""
        if self.out_of_memory:
            return f"it was killed because it needs more than its {memory_bytes // 1_000_000} MB of memory"
        return f"it exited with status {self.status}"


class Engine(LogSource, Protocol):
    """Everything that it starts is labelled with one id of its owner, and can be found again by that."""

    async def pull(self, image: str, user: str, password: str) -> None:
        """Raises EngineError."""
        ...

    async def start(self, revision: Revision, instance: str) -> Running:
        """Raises EngineError; then nothing is left."""
        ...

    async def run(self, task: Task, attempt: str) -> str:
        """Start a process that runs to its end, on the host's own network; gives the engine's id.

        Raises EngineError; then nothing is left.
        """
        ...

    async def wait(self, id: str) -> Exit:
        """How the process ended, once it has."""
        ...

    async def stop(self, id: str, grace: float) -> None:
        """SIGTERM, and SIGKILL after ``grace`` seconds; its logs stay. Nothing happens to what has ended."""
        ...

    async def remove(self, id: str) -> None:
        """With its logs; one that runs is killed. Nothing happens if there is none."""
        ...
