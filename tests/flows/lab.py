"""A project with a local Scaleway of its own, for whole runs of the command on the embedded engine."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.project import Project, copy_project

OWNER_SECRET_KEY = "10ca1000-0000-4000-8000-00000000cafe"
HTTP = httpx.Client(timeout=30)

Run = subprocess.CompletedProcess[str]


@dataclass
class Lab:
    """A project copy, and what tests do with it."""

    project: Project

    @classmethod
    def at(cls, directory: Path) -> Lab:
        return cls(copy_project(directory))

    def up(self, stack: str, *arguments: str, **environment: str) -> Run:
        """Bring a stack up."""
        return self.project.snu("up", stack, "--engine", "embedded", "--yes", *arguments, **environment)

    def up_ok(self, stack: str, *arguments: str) -> Run:
        """Bring a stack up, without its preview; it must succeed."""
        run = self.up(stack, "--skip-preview", *arguments)
        assert run.returncode == 0, run.stdout + run.stderr
        return run

    # --- the local Scaleway -----------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, *, key: str = OWNER_SECRET_KEY) -> httpx.Response:
        return HTTP.request(method, self.project.api_url + path, json=body, headers={"X-Auth-Token": key})

    def ask(self, method: str, path: str, body: Any = None, *, key: str = OWNER_SECRET_KEY) -> Any:
        """As ``call``; gives the answer, which must be a success."""
        answer = self.call(method, path, body, key=key)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def fault(self, fault: str, **rule: Any) -> str:
        """Gives the rule's id."""
        added: str = self.ask("POST", "/_local/faults", {"fault": fault, **rule})["id"]
        return added

    def struck(self) -> list[int]:
        """How many requests each rule has struck."""
        return [rule["struck"] for rule in self.ask("GET", "/_local/faults")["faults"]]

    def clear_faults(self) -> None:
        self.ask("DELETE", "/_local/faults")

    def resources(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", "/_local/resources").get(kind, [])
        return found

    def journal(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.ask("GET", "/_local/journal")["entries"]
        return entries

    # --- the state --------------------------------------------------------------------------------------

    @property
    def _local(self) -> Path:
        return self.project.directory / ".local"

    def state_file(self, stack: str) -> Path:
        return self._local / "state/.pulumi/stacks/snu" / f"{stack}.json"

    def state(self, stack: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.state_file(stack).read_text())["checkpoint"]["latest"]
        return found

    def save(self, folder: Path) -> None:
        """Keep the state of both, of the cloud and of the stacks; the cloud is stopped."""
        self.project.stop_cloud()
        shutil.copytree(self._local, folder)

    def restore(self, folder: Path) -> None:
        self.project.stop_cloud()
        shutil.rmtree(self._local, ignore_errors=True)
        shutil.copytree(folder, self._local)


def check_state(lab: Lab, stack: str, *pending: str) -> None:
    """The state is complete in itself: references lead back to what stands before, nothing secret can be read.

    ``pending``: names of resources whose creation may have been carried out.
    """
    text = lab.state_file(stack).read_text()
    state = lab.state(stack)
    known: set[str] = set()
    for resource in state.get("resources", []):
        references = [resource.get("parent"), *resource.get("dependencies", ())]
        references += [urn for urns in resource.get("propertyDependencies", {}).values() for urn in urns or ()]
        missing = {urn for urn in references if urn} - known
        assert not missing, f"{resource['urn']} stands before {missing}"
        provider = resource.get("provider", "")
        assert not provider or provider.rpartition("::")[0] in known, f"{resource['urn']} stands before its provider"
        assert resource["urn"] not in known, f"{resource['urn']} stands there twice"
        known.add(resource["urn"])
    found = [
        (operation["type"], operation["resource"]["urn"].rpartition("::")[2])
        for operation in state.get("pending_operations", ())
    ]
    assert found == [("creating", name) for name in pending]
    for secret in ("fake-mongo-url", "fake-sendinbluekey"):
        assert secret not in text, f"the state of {stack} has {secret} in clear"


def check_no_duplicates(lab: Lab) -> None:
    """Nothing that has a name is there twice in one place."""
    for kind, fields in {
        "containers.namespace": ("project_id", "name"),
        "containers.container": ("namespace_id", "name"),
        "containers.domain": ("hostname",),
        "domain.record": ("zone", "name", "type"),
        "serverless_jobs.definition": ("project_id", "name"),
    }.items():
        count = Counter(tuple(str(resource.get(field)) for field in fields) for resource in lab.resources(kind))
        assert not [names for names, number in count.items() if number > 1], kind


def check_clear(run: Run, *says: str) -> None:
    """The user is told, and is not shown the inside."""
    text = run.stdout + run.stderr
    for words in says:
        assert words in text, text
    for inside in ("Traceback", "httpx", "httpcore", "RemoteProtocolError", "fake-mongo-url"):
        assert inside not in text, text
