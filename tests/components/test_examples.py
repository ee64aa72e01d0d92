"""The examples with the real CLI and its language hosts: install, preview, up, no change, destroy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.components.provider import COMPONENTS
from tests.lab.example import Example
from tests.support.docker import Engine
from tests.support.environment import ROOT
from tests.support.programs import PULUMI, needs

HOSTS = {"python": (), "typescript": ("npm", "pulumi-language-nodejs"), "yaml": ("pulumi-language-yaml",)}
"""What each language needs beside the CLI."""


def _languages(*names: str) -> list[object]:
    return [pytest.param(name, marks=needs(*PULUMI, *HOSTS[name])) for name in names]


@pytest.mark.parametrize("language", _languages("yaml", "typescript", "python"))
def test_every_component_in_every_language(language: str, tmp_path: Path) -> None:
    example = Example.copy(f"components/{language}", tmp_path)
    example.install()
    types = example.lives()
    components = {name.rpartition(":")[2] for name in types if name.startswith("snu:")}
    assert {each.__name__ for each in COMPONENTS} - components == {"AppImage"}
    assert types["scaleway:iam/application:Application"] == types["scaleway:iam/policy:Policy"] == 11
    assert "scaleway:containers/container:Container" in types


@pytest.mark.parametrize("language", _languages("typescript", "python"))
def test_a_second_project(language: str, tmp_path: Path) -> None:
    example = Example.copy(f"second-project/{language}", tmp_path)
    (program,) = [*example.folder.glob("*.ts"), *example.folder.glob("*.py")]
    assert len(program.read_text().splitlines()) < 40
    example.install()
    assert {"snu:index:ContainerApp", "snu:index:Registry", "snu:index:BackendDatabase"} <= example.lives().keys()


@pytest.mark.xdist_group("docker")
@pytest.mark.parametrize("language", [pytest.param("python", marks=needs(*PULUMI, "pulumi-resource-docker"))])
def test_an_image_that_pulumi_builds(language: str, tmp_path: Path, docker_engine: Engine) -> None:
    docker_config = tmp_path / "docker"
    example = Example.copy(f"image/{language}", tmp_path, **docker_engine.environ, DOCKER_CONFIG=str(docker_config))
    example.log_in(docker_config)
    example.install()
    types = example.lives()
    assert {"snu:index:AppImage", "docker:index/image:Image", "scaleway:containers/container:Container"} <= types.keys()


def test_versions_are_those_of_the_project() -> None:
    """Of packages that the component package and the examples pin, whatever a nightly run has installed."""
    pins, ours = (
        dict(re.findall(r"\b(pulumi[\w-]*)==([\w.]+)", (ROOT / file).read_text()))
        for file in ("infra/components/requirements.txt", "pyproject.toml")
    )
    assert pins == ours
    assert pins.keys() == {"pulumi", "pulumi-docker", "pulumiverse-scaleway"}
    for example in (ROOT / "examples").glob("*/*/Pulumi.yaml"):
        texts = [path.read_text() for path in example.parent.iterdir() if path.suffix in (".json", ".txt", ".yaml")]
        pinned = re.findall(r'([\w/-]+)(?:==|": "|@)(\d+\.[\d.]+)', "\n".join(texts))
        assert pinned, example
        for name, pin in pinned:
            assert pin == pins["pulumiverse-scaleway" if "scaleway" in name else "pulumi"], f"{example}: {name} {pin}"
