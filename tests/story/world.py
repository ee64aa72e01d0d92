"""A whole platform on one machine: a repository with apps, the stacks ci, stage and production, Docker, no cloud."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygit2

from tests.lab.lab import Lab, Run
from tests.lab.repository import commit_all
from tests.support.base_images import HTTPD_TAG, httpd_image
from tests.support.docker import Engine
from tests.support.environment import ROOT
from tests.support.local_scaleway import HTTP
from tests.support.site import eventually

TEMPLATE = ROOT / "examples/release-flow/project"
"""The practice project of the tutorial, whose stacks the story uses."""
APPS = ("admin", "api")
ENVIRONMENTS = {"ci": "ci", "stage": "staging", "production": "production"}
"""The environment of each stack."""
FOUNDATIONS = tuple(f"foundation-{stack}" for stack in ENVIRONMENTS)
_TEMPLATE_PORT = ":8431"

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

    @property
    def origin(self) -> Path:
        """The bare repository that releases are pushed to."""
        return self.folder.parent / "origin.git"

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

    def settled_container(self, name: str) -> dict[str, Any]:
        """The container with this name once it is ready, so that it can be changed."""
        return dict(
            eventually(
                lambda: next(
                    (each for each in self.containers() if (each["name"], each["status"]) == (name, "ready")), None
                ),
                f"{name} is ready",
            )
        )

    def says(self, stack: str, app: str) -> str:
        """The version that a deployed app says it is."""
        host = f"{app}.{stack}.snu.localhost"
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
        """Restart a branch at another branch or at a commit, push it, and go on there."""
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
        found: list[dict[str, Any]] = json.loads(self.ok("releases", stack, "--json").stdout)["releases"]
        return found

    def released(self, stack: str) -> str:
        """The commit that a stack runs."""
        return str(self.releases(stack)[0]["commit"])

    def remote(self, branch: str) -> str:
        """The commit of a branch at its origin."""
        return str(pygit2.Repository(str(self.origin)).references[f"refs/heads/{branch}"].target)

    # --- the beginning ------------------------------------------------------------------------------------

    @classmethod
    def make(cls, folder: Path, engine: Engine) -> World:
        lab = Lab.at(folder)
        for path in folder.glob("Pulumi.*.yaml"):
            path.unlink()
        for path in TEMPLATE.glob("Pulumi.*.yaml"):
            (folder / path.name).write_text(path.read_text().replace(_TEMPLATE_PORT, f":{lab.project.port}"))
        plans = lab.project.config("stage")["snu:plans"]
        lab.project.change("production", lambda config: config.update({"snu:plans": plans}))
        (folder / ".gitignore").write_text(_IGNORED)
        shutil.copy(TEMPLATE / "images.yaml", folder)
        git = pygit2.init_repository(str(folder), initial_head="main")
        git.config["user.name"], git.config["user.email"] = "A Developer", "developer@snu.localhost"
        world = cls(lab, engine, git)
        httpd_image(engine)
        for app in APPS:
            world._write_app(app, "first", GOOD)
        world.commit("The platform")
        pygit2.init_repository(str(world.origin), bare=True)
        git.remotes.create("origin", str(world.origin))
        world.restart("production", "main")
        world.switch("main")
        return world

    def _write_app(self, app: str, text: str, answer: str) -> None:
        quoted = answer.replace('"', '\\"')
        folder = self.folder / "code" / app
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "page").write_text(text)
        (folder / "Dockerfile").write_text(
            f"FROM {HTTPD_TAG}\nCOPY {app}/page /srv/page\nARG VERSION\n"
            f'RUN mkdir -p /srv/health && echo "{quoted}" > /srv/health/version\n'
        )
