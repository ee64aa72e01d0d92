"""One server for all tests of the API, emptied before each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import scaleway

from tests.support.local_scaleway import Client, Server
from tests.support.seed import ORGANIZATION, OWNER_ACCESS_KEY, OWNER_SECRET_KEY


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("localcloud") / "data") as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    """An empty server with immediate transitions."""
    api = running.client()
    api("POST", "/_local/transitions", {"seconds": 0})
    api("POST", "/_local/reset")
    return running


@pytest.fixture
def api(server: Server) -> Client:
    """The owner's requests to an empty server."""
    return server.client()


class Sdk:
    """The official SDK, pointed at the server."""

    def __init__(self, url: str) -> None:
        self.client = scaleway.Client(
            access_key=OWNER_ACCESS_KEY,
            secret_key=OWNER_SECRET_KEY,
            api_url=url,
            default_organization_id=ORGANIZATION,
            default_project_id=ORGANIZATION,
            default_region="fr-par",
            default_zone="fr-par-1",
        )


@pytest.fixture
def sdk(server: Server) -> Sdk:
    return Sdk(server.url)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition, 5 seconds at most."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline, "it did not happen within 5 s"
            time.sleep(0.01)

    return wait
