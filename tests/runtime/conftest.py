"""One local Scaleway with a runtime for all tests on Docker. Each test has its own containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.docker import Engine
from tests.support.local_scaleway import Server
from tests.support.site import Site, tiny


@pytest.fixture(scope="session")
def tiny_image(docker_engine: Engine) -> str:
    return tiny(docker_engine)


@pytest.fixture(scope="session")
def site_server(docker_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("runtime") / "data"
    arguments = ("--runtime", "docker", "--restart-delay", "0.2")
    with Server(data, *arguments, environ=docker_engine.environ) as server:
        yield server


@pytest.fixture(scope="session")
def site(site_server: Server, docker_engine: Engine, tiny_image: str) -> Site:
    return Site(site_server.client(), docker_engine, tiny_image)
