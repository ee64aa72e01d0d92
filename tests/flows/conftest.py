"""Where flows run: each worker brings the foundation up once; each test starts from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.lab import Lab
from tests.support.pulumi_cli import needs_pulumi


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Path]]:
    """A lab, and a folder with what it holds after the foundation is up."""
    folder = tmp_path_factory.mktemp("founded")
    with Lab.running(folder / "project") as lab:
        lab.up_ok("foundation-local")
        lab.save(folder / "saved")
        yield lab, folder / "saved"


@pytest.fixture
def lab(founded: tuple[Lab, Path]) -> Lab:
    """The foundation is up, the stack local does not exist yet, whatever other tests have made of it."""
    made, saved = founded
    made.begin(saved)
    return made


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Path]]:
    """A lab, and a folder with what it holds after both local stacks are up."""
    folder = tmp_path_factory.mktemp("complete")
    with Lab.running(folder / "project") as made:
        made.up_ok("foundation-local")
        made.up_ok("local")
        made.save(folder / "saved")
        yield made, folder / "saved"


@pytest.fixture
def complete_lab(complete: tuple[Lab, Path]) -> Lab:
    """Both local stacks are up, whatever other tests have made of them."""
    made, saved = complete
    made.begin(saved)
    return made


@pytest.fixture(params=["embedded", pytest.param("pulumi", marks=needs_pulumi)])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine."""
    name: str = request.param
    return name
