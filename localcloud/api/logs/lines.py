"""Log lines, and the interface of log sources."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class LoggedProcess:
    """A running or exited process that has logs."""

    id: str
    """The engine's id."""
    container_id: str
    instance: str
    ended: bool


@dataclass(frozen=True)
class LogLine:
    time: str
    """RFC 3339 in UTC with nanoseconds, so that times sort as strings."""
    instance: str
    stream: Literal["stdout", "stderr"]
    text: str


class LogSource(Protocol):
    """Reads the log lines of processes."""

    async def list_processes(self, container_id: str | None = None) -> list[LoggedProcess]:
        """All processes, or those of one container, oldest first. Raises EngineError."""
        ...

    def lines(
        self, process: LoggedProcess, *, tail: int | None = None, since: str = "", until: str = "", follow: bool = False
    ) -> AsyncGenerator[LogLine, None]:
        """The last ``tail`` lines of a process (None: all) after ``since`` and before ``until``.

        Lines are in order within each stream, but not across both. With ``follow``, the iteration continues until the
        process exits. Raises EngineError.
        """
        ...
