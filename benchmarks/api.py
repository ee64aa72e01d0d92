"""The local Scaleway beside moto's server, on comparable calls.

Both are asked by one small client with kept connections. What the client itself takes is in every figure: its own
ceiling, against a server that always gives the same answer, is measured too. The servers' processor time holds
nothing of the client, and little of what else the machine does.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import httpx

from benchmarks import calls, constant_server, servers
from benchmarks.client import Connection
from benchmarks.measure import Ratio, Samples, Session, Target, print_table

_REQUESTS = 240
_WARM_UP = 24
_CONCURRENCIES = (1, 8)
_SLOWEST = 0.99

Key = tuple[str, int]
"""A call's name, and how many requests are under way at once."""


@dataclass
class Side:
    """What was measured of one server."""

    start: Samples = field(default_factory=Samples)
    memory: Samples = field(default_factory=Samples)
    rates: dict[Key, Samples] = field(default_factory=lambda: defaultdict(Samples))
    latencies: dict[Key, Samples] = field(default_factory=lambda: defaultdict(Samples))
    """Milliseconds of every request."""
    processor: dict[Key, Samples] = field(default_factory=lambda: defaultdict(Samples))
    """Milliseconds of the server's processor time for a request."""
    forgiving: bool = False
    """Whether the benchmark goes on where the server fails."""
    broken: int = 0
    """Requests that it failed on: they were answered, and count."""

    def p99(self, concurrency: int) -> Samples:
        """Of each call; the median of the calls is what a table shows."""
        return Samples(
            [
                sorted(samples.values)[int(len(samples.values) * _SLOWEST)]
                for (_, at_once), samples in self.latencies.items()
                if at_once == concurrency
            ]
        )


def _medians(samples: dict[Key, Samples], concurrency: int) -> Samples:
    """One value for each call; the median of the calls is what a table shows."""
    return Samples([found.median for (_, at_once), found in samples.items() if at_once == concurrency])


@dataclass(frozen=True)
class Contestant:
    side: Side
    command: Callable[[int, Path], list[str]]
    """Arguments of python, for a port and an empty folder."""
    first: calls.Request
    """The first request: makes the secret that others read."""
    make: Callable[[calls.Pair], calls.Make]


def _scaleway_command(port: int, folder: Path) -> list[str]:
    return ["-m", "localcloud", "--port", str(port), "--data", str(folder / "data"), "--transitions", "0"]


def _moto_command(port: int, _folder: Path) -> list[str]:
    return ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]


def run(session: Session) -> None:
    scaleway = Contestant(Side(), _scaleway_command, calls.scaleway_first(), lambda pair: pair.scaleway)
    moto = Contestant(Side(forgiving=True), _moto_command, calls.moto_first(), lambda pair: pair.moto)
    ceiling = Side()
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as name:
        if not session.smoke:
            _warm_up(Path(name) / "warm-up", scaleway, moto)
        for number in range(session.rounds):
            folder = Path(name) / str(number)
            folder.mkdir()
            asyncio.run(_round(folder, scaleway, moto, ceiling, session.size(_REQUESTS, max(_CONCURRENCIES))))
    _print(scaleway.side, moto.side, ceiling)


def _warm_up(folder: Path, *contestants: Contestant) -> None:
    """Start each once, unmeasured, so that what is kept between starts is there."""
    folder.mkdir()
    for number, contestant in enumerate(contestants):
        with _started(folder / str(number), replace(contestant, side=Side())):
            pass


async def _round(folder: Path, scaleway: Contestant, moto: Contestant, ceiling: Side, requests: int) -> None:
    """The servers stay up for the whole round and are asked in turns: the others are idle meanwhile."""
    with (
        _started(folder / "scaleway", scaleway) as (ours, first),
        _started(folder / "moto", moto) as (theirs, _),
        servers.running(constant_server.command, folder / "constant.log") as constant,
    ):
        first_secret = first.json()["id"]
        value = calls.scaleway_value(first_secret)
        servers.first_answer(ours, value.method, value.path, value.headers, value.content)
        servers.first_answer(constant, "GET", "/")
        numbers = count()
        pairs = calls.pairs(first_secret)
        for concurrency in _CONCURRENCIES:
            for pair in pairs:
                for contestant, server in ((scaleway, ours), (moto, theirs)):
                    load = _Load(server, contestant.side, contestant.make(pair), numbers, requests)
                    await load.measure((pair.name, concurrency))
            load = _Load(constant, ceiling, pairs[1].scaleway, numbers, requests)
            await load.measure(("", concurrency))
        for contestant, server in ((scaleway, ours), (moto, theirs)):
            if (memory := server.memory) is not None:
                contestant.side.memory.add(memory)


