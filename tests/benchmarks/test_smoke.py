"""Each benchmark works: its shortest round comes to an end."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import BENCHMARKS, outcome
from benchmarks.measure import Session

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
def test_shortest_round_on_docker(name: str) -> None:
    shortest_round(name)
