"""What all kinds of tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.bytecode import kept_bytecode
from tests.support.docker import docker_engine
from tests.support.project import project

__all__ = ["docker_engine", "project"]


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Iterator[None]:
    """The commands that tests run are many; pytest's workers are started in here, and share it."""
    with kept_bytecode():
        return (yield)
