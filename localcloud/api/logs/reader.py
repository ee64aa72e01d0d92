"""Reads a container's logs: lines of running and exited instances, and added lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing, suppress
from operator import attrgetter

from localcloud.api.errors import EngineError
from localcloud.api.logs.added import AddedLines
from localcloud.api.logs.lines import LoggedProcess, LogLine, LogSource
from localcloud.api.timestamps import nanotime

_PARALLEL_READS = 8
"""Number of processes whose logs are read in parallel."""

_TAILS = (1_000, 10_000)
"""Numbers of lines to read from the end of a log. If fewer than half of them are newer than a given time, the read
included every newer line. The threshold is half because lines may be written between the reads of the two streams."""
_LINE_CHARACTERS = 4_096
"""Length above which an engine may count a line as several lines."""

_time = attrgetter("time")


class LogReader:
    """Reads container logs for the control API and for Cockpit."""

    def __init__(self, source: LogSource | None = None) -> None:
        """``source`` reads the instances' lines. Without it, only added lines are available."""
        self._source = source
        self.added = AddedLines()
        self._start_events: dict[str, asyncio.Event] = {}
        self._last_times: dict[str, str] = {}
        """Maps the engine's id of an exited process to the time of its last line."""

    def started(self, container_id: str) -> None:
        """Notify followers of the container's logs that a new process has started."""
        if event := self._start_events.pop(container_id, None):
            event.set()

    def has_any(self, container_id: str) -> bool:
        """Whether the container can have log lines."""
        return self._source is not None or self.added.has(container_id)

    async def between(self, container_ids: Collection[str], start: int, end: int) -> dict[str, list[LogLine]]:
        """The lines of each container with ``start`` <= time < ``end`` (nanoseconds), in chronological order.

        Raises EngineError rather than omitting lines.
        """
        since, until = nanotime(start), nanotime(end)
        lines_by_id = {id: self.added.between(id, since, until) for id in container_ids}
        for process, lines in await self._read_range(lines_by_id, start, end):
            lines_by_id[process.container_id] += lines
        return {id: sorted(lines, key=_time) for id, lines in lines_by_id.items()}

    async def lines(
        self, container_id: str, *, tail: int | None = None, follow: bool = False
    ) -> AsyncGenerator[LogLine, None]:
        """The last ``tail`` lines of all instances (None: all), oldest first. Raises EngineError.

        With ``follow``, continues indefinitely with new lines as they arrive, including those of new instances.
        """
        queue: asyncio.Queue[LogLine] = asyncio.Queue()
        with self.added.followed(container_id, queue):
            added = self.added.between(container_id)
            started = self._start_event(container_id)
            written, known = await self._past(container_id, tail)
            lines = sorted([*added, *written], key=_time)
            for line in lines if tail is None else lines[len(lines) - min(tail, len(lines)) :]:
                yield line
            if not follow:
                return
            pumps: dict[str, asyncio.Task[None]] = {}
            try:
                while True:
                    for process in await self._processes(container_id):
                        if process.id not in pumps:
                            since = known.get(process.id, "")
                            pumps[process.id] = asyncio.create_task(self._pump(process, since, queue))
                    async with aclosing(_until(started, queue)) as arriving:
                        async for line in arriving:
                            yield line
                    started = self._start_event(container_id)
            finally:
                for pump in pumps.values():
                    pump.cancel()
                if pumps:
                    await asyncio.wait(pumps.values())

    def _start_event(self, container_id: str) -> asyncio.Event:
        return self._start_events.setdefault(container_id, asyncio.Event())

    async def _processes(self, container_id: str | None = None) -> list[LoggedProcess]:
        return await self._source.list_processes(container_id) if self._source is not None else []

    async def _read_range(
        self, container_ids: Collection[str], start: int, end: int
    ) -> list[tuple[LoggedProcess, list[LogLine]]]:
        slots = asyncio.Semaphore(_PARALLEL_READS)
        processes = await self._processes()
        self._last_times = {
            process.id: self._last_times[process.id] for process in processes if process.id in self._last_times
        }

        async def read(process: LoggedProcess) -> tuple[LoggedProcess, list[LogLine]]:
            async with slots:
                if process.ended and await self._last_time(process) < nanotime(start):
                    return process, []
                return process, await self._within(process, nanotime(start - 1) if start else "", nanotime(end))

        return await asyncio.gather(*(read(process) for process in processes if process.container_id in container_ids))

    async def _within(self, process: LoggedProcess, since: str, until: str) -> list[LogLine]:
        """Read the last lines first: an engine finds them quickly, but reads the whole log to find lines by time."""
        for tail in _TAILS:
            lines = await self._read(process, tail=tail, since=since)
            if sum(1 + len(line.text) // _LINE_CHARACTERS for line in lines) < tail // 2:
                return [line for line in lines if line.time < until]
        return await self._read(process, since=since, until=until)

    async def _last_time(self, process: LoggedProcess) -> str:
        """The time of an exited process's last line, which is read only once."""
        if process.id not in self._last_times:
            self._last_times[process.id] = max((line.time for line in await self._read(process, tail=1)), default="")
        return self._last_times[process.id]

    async def _read(
        self, process: LoggedProcess, *, tail: int | None = None, since: str = "", until: str = ""
    ) -> list[LogLine]:
        assert self._source is not None
        return [line async for line in self._source.lines(process, tail=tail, since=since, until=until)]

    async def _past(self, container_id: str, tail: int | None) -> tuple[list[LogLine], dict[str, str]]:
        """The existing lines, and the time of each process's last line, keyed by the engine's id."""
        processes = await self._processes(container_id)
        lines_by_process = await asyncio.gather(*(self._lines_of(process, tail) for process in processes))
        known = {
            process.id: lines[-1].time for process, lines in zip(processes, lines_by_process, strict=True) if lines
        }
        return [line for part in lines_by_process for line in part], known

    async def _lines_of(self, process: LoggedProcess, tail: int | None) -> list[LogLine]:
        """The lines in chronological order, always including the last one so that following can resume after it."""
        limit = None if tail is None else max(tail, 1)
        with suppress(EngineError):  # the process has been removed in the meantime
            return sorted(await self._read(process, tail=limit), key=_time)
        return []

    async def _pump(self, process: LoggedProcess, since: str, queue: asyncio.Queue[LogLine]) -> None:
        assert self._source is not None
        with suppress(EngineError):
            async with aclosing(self._source.lines(process, since=since, follow=True)) as lines:
                async for line in lines:
                    await queue.put(line)


async def _until(event: asyncio.Event, queue: asyncio.Queue[LogLine]) -> AsyncGenerator[LogLine, None]:
    """Items from the queue until the event is set."""
    occurred = asyncio.create_task(event.wait())
    try:
        while not occurred.done():
            getting = asyncio.create_task(queue.get())
            await asyncio.wait({occurred, getting}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                yield getting.result()
            else:
                getting.cancel()
    finally:
        occurred.cancel()
