"""Base images for tests, built locally without a pull."""

from __future__ import annotations

import pytest
from docker.errors import APIError

from tests.support.base_images import build, node_image, runtime_image
from tests.support.docker import Engine

pytestmark = pytest.mark.xdist_group("docker")

_PROJECT = {
    "package.json": '{"name": "tiny", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}}',
    "package-lock.json": """{"name": "tiny", "version": "1.0.0", "lockfileVersion": 3, "packages": {
        "": {"name": "tiny", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}},
        "node_modules/ms": {"version": "2.1.3"}}}""",
}


def test_a_project_is_built_with_npm_and_runs_with_its_dependencies_only(docker_engine: Engine) -> None:
    dockerfile = f"""
        FROM {node_image(docker_engine)} AS build
        WORKDIR /app
        COPY package.json package-lock.json ./
        RUN node -v && npm ci
        FROM {runtime_image(docker_engine)}
        COPY --from=build /usr/local/bin/node /usr/local/bin/node
        COPY --from=build /app /app
        WORKDIR /app
        USER 1000
    """
    image = build(docker_engine, dockerfile, _PROJECT, "snu-test/tiny:1")
    output = docker_engine.client.containers.run(image, ["node", "-p", "require('ms')('2s')"], remove=True)
    assert output == b"2000\n"


def test_the_runtime_image_has_no_shell_and_no_node(docker_engine: Engine) -> None:
    image = runtime_image(docker_engine)
    for program in ("sh", "node", "npm"):
        with pytest.raises(APIError, match="executable file not found"):
            docker_engine.client.containers.run(image, [program], remove=True)
