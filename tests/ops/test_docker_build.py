"""Docker builds: their options and logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.settings.images import ImageSources
from ops.images.docker import BuildError, BuildOptions, Docker

_ENGINE: Any = None
"""A build uses the command line; only a push uses the engine."""


def docker(folder: Path, script: str) -> Docker:
    command = folder / "docker"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return Docker(_ENGINE, str(command), {})


def recipe(folder: Path, network: str | None = None) -> BuildOptions:
    log = folder / ".local/builds/api.log"
    return BuildOptions(
        folder, folder / "Dockerfile", "registry/api:1", {"VERSION": "1"}, {"revision": "2"}, network, log
    )


@pytest.mark.parametrize("network", ["host", None])
def test_images_are_built_for_amd64_on_the_network_that_images_yaml_names(tmp_path: Path, network: str | None) -> None:
    sources = ImageSources.model_validate(
        {"images": {"api": {"folder": "api"}}} | ({"network": network} if network else {})
    )
    said: list[str] = []
    docker(tmp_path, 'printf "%s\\n" "$*"').build(recipe(tmp_path, sources.network), said.append)
    (command,) = said
    assert command.startswith("build --platform linux/amd64 --tag registry/api:1 ")
    assert "--build-arg VERSION=1" in command
    assert ("--network host" in command) is bool(network)
    assert command.endswith(f" {tmp_path}")


def test_a_failed_build_logs_all_output_and_reports_the_end(tmp_path: Path) -> None:
    failing = docker(tmp_path, "seq 100; echo no space left >&2; exit 9")
    with pytest.raises(BuildError, match=r"status 9(?s:.*)no space left") as failed:
        failing.build(recipe(tmp_path), lambda _line: None)
    assert "\n1\n" not in str(failed.value)
    log = recipe(tmp_path).log.read_text().splitlines()
    assert log == [*map(str, range(1, 101)), "no space left"]
