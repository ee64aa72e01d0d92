"""The lines that a container's instances wrote, those of ended ones too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from localcloud.runtime.engine import Engine, EngineError, Kept, LogLine


class LogReader:
    """What a container's logs are read with: the control API does, and whatever serves them otherwise."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._news: dict[str, asyncio.Event] = {}

    def started(self, container_id: str) -> None:
        """A process of the container was started: those who follow its logs look for it."""
        if event := self._news.pop(container_id, None):
            event.set()

    async def lines(
        self, container_id: str, *, tail: int | None = None, follow: bool = False
    ) -> AsyncGenerator[LogLine, None]:
        """The last ``tail`` lines over all instances (``None``: all), the oldest first. Raises EngineError.

        With ``follow`` then what comes, as it arrives, also of instances to come; that never ends by itself.
        """
        news = self._news_of(container_id)
        lines, known = await self._past(container_id, tail)
        for line in lines:
            yield line
        if not follow:
            return
        queue: asyncio.Queue[LogLine] = asyncio.Queue()
        pumps: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for kept in await self._engine.kept(container_id):
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

    async def _past(self, container_id: str, tail: int | None) -> tuple[list[LogLine], dict[str, str]]:
        """The lines, and the time of each process's last one, by the engine's id."""
        every = await self._engine.kept(container_id)
        found = await asyncio.gather(*(self._lines_of(kept, tail) for kept in every))
        known = {kept.id: lines[-1].time for kept, lines in zip(every, found, strict=True) if lines}
        lines = sorted((line for part in found for line in part), key=lambda line: line.time)
        return lines if tail is None else lines[len(lines) - min(tail, len(lines)) :], known

    async def _lines_of(self, kept: Kept, tail: int | None) -> list[LogLine]:
        """In order of time; at least the last one, so that it is known where the next begin."""
        most = None if tail is None else max(tail, 1)
        with suppress(EngineError):  # it was removed meanwhile
            lines = [line async for line in self._engine.lines(kept, tail=most)]
            return sorted(lines, key=lambda line: line.time)
        return []

    async def _pump(self, kept: Kept, since: str, queue: asyncio.Queue[LogLine]) -> None:
        with suppress(EngineError):
            async with aclosing(self._engine.lines(kept, since=since, follow=True)) as lines:
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
