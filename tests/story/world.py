"""A whole platform on one machine: a repository with apps, the stacks ci, stage and production, Docker, no cloud."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygit2
import yaml

from tests.lab.configuration import keep_apps
from tests.lab.lab import Lab, Run
from tests.lab.repository import commit_all
from tests.support.base_images import build, node_image, runtime_image
from tests.support.docker import Engine
from tests.support.local_scaleway import HTTP
from tests.support.stack_yaml import stack_yaml

FOUNDATION = "foundation-world"
APPS = ("admin", "api")
ENVIRONMENTS = {"ci": "ci", "stage": "staging", "production": "production"}
"""The environment of each stack."""
SOURCES = {"stage": "ci", "production": "stage"}
_BASE = "snu-test/httpd"
_ZERO = "sha256:" + "0" * 64
_STACK_FILES = (
    "ci",
    "stage",
    "production",
    "local",
    "foundation-local",
    "foundation-ci",
    "foundation-stage",
    "foundation-production",
)

_IGNORED = """\
.venv
.local
.ci
scripts
__pycache__/
Pulumi.pr-*.yaml
Pulumi.br-*.yaml
*.plan
preview.md
"""

GOOD = '{"version": "$VERSION"}'
BROKEN = '{"version": "none"}'


@dataclass
class World:
    lab: Lab
    engine: Engine
    git: pygit2.Repository

    @property
    def folder(self) -> Path:
        return self.lab.project.directory

    # --- commands -----------------------------------------------------------------------------------------

    def snu(self, *arguments: str, **environment: str) -> Run:
        return self.lab.project.snu(*arguments, DOCKER_HOST=self.engine.host, **environment)

    def ok(self, *arguments: str, **environment: str) -> Run:
        run = self.snu(*arguments, **environment)
        assert run.returncode == 0, f"snu {' '.join(arguments)}\n{run.stdout}{run.stderr}"
        return run

    def deploy(self, stack: str, *, expect: int = 0) -> Run:
        """Plan and apply what is committed."""
        plan = self.folder / ".local" / f"{stack}.plan"
        self.ok("plan", stack, "--out", str(plan))
        run = self.snu("apply", str(plan), "--stack", stack, "--yes", "--check-urls", "--wait", "20")
        assert run.returncode == expect, run.stdout + run.stderr
        return run

    # --- what can be seen ---------------------------------------------------------------------------------

    def runs(self, stack: str) -> dict[str, str]:
        """The digest of each image that runs, as its containers name it."""
        names = {f"{ENVIRONMENTS.get(stack, stack)}-{app}": app for app in APPS}
        found = {names[each["name"]]: each["image"] for each in self.containers() if each["name"] in names}
        return {app: image.partition("@")[2] for app, image in found.items()}

    def containers(self) -> list[dict[str, Any]]:
        return self.lab.resources("containers.container")

    def says(self, stack: str, app: str) -> str:
        """The version that a deployed app says it is."""
        host = f"{app}-{stack}.local.snu.localhost"
        answer = HTTP.get(f"{self.lab.project.api_url}/health/version", headers={"Host": host})
        return str(answer.json()["version"])

    def version(self, app: str) -> str:
        """Of what lies in the working copy."""
        images: dict[str, Any] = json.loads(self.ok("images", "--json").stdout)["images"]
        return str(images[app]["version"])

    def built_in(self, output: str) -> set[str]:
        """The apps that a command has built."""
        return {line.partition(":")[0] for line in output.splitlines() if line.endswith(": building")}

    # --- changes ------------------------------------------------------------------------------------------

    def change(self, app: str, text: str, *, answer: str = GOOD) -> str:
        """Commit a change of one app; gives the commit."""
        self._write_app(app, text, answer)
        return self.commit(f"Change {app}: {text}")

    def commit(self, message: str) -> str:
        return commit_all(self.git, message)

    def switch(self, branch: str, *, new: bool = False) -> None:
        if new:
            self.git.branches.local.create(branch, self.git.head.peel(pygit2.Commit))
        self.git.checkout(f"refs/heads/{branch}")

    def fast_forward(self, branch: str, to: str) -> None:
        """Merge a branch that has nothing of its own, and go on there."""
        self.git.references[f"refs/heads/{branch}"].set_target(self.git.branches[to].target)
        self.switch(branch)

    def restart(self, branch: str, at: str) -> None:
        """Begin a branch anew at another branch or at a commit, push it, and go on there."""
        self.switch("main")
        commit = self.git.revparse_single(at).peel(pygit2.Commit)
        self.git.branches.local.create(branch, commit, force=True)
        self.switch(branch)
        self.run_git("push", "--quiet", "--force", "origin", branch)

    def merge_back(self, branch: str) -> None:
        """What the pull request that a workflow has opened ends with."""
        self.switch("main")
        self.run_git("merge", "--quiet", "--no-edit", branch)

    def run_git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, capture_output=True)

    def releases(self, stack: str) -> list[dict[str, Any]]:
        """The newest first."""
        found: list[dict[str, Any]] = json.loads(self.ok("releases", stack, "--json").stdout)
        return found

    def released(self, stack: str) -> str:
        """The commit that a stack runs."""
        return str(self.releases(stack)[0]["commit"])

    def remote(self, branch: str) -> str:
        """The commit of a branch at its origin."""
        origin = pygit2.Repository(str(self.folder.parent / "origin.git"))
        return str(origin.references[f"refs/heads/{branch}"].target)

    # --- the beginning ------------------------------------------------------------------------------------

    @classmethod
    def make(cls, folder: Path, engine: Engine) -> World:
        lab = Lab.at(folder)
        local = yaml.safe_load(lab.project.stack_file("local").read_text())
        foundation = yaml.safe_load(lab.project.stack_file("foundation-local").read_text())
        for name in _STACK_FILES:
            lab.project.stack_file(name).unlink()
        _write(lab.project.stack_file(FOUNDATION), _foundation(foundation))
        for stack in ENVIRONMENTS:
            _write(lab.project.stack_file(stack), _environment(local, stack))
        _write(lab.project.stack_file("preview.template"), _preview(local))
        (folder / ".gitignore").write_text(_IGNORED)
        images = {app: {"folder": f"code/{app}"} for app in APPS}
        (folder / "images.yaml").write_text(yaml.safe_dump({"workspace": "code", "images": images}))
        git = pygit2.init_repository(str(folder), initial_head="main")
        git.config["user.name"], git.config["user.email"] = "A Developer", "developer@snu.localhost"
        world = cls(lab, engine, git)
        _base_image(engine)
        for app in APPS:
            world._write_app(app, "first", GOOD)
        world.commit("The platform")
        pygit2.init_repository(str(folder.parent / "origin.git"), bare=True)
        git.remotes.create("origin", str(folder.parent / "origin.git"))
        world.restart("production", "main")
        world.switch("main")
        return world

    def _write_app(self, app: str, text: str, answer: str) -> None:
        quoted = answer.replace('"', '\\"')
        folder = self.folder / "code" / app
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "page").write_text(text)
        (folder / "Dockerfile").write_text(
            f"FROM {_BASE}\nCOPY {app}/page /srv/page\nARG VERSION\n"
            f'RUN mkdir -p /srv/health && echo "{quoted}" > /srv/health/version\n'
        )


def _base_image(engine: Engine) -> None:
    """A server of files, ended without a word: it is process 1, and heeds no other signal."""
    build(
        engine,
        f"FROM {node_image(engine)} AS node\nFROM {runtime_image(engine)}\n"
        'COPY --from=node /bin/busybox /bin/busybox\nRUN ["/bin/busybox", "ln", "-s", "/bin/busybox", "/bin/sh"]\n'
        'RUN ["/bin/busybox", "--install", "-s", "/bin"]\nSTOPSIGNAL SIGKILL\n'
        'CMD ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/srv"]\n',
        {},
        _BASE,
    )


def _write(file: Path, document: Mapping[str, Any]) -> None:
    file.write_text(stack_yaml(document))


def _foundation(document: dict[str, Any]) -> dict[str, Any]:
    environment = document["config"]["snu:environments"]["local"]
    document["config"] |= {
        "snu:project": {"name": "world", "description": "A test"},
        "snu:environments": dict.fromkeys(ENVIRONMENTS.values(), environment),
        "snu:previews": True,
    }
    return document


def _environment(local: dict[str, Any], stack: str) -> dict[str, Any]:
    config = dict(local["config"])
    keep_apps(config, {app: _app(app, stack) for app in APPS})
    config |= {
        "snu:environment": {"name": ENVIRONMENTS[stack], "foundation": FOUNDATION},
        "snu:images": {app: {"version": "initial", "digest": _ZERO} for app in APPS},
    }
    if stack in SOURCES:
        config["snu:promoteFrom"] = SOURCES[stack]
    else:
        config["snu:previews"] = {"expireAfter": 24}
    return {**local, "config": config}


def _preview(local: dict[str, Any]) -> dict[str, Any]:
    document = _environment(local, "ci")
    document["config"] |= {
        "snu:environment": {"name": "${name}", "foundation": FOUNDATION, "previewOf": "ci"},
        "snu:apps": {app: _app(app, "${name}") for app in APPS},
    }
    del document["config"]["snu:previews"]
    return document


def _app(app: str, stack: str) -> dict[str, Any]:
    return {
        "cpu": 100,
        "memory": 128,
        "minScale": 1,
        "maxScale": 1,
        "host": f"{app}-{stack}.local.snu.localhost",
        "variables": {"APP_NAME": app},
        "startupProbe": {"path": "/page", "interval": 1},
        "versionPath": "/health/version",
    }
