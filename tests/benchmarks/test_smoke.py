"""Each benchmark works: its shortest round comes to an end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from benchmarks import __main__ as bench
from benchmarks.__main__ import BENCHMARKS, Benchmark, outcome
from benchmarks.measure import Session, Skipped

ON_DOCKER = {"logs", "restart", "start"}


def _fail(_session: Session) -> None:
    raise ValueError("no figures")


def _skip(_session: Session) -> None:
    raise Skipped("no engine")


def _leave_out(session: Session) -> None:
    session.left_out.append("terraform")


@pytest.mark.parametrize(
    ("run", "status", "says"),
    [(_fail, 1, "FAILED"), (_skip, 0, "skipped: no engine"), (_leave_out, 0, "ok; without terraform")],
)
def test_only_a_failure_is_one(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    run: Callable[[Session], None],
    status: int,
    says: str,
) -> None:
    for name in BENCHMARKS:
        monkeypatch.setitem(BENCHMARKS, name, Benchmark(lambda _session: None, ""))
    monkeypatch.setitem(BENCHMARKS, "local", Benchmark(run, ""))
    monkeypatch.setattr(bench, "shared_engine", nullcontext)  # the tests' own is there
    monkeypatch.setattr(sys, "argv", ["bench", "all", "--smoke"])
    assert bench.main() == status
    listed = capsys.readouterr().out.splitlines()[-len(BENCHMARKS) :]
    assert [line.split()[0] for line in listed] == [*BENCHMARKS]
    assert says in listed[0]


def shortest_round(name: str) -> None:
    said, failed = outcome(name, Session(rounds=1, smoke=True, boot=1.0))
    assert not failed
    if said.startswith("skipped"):
        pytest.skip(said)


@pytest.mark.parametrize("name", sorted(BENCHMARKS.keys() - ON_DOCKER))
def test_shortest_round(name: str) -> None:
    shortest_round(name)


@pytest.mark.xdist_group("docker")
@pytest.mark.parametrize("name", sorted(ON_DOCKER))
def test_shortest_round_on_docker(name: str) -> None:
    shortest_round(name)
