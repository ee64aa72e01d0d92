"""Each benchmark works: its shortest round comes to an end."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import BENCHMARKS, outcome
from benchmarks.measure import Session
from tests.support.docker import HOST_VARIABLE, Engine

ON_DOCKER = {"logs", "restart", "start"}


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
def test_shortest_round_on_docker(name: str, docker_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOST_VARIABLE, docker_engine.host)
    shortest_round(name)
