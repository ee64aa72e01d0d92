"""One local Scaleway with a runtime for all tests on Docker; each test has containers of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.server import Server
from tests.runtime.site import Site
from tests.support.base_images import build, node_image, runtime_image
from tests.support.docker import Engine


@pytest.fixture(scope="session")
def tiny_image(docker_engine: Engine) -> str:
    """An image that runs ``server.js``, not as root."""
    script = (Path(__file__).parent / "server.js").read_text()
    dockerfile = f"""
        FROM {runtime_image(docker_engine)}
        COPY --from={node_image(docker_engine)} /usr/local/bin/node /usr/local/bin/node
        COPY server.js /server.js
        USER 1000
        ENTRYPOINT ["/usr/local/bin/node"]
        CMD ["/server.js"]
    """
    return build(docker_engine, dockerfile, {"server.js": script}, "snu-test/tiny-server:1")


@pytest.fixture(scope="session")
def site_server(docker_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("runtime") / "data"
    arguments = ("--runtime", "docker", "--restart-delay", "0.2")
    with Server(data, *arguments, environ=docker_engine.environ) as server:
        yield server


@pytest.fixture(scope="session")
def site(site_server: Server, docker_engine: Engine, tiny_image: str) -> Site:
    return Site(site_server.client(), docker_engine, tiny_image)
