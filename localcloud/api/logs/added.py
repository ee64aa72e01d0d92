"""Log lines added through the control API, for containers without a process and for tests."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter

from localcloud.api.logs.lines import LogLine

MAX_LINES = 100_000
MAX_BYTES = 20_000_000
"""Limit per container. The oldest lines are dropped first."""

_time = attrgetter("time")


class _Lines:
    """One container's lines, in chronological order."""

    def __init__(self) -> None:
        self.items: list[LogLine] = []
        self._bytes = 0

    def add(self, lines: Iterable[LogLine]) -> None:
        for line in lines:
            insort(self.items, line, key=_time)
            self._bytes += _size(line)
        surplus = max(0, len(self.items) - MAX_LINES)
        self._bytes -= sum(map(_size, self.items[:surplus]))
        while self._bytes > MAX_BYTES:
            self._bytes -= _size(self.items[surplus])
            surplus += 1
        del self.items[:surplus]


class AddedLines:
    """The lines added through the control API. They are kept in memory, so a restart clears them."""

    def __init__(self) -> None:
        self._lines: dict[str, _Lines] = {}
        self._followers: dict[str, list[asyncio.Queue[LogLine]]] = {}

    def add(self, container_id: str, lines: Collection[LogLine]) -> None:
        self._lines.setdefault(container_id, _Lines()).add(lines)
        for queue in self._followers.get(container_id, ()):
            for line in lines:
                queue.put_nowait(line)

    def has(self, container_id: str) -> bool:
        return container_id in self._lines

    def between(self, container_id: str, since: str = "", until: str = "~") -> list[LogLine]:
        """The lines with ``since`` <= time < ``until``, in chronological order."""
        lines = self._lines.get(container_id)
        if lines is None:
            return []
        first, end = (bisect_left(lines.items, moment, key=_time) for moment in (since, until))
        return lines.items[first:end]

    def keep_only(self, container_ids: Collection[str]) -> None:
        """Remove the lines of all other containers."""
        for id in self._lines.keys() - set(container_ids):
            del self._lines[id]

    @contextmanager
    def followed(self, container_id: str, queue: asyncio.Queue[LogLine]) -> Iterator[None]:
        """Within this context, also put newly added lines into the queue."""
        queues = self._followers.setdefault(container_id, [])
        queues.append(queue)
        try:
            yield
        finally:
            queues.remove(queue)
            if not queues:
                del self._followers[container_id]


def _size(line: LogLine) -> int:
    return len(line.text.encode())
