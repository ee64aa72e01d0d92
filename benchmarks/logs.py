"""Logs: ``snu logs``, and polls of what is new, of a container that wrote much beside one that wrote little."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

import pytest

from benchmarks import log_reader
from benchmarks.measure import Ratio, Samples, Session, Target, print_table
from tests.support.docker import running_engine
from tests.support.local_scaleway import Client, Server
from tests.support.site import CockpitLogs, Site, eventually, tiny

_FEW, _MANY = 100, 50_000
_NEW = 10
_PAGE = 5_000
_POLLS = 5
"""In a round."""
_CONTAINERS = "/containers/v1/regions/fr-par"
_WRITES = """
for (let number = 1; number <= Number(process.env.LINES); number++) console.log(`${number} ${"x".repeat(100)}`);
const server = require("node:http").createServer((request, response) => {
  for (let number = 0; number < Number(process.env.NEW); number++) console.log(`new ${number}`);
  response.end();
});
server.listen(Number(process.env.PORT));
process.on("SIGTERM", () => process.exit(0));
"""


def run(session: Session) -> None:
    log_reader.run(session)
    sizes = session.size(_MANY, 200), _FEW
    rows = _added(*sizes, session.rounds)
    try:
        rows += _written(*sizes, session.rounds)
    except pytest.skip.Exception as reason:
        session.leave_out("logs of processes", reason)
    print_table(rows, *(f"{size} lines" for size in sizes))


def _added(most: int, least: int, rounds: int) -> list[Ratio]:
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as folder, Server(Path(folder) / "data") as server:
        api = server.client()
        namespace = api.create(f"{_CONTAINERS}/namespaces", name="bench")["id"]
        many, few = (_filled(api, namespace, count) for count in (most, least))
        logs, now = CockpitLogs.of(api), time.time_ns()
        for id in (many, few):
            _add(api, id, [f"new {number}" for number in range(_NEW)], now)
        rows = [_new_lines("lines that were added: the new ones", logs, many, few, now, rounds)]
        pages = Samples()
        for _ in range(rounds * _POLLS):
            pages.time(partial(logs.values, many, limit=_PAGE, start=now - 2 * most))
        print(f"A page of {_PAGE} lines takes {pages.median * 1_000:.0f} ms.")
        return rows


def _written(most: int, least: int, rounds: int) -> list[Ratio]:
    with (
        running_engine() as engine,
        tempfile.TemporaryDirectory(prefix="snu-bench-") as folder,
        Server(Path(folder) / "data", "--runtime", "docker", environ=engine.environ) as server,
    ):
        site = Site(server.client(), engine, tiny(engine))
        many, few = (
            site.deploy(
                f"lines-{count}",
                command=["node"],
                args=["-e", _WRITES],
                environment_variables={"LINES": str(count), "NEW": str(_NEW)},
            )
            for count in (most, least)
        )
        logs, now = CockpitLogs.of(site.api), time.time_ns()
        for container in (many, few):
            container.get()
            eventually(partial(_all_new, logs, container.id, now), "the new lines are there")
        return [_new_lines("lines of a process: the new ones", logs, many.id, few.id, now, rounds)]


def _new_lines(name: str, logs: CockpitLogs, many: str, few: str, start: int, rounds: int) -> Ratio:
    upper, lower = Samples(), Samples()
    for _ in range(rounds * _POLLS):
        for id, samples in ((many, upper), (few, lower)):
            samples.time(_all_new, logs, id, start)
    return Ratio(name, upper, lower, Target(3), digits=4)


def _all_new(logs: CockpitLogs, id: str, start: int) -> bool:
    return len(logs.values(id, start=start, limit=_PAGE)) == _NEW


def _filled(api: Client, namespace: str, count: int) -> str:
    body = {"namespace_id": namespace, "name": f"lines-{count}", "image": "registry/x:1"}
    id = str(api.create(f"{_CONTAINERS}/containers", **body)["id"])
    _add(api, id, [f"{number} {'x' * 100}" for number in range(count)], time.time_ns() - 2 * count)
    return id


def _add(api: Client, id: str, texts: list[str], start: int) -> None:
    lines = [{"text": text, "time": start + number} for number, text in enumerate(texts)]
    for first in range(0, len(lines), _PAGE):
        api("POST", f"/_local/containers/{id}/logs", {"lines": lines[first : first + _PAGE]})
