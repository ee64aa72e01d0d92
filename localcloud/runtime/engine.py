"""What the runtime needs of a container engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from localcloud.runtime.revision import Revision

if TYPE_CHECKING:
    from localcloud.runtime.task import Task


class EngineError(Exception):
    """The engine cannot do something; the text is one sentence part that says why."""


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


@dataclass(frozen=True)
class Kept:
    """A process of a container that the engine has logs of, whether or not it still runs."""

    id: str
    container_id: str
    instance: str
    ended: bool
    """Then it writes nothing any more."""


@dataclass(frozen=True)
class LogLine:
    time: str
    """RFC 3339 with nanoseconds, in UTC: sorts as text."""
    instance: str
    stream: Literal["stdout", "stderr"]
    text: str


class Engine(Protocol):
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

    async def kept(self, container_id: str | None = None) -> list[Kept]:
        """All of the owner's, or of one of its containers; the oldest first."""
        ...

    def lines(
        self, kept: Kept, *, tail: int | None = None, since: str = "", until: str = "", follow: bool = False
    ) -> AsyncGenerator[LogLine, None]:
        """What a process wrote: the last ``tail`` lines (``None``: all) after the time ``since`` and before ``until``.

        Either stream is in order, the two together are not. With ``follow`` it goes on until the process ends.
        Raises EngineError.
        """
        ...
