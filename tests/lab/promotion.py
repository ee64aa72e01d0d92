"""A project with ci, stage and production on one local foundation: where each test of promotion begins."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pygit2
import pytest
import yaml

from infra.images.working_copy import WorkingCopy
from infra.settings.built import write_built
from ops.releases.release import Release
from ops.releases.tags import Releases
from tests.lab.configuration import keep_apps
from tests.lab.lab import Lab, Run
from tests.lab.repository import Repository, commit_all, make_repository
from tests.support.oci import Oci, digest_of, manifest
from tests.support.stack_yaml import stack_yaml

APPS = ("admin", "api")
STAGES = {"ci": None, "stage": "ci", "production": "stage"}
"""Environments, and whose images they take."""
ONLY_STAGE = "antivirus"
"""An image that neither ci nor production runs."""


class Stages:
    """A project with ci, stage and production on one local foundation, and two small apps in git."""

    def __init__(self, folder: Path) -> None:
        self.repository: Repository = make_repository(folder / "project")
        self.lab = Lab(self.repository.project)
        self.folder = self.lab.project.directory
        self.git = self.repository.git
        self._saved = folder / "saved"
        config = self.git.config
        config["user.name"], config["user.email"] = "A Manager", "manager@snu.localhost"

    def prepare(self) -> None:
        """Bring the foundation and ci up."""
        self._write_stacks()
        for name in APPS:
            self.write(f"code/{name}/Dockerfile", "FROM scratch\n")
            self.write(f"code/{name}/main.js", f"// {name}\n")
        images = {name: {"folder": f"code/{name}"} for name in APPS}
        self.write("images.yaml", yaml.safe_dump({"workspace": "code", "images": images}))
        self.commit("Two apps")
        self.lab.project.start_cloud()
        self.lab.up_ok("foundation-local")
        Oci(self.lab.project.api_url).push(f"snu-stage/{ONLY_STAGE}", "local", ONLY_STAGE.encode())
        self.deploy_ci()
        self._first = self.git.head.target
        self.lab.save(self._saved)

    def begin(self) -> None:
        """As ``prepare`` has left it."""
        for name in [name for name in self.git.references if name.startswith(("refs/tags/", "refs/heads/"))]:
            if name != "refs/heads/main":
                self.git.references.delete(name)
        self.git.set_head("refs/heads/main")
        self.git.reset(self._first, pygit2.enums.ResetMode.HARD)
        self.lab.begin(self._saved)

    def _write_stacks(self) -> None:
        foundation = self.lab.project.stack_file("foundation-local")
        document = yaml.safe_load(foundation.read_text())
        local = document["config"]["snu:environments"].pop("local")
        document["config"]["snu:environments"] = dict.fromkeys(STAGES, local)
        foundation.write_text(stack_yaml(document))
        template = yaml.safe_load(self.lab.project.stack_file("local").read_text())
        for path in self.folder.glob("Pulumi.*.yaml"):
            if path.name != foundation.name:
                path.unlink()
        for name, source in STAGES.items():
            stack = json.loads(json.dumps(template))
            config = stack["config"]
            config["snu:environment"]["name"] = name
            config |= {"snu:promoteFrom": source} if source else {}
            kept = (*APPS, ONLY_STAGE) if name == "stage" else APPS
            keep_apps(config, {app: self._app(config["snu:apps"][app], app, name) for app in kept})
            if ONLY_STAGE in kept:
                config["snu:images"][ONLY_STAGE]["digest"] = digest_of(manifest(ONLY_STAGE.encode()))
            self.lab.project.stack_file(name).write_text(stack_yaml(stack))

    @staticmethod
    def _app(app: dict[str, Any], name: str, environment: str) -> dict[str, Any]:
        kept: dict[str, Any] = {key: app[key] for key in ("cpu", "memory", "maxScale") if key in app}
        return {**kept, "host": f"{name}-{environment}.local.snu.localhost", "variables": {"APP_NAME": name}}

    # --- files ------------------------------------------------------------------------------------------

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def commit(self, message: str) -> str:
        return commit_all(self.git, message)

    def change(self, app: str, message: str) -> str:
        """A commit that changes an app; gives its id."""
        file = self.folder / f"code/{app}/main.js"
        file.write_text(f"{file.read_text()}// {message}\n")
        return self.commit(message)

    def config(self, stack: str) -> dict[str, Any]:
        return self.lab.project.config(stack)

    def edit(self, stack: str, change: Callable[[dict[str, Any]], None]) -> None:
        self.lab.project.change(stack, change)

    def message(self) -> str:
        """Of the last commit."""
        return self.git.head.peel(pygit2.Commit).message

    # --- the command ------------------------------------------------------------------------------------

    def snu(self, *arguments: str, **environment: str) -> Run:
        return self.lab.project.snu(*arguments, **environment)

    def ok(self, *arguments: str, **environment: str) -> Run:
        run = self.snu(*arguments, **environment)
        assert run.returncode == 0, run.stdout + run.stderr
        return run

    def deploy_ci(self) -> None:
        """What `snu images build ci` and `snu up ci` do, without Docker."""
        oci = Oci(self.lab.project.api_url)
        copy = WorkingCopy(self.folder)
        built = {}
        for name in APPS:
            version = copy.inputs(name).version
            content = f"{name} {version}".encode()
            built[name] = {"version": version, "digest": digest_of(oci.push(f"snu-ci/{name}", version, content))}
        write_built(self.folder, "ci", built)
        self.lab.up_ok("ci")

    def deploy(self, stack: str) -> Run:
        """Plan and apply."""
        plan = str(self.folder / f"{stack}.plan")
        self.ok("plan", stack, "--out", plan)
        return self.ok("apply", plan, "--yes")

    def release(self, stack: str, source: str) -> Release:
        """Promote and deploy; gives the release that was recorded."""
        self.ok("promote", source, stack, "--commit")
        self.deploy(stack)
        return self.releases(stack)[0]

    def releases(self, stack: str) -> list[Release]:
        return Releases.of(Path(self.git.workdir)).all(stack)

    def digests(self, stack: str) -> dict[str, str]:
        """What the stack's file names."""
        return {name: image["digest"] for name, image in self.config(stack)["snu:images"].items()}

    def tags(self, namespace: str) -> dict[str, list[dict[str, Any]]]:
        """The tags of a registry, by image."""
        region = "/registry/v1/regions/fr-par"
        (held,) = self.lab.ask("GET", f"{region}/namespaces?name={namespace}")["namespaces"]
        images = self.lab.ask("GET", f"{region}/images?namespace_id={held['id']}")["images"]
        return {each["name"]: self.lab.ask("GET", f"{region}/images/{each['id']}/tags")["tags"] for each in images}

    def tag_names(self, namespace: str) -> set[str]:
        return {tag["name"] for tags in self.tags(namespace).values() for tag in tags}

    def age_tags(self) -> None:
        """Make all tags that there are a hundred days old."""
        self.lab.project.stop_cloud()
        file = next((self.folder / ".local/scaleway").glob("state*"))
        with closing(sqlite3.connect(file)) as db, db:
            for id, body in db.execute("SELECT id, body FROM resources WHERE kind = 'registry.tag'").fetchall():
                old = (datetime.now(UTC) - timedelta(days=100)).isoformat()
                aged = json.dumps({**json.loads(body), "created_at": old, "updated_at": old})
                db.execute("UPDATE resources SET body = ? WHERE kind = 'registry.tag' AND id = ?", (aged, id))
        self.lab.project.start_cloud()

    def write_state(self, stack: str, text: str) -> None:
        self.lab.state_file(stack).write_text(text)

    def delete_tags(self, namespace: str, version: str) -> None:
        for tag in [tag for tags in self.tags(namespace).values() for tag in tags if tag["name"] == version]:
            self.lab.ask("DELETE", f"/registry/v1/regions/fr-par/tags/{tag['id']}")

    def runs(self, stack: str) -> dict[str, str]:
        """The digests that the stack's containers have, in the cloud."""
        found = {}
        for container in self.lab.resources("containers.container"):
            app = container["name"].removeprefix(f"{stack}-")
            if app != container["name"]:
                found[app] = container["image"].partition("@")[2]
        return found


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    made = Stages(tmp_path_factory.mktemp("promotion"))
    try:
        made.prepare()
        yield made
    finally:
        made.lab.project.stop_cloud()


@pytest.fixture
def stages(prepared: Stages) -> Stages:
    prepared.begin()
    return prepared
