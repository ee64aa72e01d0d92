"""The lines of a container's logs: those that its instances wrote, ended ones too, and those that were added."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing, suppress
from operator import attrgetter

from localcloud.api.clock import nanotime
from localcloud.api.errors import EngineError
from localcloud.api.logs.added import AddedLines
from localcloud.api.logs.lines import LoggedProcess, LogLine, LogSource

_AT_ONCE = 8
"""Processes whose logs are read at the same time."""

_TAILS = (1_000, 10_000)
"""If so many last lines hold fewer than half as many since a time, there are no more of them. Half, because others may
come between the reads of the two streams."""
_PART = 4_096
"""An engine may count a longer line as several; in characters."""

_time = attrgetter("time")


class LogReader:
    """What a container's logs are read with: the control API does, and Cockpit's."""

    def __init__(self, source: LogSource | None = None) -> None:
        """``source``: what runs the instances; without one there are only lines that were added."""
        self._source = source
        self.added = AddedLines()
        self._news: dict[str, asyncio.Event] = {}
        self._last: dict[str, str] = {}
        """The engine's id of a process that has ended → the time of its last line."""

    def started(self, container_id: str) -> None:
        """A process of the container was started: those who follow its logs look for it."""
        if event := self._news.pop(container_id, None):
            event.set()

    def has_any(self, container_id: str) -> bool:
        """Whether there can be lines of the container."""
        return self._source is not None or self.added.has(container_id)

    async def between(self, container_ids: Collection[str], start: int, end: int) -> dict[str, list[LogLine]]:
        """The lines of each container with ``start`` <= time < ``end`` (nanoseconds), in order of time.

        Raises EngineError rather than leave lines out.
        """
        since, until = nanotime(start), nanotime(end)
        found = {id: self.added.between(id, since, until) for id in container_ids}
        for kept, lines in await self._written(found, start, end):
            found[kept.container_id] += lines
        return {id: sorted(lines, key=_time) for id, lines in found.items()}

    async def lines(
        self, container_id: str, *, tail: int | None = None, follow: bool = False
    ) -> AsyncGenerator[LogLine, None]:
        """The last ``tail`` lines over all instances (``None``: all), the oldest first. Raises EngineError.

        With ``follow`` then what comes, as it arrives, also of instances to come; that never ends by itself.
        """
        queue: asyncio.Queue[LogLine] = asyncio.Queue()
        with self.added.followed(container_id, queue):
            added = self.added.between(container_id)
            news = self._news_of(container_id)
            written, known = await self._past(container_id, tail)
            lines = sorted([*added, *written], key=_time)
            for line in lines if tail is None else lines[len(lines) - min(tail, len(lines)) :]:
                yield line
            if not follow:
                return
            pumps: dict[str, asyncio.Task[None]] = {}
            try:
                while True:
                    for kept in await self._kept(container_id):
                        if kept.id not in pumps:
                            since = known.get(kept.id, "")
                            pumps[kept.id] = asyncio.create_task(self._pump(kept, since, queue))
                    async with aclosing(_until(news, queue)) as arriving:
                        async for line in arriving:
                            yield line
                    news = self._news_of(container_id)
            finally:
                for pump in pumps.values():
                    pump.cancel()
                if pumps:
                    await asyncio.wait(pumps.values())

    def _news_of(self, container_id: str) -> asyncio.Event:
        return self._news.setdefault(container_id, asyncio.Event())

    async def _kept(self, container_id: str | None = None) -> list[LoggedProcess]:
        return await self._source.kept(container_id) if self._source is not None else []

    async def _written(
        self, container_ids: Collection[str], start: int, end: int
    ) -> list[tuple[LoggedProcess, list[LogLine]]]:
        turns = asyncio.Semaphore(_AT_ONCE)
        every = await self._kept()
        self._last = {kept.id: self._last[kept.id] for kept in every if kept.id in self._last}

        async def written(kept: LoggedProcess) -> tuple[LoggedProcess, list[LogLine]]:
            async with turns:
                if kept.ended and await self._last_of(kept) < nanotime(start):
                    return kept, []
                return kept, await self._within(kept, nanotime(start - 1) if start else "", nanotime(end))

        return await asyncio.gather(*(written(kept) for kept in every if kept.container_id in container_ids))

    async def _within(self, kept: LoggedProcess, since: str, until: str) -> list[LogLine]:
        """An engine finds the last lines at once, but reads all of a log to find those since a time."""
        for tail in _TAILS:
            lines = await self._read(kept, tail=tail, since=since)
            if sum(1 + len(line.text) // _PART for line in lines) < tail // 2:
                return [line for line in lines if line.time < until]
        return await self._read(kept, since=since, until=until)

    async def _last_of(self, kept: LoggedProcess) -> str:
        """The time of the last line of a process that has ended, which is asked for once."""
        if kept.id not in self._last:
            self._last[kept.id] = max((line.time for line in await self._read(kept, tail=1)), default="")
        return self._last[kept.id]

    async def _read(
        self, kept: LoggedProcess, *, tail: int | None = None, since: str = "", until: str = ""
    ) -> list[LogLine]:
        assert self._source is not None
        return [line async for line in self._source.lines(kept, tail=tail, since=since, until=until)]

    async def _past(self, container_id: str, tail: int | None) -> tuple[list[LogLine], dict[str, str]]:
        """The lines, and the time of each process's last one, by the engine's id."""
        every = await self._kept(container_id)
        found = await asyncio.gather(*(self._lines_of(kept, tail) for kept in every))
        known = {kept.id: lines[-1].time for kept, lines in zip(every, found, strict=True) if lines}
        return [line for part in found for line in part], known

    async def _lines_of(self, kept: LoggedProcess, tail: int | None) -> list[LogLine]:
        """In order of time; at least the last one, so that it is known where the next begin."""
        most = None if tail is None else max(tail, 1)
        with suppress(EngineError):  # it was removed meanwhile
            return sorted(await self._read(kept, tail=most), key=_time)
        return []

    async def _pump(self, kept: LoggedProcess, since: str, queue: asyncio.Queue[LogLine]) -> None:
        assert self._source is not None
        with suppress(EngineError):
            async with aclosing(self._source.lines(kept, since=since, follow=True)) as lines:
                async for line in lines:
                    await queue.put(line)


async def _until(event: asyncio.Event, queue: asyncio.Queue[LogLine]) -> AsyncGenerator[LogLine, None]:
    """What comes through the queue, until the event."""
    happened = asyncio.create_task(event.wait())
    try:
        while not happened.done():
            getting = asyncio.create_task(queue.get())
            await asyncio.wait({happened, getting}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                yield getting.result()
            else:
                getting.cancel()
    finally:
        happened.cancel()
