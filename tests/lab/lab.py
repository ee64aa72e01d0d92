"""A project with a local Scaleway of its own, for whole runs of the command on the embedded engine."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.lab.project import Project, copy_project
from tests.support.local_scaleway import HTTP
from tests.support.seed import OWNER_SECRET_KEY

_SECRETS = "/secret-manager/v1beta1/regions/fr-par/secrets"
_LOCAL, _STACK_FILES = "local", "stack-files"

Run = subprocess.CompletedProcess[str]


@dataclass
class Lab:
    """A project copy, and what tests do with it."""

    project: Project

    @classmethod
    def at(cls, directory: Path) -> Lab:
        return cls(copy_project(directory))

    @classmethod
    @contextmanager
    def running(cls, directory: Path) -> Iterator[Lab]:
        """A lab whose cloud is up, and is stopped in the end."""
        lab = cls.at(directory)
        lab.project.start_cloud()
        try:
            yield lab
        finally:
            lab.project.stop_cloud()

    def up(self, stack: str, *arguments: str, **environment: str) -> Run:
        """Bring a stack up."""
        return self.project.snu("up", stack, "--engine", "embedded", "--yes", *arguments, **environment)

    def up_ok(self, stack: str, *arguments: str) -> Run:
        """Bring a stack up, without its preview, and store the keys of a foundation; both must succeed."""
        run = self.up(stack, "--skip-preview", *arguments)
        assert run.returncode == 0, run.stdout + run.stderr
        if stack.startswith("foundation-"):
            stored = self.project.snu("keys", "store", stack)
            assert stored.returncode == 0, stored.stdout + stored.stderr
        return run

    # --- the local Scaleway -----------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, *, key: str = OWNER_SECRET_KEY) -> httpx.Response:
        headers = {"X-Auth-Token": key}
        if method != "GET" and path.startswith("/_local/"):
            headers |= self.project.control_headers
        return HTTP.request(method, self.project.api_url + path, json=body, headers=headers)

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

    def find(self, kind: str, name: str) -> dict[str, Any]:
        """The only resource with this name or host name."""
        (found,) = [each for each in self.resources(kind) if name in (each.get("name"), each.get("hostname"))]
        return found

    def read_secret(self, secret_id: str) -> bytes:
        """The newest version of a secret."""
        found = self.ask("GET", f"{_SECRETS}/{secret_id}/versions/latest_enabled/access")
        return base64.b64decode(found["data"])

    def write_secret(self, secret_id: str, content: bytes) -> None:
        """Add a version to a secret."""
        data = base64.b64encode(content).decode()
        self.ask("POST", f"{_SECRETS}/{secret_id}/versions", {"data": data})

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

    # --- all that it holds ------------------------------------------------------------------------------

    @property
    def _stack_files(self) -> list[Path]:
        return [*self.project.directory.glob("Pulumi.*.yaml")]

    def save(self, folder: Path) -> None:
        """Stop the cloud, and keep what it holds, the stacks' state and the stacks' files."""
        self.project.stop_cloud()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._local, folder / _LOCAL)
        (folder / _STACK_FILES).mkdir()
        for file in self._stack_files:
            shutil.copy2(file, folder / _STACK_FILES)

    def restore(self, folder: Path, *, stack_files: bool = True) -> None:
        """Stop the cloud, and bring back what was saved.

        Stacks' files made since then are removed; without ``stack_files``, those that are there stay as they are.
        """
        self.project.stop_cloud()
        shutil.rmtree(self._local, ignore_errors=True)
        shutil.copytree(folder / _LOCAL, self._local)
        if stack_files:
            for file in self._stack_files:
                file.unlink()
            for file in (folder / _STACK_FILES).iterdir():
                shutil.copy2(file, self.project.directory)

    def begin(self, folder: Path) -> None:
        """Restore what was saved, and start the cloud."""
        self.restore(folder)
        self.project.start_cloud()
