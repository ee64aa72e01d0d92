"""Reading logs of processes and added lines; time ranges; limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.api.errors import EngineError
from localcloud.api.logs import added as added_lines
from localcloud.api.logs import reader as reading
from localcloud.api.logs.added import AddedLines
from localcloud.api.logs.lines import LoggedProcess, LogLine
from localcloud.api.logs.reader import LogReader
from localcloud.api.timestamps import nanotime


def line(time: int, text: str = "x") -> LogLine:
    return LogLine(nanotime(time), "1", "stdout", text)


class Engine:
    """Processes with log lines. Records every read."""

    def __init__(self, **lines: list[LogLine]) -> None:
        self.processes = lines
        self.ended: set[str] = set()
        self.asked: list[tuple[str, int | None]] = []
        self.broken = ""

    async def list_processes(self, container_id: str | None = None) -> list[LoggedProcess]:
        return [
            LoggedProcess(id, id[0], "1", id in self.ended) for id in self.processes if container_id in (None, id[0])
        ]

    async def lines(
        self, process: LoggedProcess, *, tail: int | None = None, since: str = "", until: str = "", follow: bool = False
    ) -> AsyncGenerator[LogLine, None]:
        self.asked.append((process.id, tail))
        if process.id == self.broken:
            raise EngineError("no engine")
        every = self.processes[process.id]
        for it in every[-tail:] if tail else every:
            if it.time > since and (not until or it.time < until):
                yield it


def reader(engine: Engine | None = None) -> LogReader:
    given: Any = engine
    return LogReader(given)


async def test_ranges_include_their_start_but_not_their_end() -> None:
    logs = reader(Engine(a1=[line(1), line(3)], a2=[line(2), line(5)], b1=[line(2)]))
    logs.added.add("a", [line(4), line(2, "added"), line(0)])
    found = await logs.between(["a"], 1, 5)
    assert {id: [it.time for it in lines] for id, lines in found.items()} == {
        "a": [nanotime(time) for time in (1, 2, 2, 3, 4)]
    }
    assert [it.time for it in (await logs.between(["a"], 0, 1))["a"]] == [nanotime(0)]


@given(
    times=st.lists(st.integers(0, 60), max_size=40).map(sorted),
    start=st.integers(0, 60),
    length=st.integers(1, 60),
    ended=st.booleans(),
)
def test_long_ranges_are_complete(times: list[int], start: int, length: int, ended: bool) -> None:
    engine = Engine(a1=[line(time) for time in times])
    engine.ended = {"a1"} if ended else set()
    with mock.patch.object(reading, "_TAILS", (4, 12)):
        found = asyncio.run(reader(engine).between(["a"], start, start + length))["a"]
    assert [it.time for it in found] == [nanotime(time) for time in times if start <= time < start + length]


async def test_only_the_end_of_a_long_log_is_read_for_new_lines() -> None:
    engine = Engine(a1=[line(time) for time in range(5_000)])
    assert len((await reader(engine).between(["a"], 4_990, 6_000))["a"]) == 10
    assert engine.asked == [("a1", 1_000)]


async def test_logs_that_ended_before_the_range_are_read_once() -> None:
    engine = Engine(a1=[line(1), line(2)], a2=[line(9)])
    engine.ended = {"a1"}
    logs = reader(engine)
    for _ in range(3):
        assert [it.time for it in (await logs.between(["a"], 5, 10))["a"]] == [nanotime(9)]
    assert engine.asked.count(("a1", 1)) == 1
    assert engine.asked.count(("a1", None)) == 0
    assert len((await logs.between(["a"], 0, 10))["a"]) == 3


async def test_an_unreadable_range_is_an_error() -> None:
    engine = Engine(a1=[line(1)], a2=[line(2)])
    engine.broken = "a2"
    with pytest.raises(EngineError):
        await reader(engine).between(["a"], 0, 10)


async def test_the_tail_merges_process_and_added_lines() -> None:
    logs = reader(Engine(a1=[line(1), line(4)]))
    logs.added.add("a", [line(2), line(3)])
    assert [it.time async for it in logs.lines("a", tail=2)] == [nanotime(3), nanotime(4)]


def test_the_oldest_added_lines_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(added_lines, "MAX_LINES", 3)
    monkeypatch.setattr(added_lines, "MAX_BYTES", 10)
    lines = AddedLines()
    lines.add("a", [line(time, str(time)) for time in (5, 4, 1, 2)])
    assert [it.text for it in lines.between("a")] == ["2", "4", "5"]
    lines.add("a", [line(6, "é" * 4)])
    assert [it.text for it in lines.between("a")] == ["4", "5", "éééé"]
    lines.add("a", [line(7, "z" * 10)])
    assert [it.text for it in lines.between("a")] == ["z" * 10]
    lines.add("b", [line(1)])
    assert len(lines.between("a")) == 1


def test_added_lines_of_deleted_containers_are_removed() -> None:
    lines = AddedLines()
    lines.add("a", [line(1)])
    lines.add("b", [line(1)])
    lines.keep_only({"b", "c"})
    assert not lines.has("a")
    assert lines.has("b")
