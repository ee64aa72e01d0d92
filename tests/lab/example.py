"""An example in a copy of the parts of the repository that it needs, with a local Scaleway of its own."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.lab.project import Project
from tests.support.environment import ROOT
from tests.support.ports import free_port
from tests.support.processes import end_processes_in
from tests.support.pulumi_cli import Cli
from tests.support.seed import OWNER_SECRET_KEY, provider_variables

STACK = "dev"
_PLUGINS = {"scaleway": "pulumiverse-scaleway", "docker": "pulumi-docker"}
"""Plugins on PATH with the packages that have their version."""


@dataclass(frozen=True)
class Example:
    """One program of `examples/`."""

    folder: Path
    cloud: Project
    cli: Cli
    policies: tuple[str, ...]
    """The CLI's options for previews: the policy pack and its configuration for the example."""

    @classmethod
    def copy(cls, name: str, to: Path, **more: str) -> Example:
        """With these variables in its environment as well."""
        ignored = shutil.ignore_patterns("venv", "sdks", "node_modules", "__pycache__", "package-lock.json")
        for part in ("infra/components", f"examples/{name}"):
            shutil.copytree(ROOT / part, to / part, ignore=ignored)
        cloud = Project(to / "cloud", free_port())
        (to / "state").mkdir()
        cloud.directory.mkdir()
        environment = provider_variables(cloud.api_url)
        cli = Cli(to / "examples" / name, to / "home", f"file://{to}/state", **environment, **more)
        configuration = ROOT / "examples" / Path(name).parent / "policies.json"
        configured = ("--policy-pack-config", str(configuration)) if configuration.exists() else ()
        policies = ("--policy-pack", str(ROOT / "policy"), *configured)
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

    def log_in(self, docker_config: Path) -> None:
        """Store a login to the registry, as `docker login` does."""
        login = base64.b64encode(f"nologin:{OWNER_SECRET_KEY}".encode()).decode()
        docker_config.mkdir()
        content = {"auths": {f"localhost:{self.cloud.port}": {"auth": login}}}
        (docker_config / "config.json").write_text(json.dumps(content))

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
            # The CLI leaves the package's host and the providers that it has started for it.
            end_processes_in(self.folder)
        return {type_: types.count(type_) for type_ in types}