@contextmanager
def _started(folder: Path, contestant: Contestant) -> Iterator[tuple[servers.Server, httpx.Response]]:
    """A server that has answered once, with that answer; how long it took is measured."""
    folder.mkdir()
    first = contestant.first
    began = time.perf_counter()
    with servers.running(lambda port: contestant.command(port, folder), folder / "log") as server:
        answer = servers.first_answer(server, first.method, first.path, first.headers, first.content)
        contestant.side.start.add(time.perf_counter() - began)
        yield server, answer


@dataclass(frozen=True)
class _Load:
    """Requests of one kind to one server."""

    server: servers.Server
    side: Side
    make: calls.Make
    numbers: Iterator[int]
    requests: int

    async def measure(self, key: Key) -> None:
        _, concurrency = key
        side = self.side
        connections = [Connection(self.server.url) for _ in range(concurrency)]
        await self._send(connections, _WARM_UP)
        spent = self.server.processor_seconds
        began = time.perf_counter()
        latencies = await self._send(connections, self.requests)
        side.rates[key].add(len(latencies) / (time.perf_counter() - began))
        if spent is not None and (spent_now := self.server.processor_seconds) is not None:
            side.processor[key].add((spent_now - spent) * 1_000 / len(latencies))
        side.latencies[key].values.extend(latencies)
        for connection in connections:
            await connection.close()

    async def _send(self, connections: list[Connection], total: int) -> list[float]:
        """The milliseconds of each request."""

        async def one_after_another(connection: Connection) -> list[float]:
            return [await self._one(connection) for _ in range(total // len(connections))]

        lines = await asyncio.gather(*map(one_after_another, connections))
        return [latency for line in lines for latency in line]

    async def _one(self, connection: Connection) -> float:
        request = self.make(next(self.numbers))
        began = time.perf_counter()
        answer = await connection.ask(request.method, request.path, request.headers, request.content)
        spent = time.perf_counter() - began
        if answer.status >= 500 and self.side.forgiving:
            self.side.broken += 1
        elif not 200 <= answer.status < 300:
            raise SystemExit(f"{request.method} {request.path}: {answer.status} {answer.content.decode()}")
        return spent * 1_000


def _print(ours: Side, theirs: Side, ceiling: Side) -> None:
    rows = []
    for concurrency in _CONCURRENCIES:
        at_once = f"{concurrency} at once"
        keys = [key for key in ours.rates if key[1] == concurrency]
        rows += [
            Ratio(f"{key[0]}, {at_once}", ours.rates[key], theirs.rates[key], Target(2, at_least=True), "/s", 0)
            for key in keys
        ]
        rows.append(
            Ratio(
                f"median of these calls, {at_once}",
                _medians(ours.rates, concurrency),
                _medians(theirs.rates, concurrency),
                Target(2, at_least=True),
                "/s",
                0,
            )
        )
        rows.append(Ratio(f"their p99, {at_once}", ours.p99(concurrency), theirs.p99(concurrency), None, "ms"))
        if ours.processor:
            rows.append(
                Ratio(
                    f"their processor time, {at_once}",
                    _medians(ours.processor, concurrency),
                    _medians(theirs.processor, concurrency),
                    None,
                    "ms",
                )
            )
    rows.append(Ratio("from start to the first answer", ours.start, theirs.start, Target(0.5)))
    if ours.memory.values:
        rows.append(Ratio("resident memory after the run", ours.memory, theirs.memory, None, "MiB", 0))
    print_table(rows, "here", "moto")
    if theirs.broken:
        print(f"moto failed on {theirs.broken} requests, with status 5xx: under way at once, they meet each other.")
    for concurrency in _CONCURRENCIES:
        rate = ceiling.rates["", concurrency].median
        print(f"The client alone, {concurrency} at once: {rate:.0f}/s, the most that either server could show.")
