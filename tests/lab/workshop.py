"""A project with small apps in Git, whose images are built on a Docker engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygit2
import pytest
import yaml

from tests.lab.lab import Lab, Run
from tests.lab.repository import commit_all
from tests.support.base_images import runtime_image
from tests.support.docker import Engine
from tests.support.stack_yaml import stack_yaml

APPS = ("admin", "api", "app")
NO_ENGINE = "unix:///nowhere/docker.sock"


@dataclass
class Workshop:
    """A project with three small apps in Git, a deployed foundation, and a Docker engine."""

    lab: Lab
    engine: Engine
    git: pygit2.Repository

    @property
    def folder(self) -> Path:
        return self.lab.project.directory

    def snu(self, *arguments: str, docker: bool = True, environ: Mapping[str, str] | None = None) -> Run:
        host = self.engine.host if docker else NO_ENGINE
        return self.lab.project.snu(*arguments, **{"DOCKER_HOST": host, **(environ or {})})

    def build(self, stack: str = "local", *, docker: bool = True, environ: Mapping[str, str] | None = None) -> Run:
        run = self.snu("images", "build", stack, docker=docker, environ=environ)
        assert run.returncode == 0, run.stdout + run.stderr
        return run

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def add_preview(self, name: str) -> None:
        """Add the stack file of a preview environment of `local`."""
        preview = yaml.safe_load(self.lab.project.stack_file("local").read_text())
        preview["config"]["snu:environment"] = {"name": name, "foundation": "foundation-local", "previewOf": "local"}
        del preview["config"]["snu:crashAlerts"]
        for app in preview["config"]["snu:apps"].values():
            for key in ("host", "variables", "variablesFrom"):
                app.pop(key, None)
        self.lab.project.stack_file(name).write_text(stack_yaml(preview))

    def commit(self, message: str = "change") -> str:
        return commit_all(self.git, message)

    def built(self, stack: str = "local") -> dict[str, dict[str, str]]:
        file = self.folder / f".local/images/{stack}.yaml"
        found: dict[str, dict[str, str]] = yaml.safe_load(file.read_text()) if file.exists() else {}
        return found

    def images(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.snu("images", "--json", docker=False).stdout)["images"]
        return found


@pytest.fixture
def workshop(lab: Lab, docker_engine: Engine) -> Iterator[Workshop]:
    folder = lab.project.directory
    images = {name: {"folder": f"code/{name}"} for name in APPS}
    (folder / "images.yaml").write_text(yaml.safe_dump({"workspace": "code", "images": images}))
    (folder / ".gitignore").write_text(".venv\n.local\n__pycache__/\n")
    git = pygit2.init_repository(str(folder), initial_head="main")
    made = Workshop(lab, docker_engine, git)
    base = runtime_image(docker_engine)
    for name in APPS:
        made.write(f"code/{name}/Dockerfile", f"FROM {base}\nARG VERSION\nENV VERSION=$VERSION\nCOPY {name} /srv\n")
        made.write(f"code/{name}/main.js", f"// {name}\n")
    made.commit("three apps")
    yield made
    for path in (".git", "code", ".local/images", ".local/builds"):
        shutil.rmtree(folder / path, ignore_errors=True)
    for name in ("images.yaml", ".gitignore", "Pulumi.pr-7.yaml"):
        (folder / name).unlink(missing_ok=True)


def states(run: Run) -> set[str]:
    """The states of the builds, such as `api: building`."""
    return {line.partition(" sha256:")[0] for line in run.stdout.splitlines() if ": " in line}
