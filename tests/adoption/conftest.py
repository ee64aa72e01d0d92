"""Where adoptions run: on what Terraform has made, as it was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.adoption.lab import LiveLab
from tests.adoption.record import load
from tests.lab.lab import Lab


@dataclass
class Moment:
    """A lab, and what it held at one moment."""

    live: LiveLab
    saved: Path

    def restore(self) -> LiveLab:
        self.live.lab.begin(self.saved)
        return self.live


def _keep(live: LiveLab, folder: Path) -> Moment:
    live.lab.save(folder)
    return Moment(live, folder)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moment]:
    """Nothing is adopted."""
    folder = tmp_path_factory.mktemp("adoption")
    live = load(Lab.at(folder / "project"), folder)
    live.lab.project.start_cloud()
    try:
        live.point_stacks()
        yield _keep(live, folder / "recorded")
    finally:
        live.lab.project.stop_cloud()


@pytest.fixture(scope="session")
def founded(recorded: Moment) -> Moment:
    """The foundation of production and staging is adopted, and what was accepted is made."""
    live = recorded.restore()
    stack, sources = "foundation-production", live.sources("production", "staging")
    live.adopt_ok(stack, *sources)
    live.lab.up_ok(stack)
    return _keep(live, recorded.saved.parent / "founded")


@pytest.fixture
def live(recorded: Moment) -> LiveLab:
    return recorded.restore()


@pytest.fixture
def founded_live(founded: Moment) -> LiveLab:
    return founded.restore()
