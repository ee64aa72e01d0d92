"""The examples with the real CLI and its language hosts: install, preview, up, no change, destroy."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from infra.components.provider import COMPONENTS
from tests.lab.project import Project
from tests.support.environment import ROOT
from tests.support.ports import free_port
from tests.support.programs import PULUMI, needs
from tests.support.pulumi_cli import Cli
from tests.support.seed import ORGANIZATION, OWNER_ACCESS_KEY, OWNER_SECRET_KEY

STACK = "dev"
HOSTS = {"python": (), "typescript": ("npm", "pulumi-language-nodejs"), "yaml": ("pulumi-language-yaml",)}
"""What each language needs beside the CLI."""
_PLUGINS = {"scaleway": "pulumiverse-scaleway", "docker": "pulumi-docker"}
"""Plugins on PATH with the packages that have their version."""


@dataclass(frozen=True)
class Example:
    """An example in a copy of the parts of the repository that it needs."""

    folder: Path
    cloud: Project
    cli: Cli
    policies: tuple[str, ...]
    """The CLI's options for previews: the policy pack and its configuration for the example."""

    @classmethod
    def copy(cls, name: str, to: Path) -> Example:
        ignored = shutil.ignore_patterns("venv", "sdks", "node_modules", "__pycache__", "package-lock.json")
        for part in ("infra/components", f"examples/{name}"):
            shutil.copytree(ROOT / part, to / part, ignore=ignored)
        cloud = Project(to / "cloud", free_port())
        (to / "state").mkdir()
        cloud.directory.mkdir()
        environment = {
            "SCW_API_URL": cloud.api_url,
            "SCW_ACCESS_KEY": OWNER_ACCESS_KEY,
            "SCW_SECRET_KEY": OWNER_SECRET_KEY,
            "SCW_DEFAULT_ORGANIZATION_ID": ORGANIZATION,
            "SCW_DEFAULT_PROJECT_ID": ORGANIZATION,
            "SCW_DEFAULT_REGION": "fr-par",
        }
        cli = Cli(to / "examples" / name, to / "home", f"file://{to}/state", **environment)
        configuration = ROOT / "examples" / Path(name).parent / "policies.json"
        policies = ("--policy-pack", str(ROOT / "policy"), "--policy-pack-config", str(configuration))
        return cls(to / "examples" / name, cloud, cli, policies)

    def ok(self, *arguments: str) -> None:
        ended = self.cli.run(*arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def install(self) -> None:
        for plugin, package in _PLUGINS.items():
            program = shutil.which(f"pulumi-resource-{plugin}")
            if program is not None:  # not downloaded
                self.ok("plugin", "install", "resource", plugin, version(package), "--file", program)
        self.ok("install")

    def lives(self) -> dict[str, int]:
        """From the first preview to the end; returns how many resources of each type there were."""
        self.cloud.start_cloud()
        try:
            self.cli.init(STACK)
            preview = self.cli.preview(STACK, *self.policies)
            assert preview.ok, preview.text
            up = self.cli.up(STACK)
            assert up.ok, up.text
            assert "not-A-real-passw0rd" not in up.text
            again = self.cli.preview(STACK, "--expect-no-changes", *self.policies)
            assert again.ok, again.text
            assert "unused-exemption" not in again.text
            types = [each["type"] for each in self.cli.export(STACK)["deployment"]["resources"]]
            ended = self.cli.destroy(STACK)
            assert ended.ok, ended.text
        finally:
            self.cloud.stop_cloud()
        return {type_: types.count(type_) for type_ in types}


def _languages(*names: str) -> list[object]:
    return [pytest.param(name, marks=needs(*PULUMI, *HOSTS[name])) for name in names]


@pytest.mark.parametrize("language", _languages("yaml", "typescript", "python"))
def test_every_component_in_every_language(language: str, tmp_path: Path) -> None:
    example = Example.copy(f"components/{language}", tmp_path)
    example.install()
    types = example.lives()
    components = {name.rpartition(":")[2] for name in types if name.startswith("snu:")}
    assert {each.__name__ for each in COMPONENTS} - components == {"AppImage"}
    assert types["scaleway:iam/application:Application"] == types["scaleway:iam/policy:Policy"] == 10
    assert "scaleway:containers/container:Container" in types


@pytest.mark.parametrize("language", _languages("typescript", "python"))
def test_a_second_project(language: str, tmp_path: Path) -> None:
    example = Example.copy(f"second-project/{language}", tmp_path)
    (program,) = [*example.folder.glob("*.ts"), *example.folder.glob("*.py")]
    assert len(program.read_text().splitlines()) < 40
    example.install()
    assert {"snu:index:ContainerApp", "snu:index:Registry", "snu:index:BackendDatabase"} <= example.lives().keys()


def test_versions_are_those_of_the_project() -> None:
    """Of packages that the component package and the examples pin."""
    pins = dict(re.findall(r"([\w-]+)==([\w.]+)", (ROOT / "infra/components/requirements.txt").read_text()))
    assert pins == {name: version(name) for name in ("pulumi", "pulumi-docker", "pulumiverse-scaleway")}
    for example in (ROOT / "examples").glob("*/*/Pulumi.yaml"):
        texts = [path.read_text() for path in example.parent.iterdir() if path.suffix in (".json", ".txt", ".yaml")]
        pinned = re.findall(r'([\w/-]+)(?:==|": "|@)(\d+\.[\d.]+)', "\n".join(texts))
        assert pinned, example
        for name, pin in pinned:
            assert pin == pins["pulumiverse-scaleway" if "scaleway" in name else "pulumi"], f"{example}: {name} {pin}"
