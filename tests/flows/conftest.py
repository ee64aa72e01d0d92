"""Where flows run: each worker brings the foundation up once; each test starts from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.lab import Lab


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Path]]:
    """A lab, and a folder with what it holds after the foundation is up."""
    folder = tmp_path_factory.mktemp("founded")
    lab = Lab.at(folder / "project")
    lab.project.start_cloud()
    try:
        lab.up_ok("foundation-local")
        lab.save(folder / "saved")
        yield lab, folder / "saved"
    finally:
        lab.project.stop_cloud()


@pytest.fixture
def lab(founded: tuple[Lab, Path]) -> Lab:
    """The foundation is up, the stack local does not exist yet."""
    return restored(*founded)


def restored(lab: Lab, saved: Path) -> Lab:
    """As it was right after the foundation, whatever other tests have made of it."""
    stack_file = lab.project.stack_file("local")
    original = saved / stack_file.name
    if original.exists():
        stack_file.write_text(original.read_text())
    else:
        original.write_text(stack_file.read_text())
    lab.restore(saved)
    lab.project.start_cloud()
    return lab
