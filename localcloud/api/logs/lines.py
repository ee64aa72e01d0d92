"""Lines of logs, and what reading them needs of whatever runs the processes that wrote them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class LoggedProcess:
    """A process of a container that there are logs of, whether or not it still runs."""

    id: str
    """The engine's."""
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


class LogSource(Protocol):
    """Where the lines of processes are read."""

    async def kept(self, container_id: str | None = None) -> list[LoggedProcess]:
        """All processes, or those of one container; the oldest first. Raises EngineError."""
        ...

    def lines(
        self, kept: LoggedProcess, *, tail: int | None = None, since: str = "", until: str = "", follow: bool = False
    ) -> AsyncGenerator[LogLine, None]:
        """What a process wrote: the last ``tail`` lines (``None``: all) after the time ``since`` and before ``until``.

        Either stream is in order, the two together are not. With ``follow`` it goes on until the process ends.
        Raises EngineError.
        """
        ...
