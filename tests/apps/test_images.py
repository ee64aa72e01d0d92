"""The images of the apps: what they hold, and that they run without any rights."""

from __future__ import annotations

import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

import httpx
import pytest

from tests.apps.test_lifecycle import ENVIRONMENTS
from tests.support.apps.workspace import APPS
from tests.support.base_images import node_image, runtime_image
from tests.support.docker import Engine

if TYPE_CHECKING:
    from docker.models.containers import Container

pytestmark = pytest.mark.xdist_group("docker")

# The Dockerfile of app is that of admin with another name: see test_packages.
BUILT = ("api", "admin")
NOT_WANTED = {
    "npm",
    "npx",
    "yarn",
    "pnpm",
    "corepack",
    "turbo",
    "pm2",
    "vite",
    "react-dom",
    "typescript",
    "test",
    ".env",
}
_PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module", params=BUILT)
def app(request: pytest.FixtureRequest, docker_engine: Engine) -> str:
    """The name of an app whose image is built, tagged ``snu-test/<app>``."""
    name: str = request.param
    bases = {"NODE_IMAGE": node_image(docker_engine), "RUNTIME_IMAGE": runtime_image(docker_engine)}
    docker_engine.client.images.build(
        path=str(APPS),
        dockerfile=f"{name}/Dockerfile",
        tag=f"snu-test/{name}",
        buildargs={**bases, "VERSION": "4f2a"},
        network_mode="host",
        rm=True,
    )
    return name


@pytest.fixture
def container(docker_engine: Engine, app: str) -> Iterator[Container]:
    container = docker_engine.client.containers.create(
        f"snu-test/{app}",
        environment={**ENVIRONMENTS[app], "PORT": "8080"},
        ports={"8080/tcp": ("127.0.0.1", 0)},
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=50,
        mem_limit="256m",
    )
    try:
        yield container
    finally:
        container.remove(force=True)


def test_runs_as_one_process_without_any_rights(container: Container, app: str) -> None:
    container.start()
    container.reload()
    (address, *_) = container.ports["8080/tcp"] or []
    answer = _first_answer(f"http://127.0.0.1:{address['HostPort']}/health/version")
    assert answer == {"app": app, "version": "4f2a"}
    processes = container.top(ps_args="-eo uid,pid,args")["Processes"]
    assert [(uid, command.split()[0]) for uid, _, command in processes] == [("65532", "/usr/local/bin/node")]
    container.stop(timeout=60)
    assert container.wait()["StatusCode"] == 0
    assert b'"event":"stopped"' in container.logs()


def test_holds_nothing_that_does_not_run(container: Container, app: str) -> None:
    names = _files(container)
    assert PurePosixPath("usr/local/bin/node") in names
    assert {part for name in names for part in name.parts} & NOT_WANTED == set()
    own = {name.parts[1] for name in names if name.parts[0] == "srv" and len(name.parts) > 1}
    assert own == {app, "node_modules", "packages"}


def _files(container: Container) -> set[PurePosixPath]:
    with tempfile.TemporaryFile() as file:
        file.writelines(cast("Iterator[bytes]", container.export()))
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            return {PurePosixPath(member.name) for member in tar if not member.isdir()}


def _first_answer(url: str) -> object:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return httpx.get(url, trust_env=False).json()
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
