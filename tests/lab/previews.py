"""A parent environment on the local Scaleway, a template of its previews, and a repository with the apps' code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pygit2
import yaml

from infra.images.working_copy import WorkingCopy
from tests.lab.configuration import keep_apps
from tests.lab.lab import Lab, Run
from tests.lab.repository import commit_all
from tests.support.github import TOKEN, FakeGitHub
from tests.support.oci import Oci
from tests.support.seed import OWNER_SECRET_KEY
from tests.support.stack_yaml import stack_yaml

APPS = ("api", "admin", "app")
KINDS = ("containers.container", "containers.domain", "domain.record", "secret_manager.secret")


@dataclass
class PreviewLab:
    """The parent is up, and its images are in the registry."""

    lab: Lab
    hub: FakeGitHub | None = None
    apps: tuple[str, ...] = APPS
    pushed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.lab.project.directory

    def prepare(self) -> None:
        """Write the files, and bring the foundation and the parent up."""
        self.edit("local", self._small_parent)
        template = self.config("local")
        template["snu:environment"] = {"name": "${name}", "foundation": "foundation-local", "previewOf": "local"}
        del template["snu:previews"]
        for app in template["snu:apps"].values():
            app["host"] = app["host"].replace(".local.", "-${name}.local.")
            app["minScale"] = 0
        text = stack_yaml({"config": template})
        (self.folder / "Pulumi.preview.template.yaml").write_text(text)
        self._write_code()
        self.lab.up_ok("foundation-local")
        self.push()
        self.snu("images", "build", "local")
        self.lab.up_ok("local")

    def _small_parent(self, config: dict[str, Any]) -> None:
        config["snu:previews"] = {"expireAfter": 24}
        keep_apps(config, {name: config["snu:apps"][name] for name in self.apps})
        for app in config["snu:apps"].values():
            app.pop("startupProbe", None)
            app.pop("livenessProbe", None)
            there = {
                name: value
                for name, value in app["variables"].items()
                if isinstance(value, str) or value["url"] in self.apps
            }
            app.update(variables=there, secretVariables=["MONGO_URL"], documentVariables=[])

    def _write_code(self) -> None:
        images = {name: {"folder": f"code/{name}"} for name in self.apps}
        (self.folder / "images.yaml").write_text(yaml.safe_dump({"workspace": "code", "images": images}))
        (self.folder / ".gitignore").write_text(".venv\n.local\n__pycache__/\nPulumi.pr-*.yaml\nPulumi.br-*.yaml\n")
        for name in self.apps:
            self.write(f"code/{name}/Dockerfile", "FROM scratch\n")
            self.write(f"code/{name}/main.js", f"// {name}\n")
        git = pygit2.init_repository(str(self.folder), initial_head="main")
        commit_all(git, "the apps")

    def remove_code(self) -> None:
        for path in (".git", "code", ".local/images", ".local/builds"):
            shutil.rmtree(self.folder / path, ignore_errors=True)
        for file in ("images.yaml", ".gitignore", *(path.name for path in self.folder.glob("Pulumi.[pb]r-*.yaml"))):
            (self.folder / file).unlink(missing_ok=True)

    # --- files --------------------------------------------------------------------------------------------

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def config(self, stack: str) -> dict[str, Any]:
        return self.lab.project.config(stack)

    def edit(self, stack: str, change: Callable[[dict[str, Any]], None]) -> None:
        self.lab.project.change(stack, change)

    # --- images -------------------------------------------------------------------------------------------

    def change(self, *apps: str, text: str = "changed") -> None:
        """Change the code of apps, and put their images into the registry, as a build would."""
        for app in apps:
            self.write(f"code/{app}/main.js", f"// {app}, {text}\n")
        self.push()

    def versions(self) -> dict[str, str]:
        copy = WorkingCopy(self.folder)
        return {name: copy.inputs(name).version for name in self.apps}

    def push(self) -> None:
        """Put into the registry what it lacks of the present versions."""
        oci = Oci(self.lab.project.api_url, OWNER_SECRET_KEY)
        for name, version in self.versions().items():
            if (name, version) not in self.pushed:
                oci.push(f"snu-local/{name}", version, f"{name} {version}".encode())
                self.pushed.append((name, version))

    # --- the command --------------------------------------------------------------------------------------

    def words(self, *arguments: str) -> list[str]:
        if self.hub is None or arguments[0] != "env":
            return [*arguments]
        return [*arguments, "--repo", "octo/snu", "--api-url", self.hub.url]

    def environment(self) -> dict[str, str]:
        return {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "", "GITHUB_API_URL": "", "DOCKER_HOST": "unix:///nowhere"}

    def run(self, *arguments: str) -> Run:
        return self.lab.project.snu(*self.words(*arguments), **self.environment())

    def snu(self, *arguments: str) -> Run:
        """It must succeed."""
        run = self.run(*arguments)
        assert run.returncode == 0, run.stdout + run.stderr
        return run

    def json(self, *arguments: str) -> Any:
        return json.loads(self.snu(*arguments, "--json").stdout)

    # --- the cloud ----------------------------------------------------------------------------------------

    def things(self, preview: str) -> dict[str, list[str]]:
        """What a preview environment has in the cloud, by kind."""
        found = {}
        for kind in KINDS:
            names = [str(each.get("hostname") or each["name"]) for each in self.lab.resources(kind)]
            mine = sorted(name for name in names if preview in name)
            if mine:
                found[kind] = mine
        return found

    def delete_container(self, name: str) -> None:
        found = self.lab.find("containers.container", name)
        self.lab.ask("DELETE", f"/containers/v1/regions/fr-par/containers/{found['id']}")

    def delete_secret(self, name: str) -> None:
        found = self.lab.find("secret_manager.secret", name)
        self.lab.ask("DELETE", f"/secret-manager/v1beta1/regions/fr-par/secrets/{found['id']}")

    def document_file(self, name: str) -> Path:
        return self.folder / ".local/state/.snu/previews/snu" / f"{name}.json"

    def age(self, name: str, updated: str) -> None:
        """Make a preview environment's last update one of another time."""
        path = self.document_file(name)
        path.write_text(json.dumps({**json.loads(path.read_text()), "updated": updated}))
