"""A copy of the project in a folder of its own, with a local Scaleway of its own on a free port."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.api.control_token import control_headers
from ops.local import SEED_FILE
from ops.stack_file import edit, edited
from tests.lab import stack_files
from tests.support.environment import ROOT, clean_environment
from tests.support.local_scaleway import Client
from tests.support.ports import free_port
from tests.support.seed import ORGANIZATION, OWNER_ACCESS_KEY, OWNER_SECRET_KEY
from tests.support.source_files import GENERATED

_START_SECONDS = 120.0
_API_URL = re.compile(r"scaleway:apiUrl: http://127\.0\.0\.1:(\d+)$", re.MULTILINE)


@dataclass
class Project:
    """The folder of a project copy and the port that its local stacks name."""

    directory: Path
    port: int
    _cloud: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def backend_url(self) -> str:
        """Where the local stacks keep their state."""
        return f"file://{self.directory}/.local/state"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> Client:
        """The owner's requests to the local Scaleway."""
        return Client(self.api_url, OWNER_SECRET_KEY, lambda: self.control_headers)

    def provider_settings(
        self, access_key: str = OWNER_ACCESS_KEY, secret_key: str = OWNER_SECRET_KEY
    ) -> dict[str, str]:
        """What points a stack at the local Scaleway, by default with its owner's key."""
        return {
            "scaleway:apiUrl": self.api_url,
            "scaleway:accessKey": access_key,
            "scaleway:secretKey": secret_key,
            "scaleway:organizationId": ORGANIZATION,
            "scaleway:projectId": ORGANIZATION,
            "scaleway:region": "fr-par",
        }

    def stack_file(self, stack: str) -> Path:
        return self.directory / f"Pulumi.{stack}.yaml"

    def edit(self, stack: str, old: str, new: str) -> None:
        """Replace a text that stands exactly once in the stack's file."""
        path = self.stack_file(stack)
        text = path.read_text()
        assert text.count(old) == 1, f"{path.name} has {text.count(old)} times {old!r}"
        path.write_text(text.replace(old, new))

    def change(self, stack: str, change: Callable[[Any], None]) -> None:
        """Let ``change`` alter the mapping under ``config`` of the stack's file; it must make a difference."""
        assert edit(self.stack_file(stack), change)

    @contextmanager
    def edited(self, stack: str, change: Callable[[Any], None]) -> Iterator[None]:
        """With a change, if it makes a difference, that lasts as long as the block."""
        path = self.stack_file(stack)
        text = path.read_text()
        edit(path, change)
        try:
            yield
        finally:
            path.write_text(text)

    def config(self, stack: str) -> dict[str, Any]:
        """The mapping under ``config`` of the stack's file."""
        found: dict[str, Any] = yaml.safe_load(self.stack_file(stack).read_text())["config"]
        return found

    def snu(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command on this copy, without a terminal."""
        return subprocess.run(
            [sys.executable, "-m", "ops", *arguments, "-C", str(self.directory)],
            cwd=self.directory,
            env=clean_environment(**environment),
            text=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
        )

    def start_cloud(self, transitions: float = 0.0, runtime: str = "off", docker_host: str = "") -> None:
        """Start the local Scaleway in the foreground of the test; ``transitions`` in seconds."""
        log = self.directory / ".local" / "test-scaleway.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._cloud = subprocess.Popen(
                [
                    *(sys.executable, "-m", "localcloud"),
                    *("--port", str(self.port)),
                    *("--data", str(self.directory / ".local" / "scaleway")),
                    *("--transitions", str(transitions)),
                    *("--seed", str(SEED_FILE)),
                    *("--runtime", runtime),
                ],
                cwd=ROOT,
                env=clean_environment(**({"DOCKER_HOST": docker_host} if docker_host else {})),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self.cloud_answers():
            if self._cloud.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the local Scaleway did not start:\n{log.read_text()}")
            time.sleep(0.05)

    @property
    def control_headers(self) -> dict[str, str]:
        """What the control API wants of a request that changes something."""
        return control_headers({"data": self.directory / ".local/scaleway"})

    def cloud_answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.api_url}/_local/health", timeout=2):
            return True
        return False

    def kill_cloud(self) -> None:
        """End it without a chance to tidy up."""
        if self._cloud is not None:
            if self._cloud.poll() is None:
                # The process itself, which may be forked: what was started ends with it.
                os.kill(json.loads((self.directory / ".local/scaleway/server.json").read_text())["pid"], signal.SIGKILL)
            self._cloud.wait()
            self._cloud = None

    def stop_cloud(self) -> None:
        if self._cloud is not None:
            self._cloud.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._cloud.wait(10)
            self.kill_cloud()


def copy_project(directory: Path) -> Project:
    """Copy the program and its stack files, with fixed images and sizes, and point the local stacks at a free port."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(ROOT / name, directory / name)
    for path in ROOT.glob("Pulumi.*.yaml"):
        (directory / path.name).write_text(_settled(path))
    for package in ("infra", "gitrepo", "pulumi_state", "scaleway_facts"):
        shutil.copytree(ROOT / package, directory / package, ignore=shutil.ignore_patterns(*GENERATED))
    (directory / ".venv").symlink_to(sys.prefix)
    project = Project(directory, free_port())
    for path in directory.glob("Pulumi.*.yaml"):
        _use_port(path, project.port)
    return project


@cache
def _settled(stack_file: Path) -> str:
    return edited(stack_file.read_text(), stack_files.settle)


def _use_port(path: Path, port: int) -> None:
    """Replace the port of the local Scaleway in a local stack's file, and the next one, of its object storage."""
    text = path.read_text()
    named = _API_URL.search(text)
    if named is None:
        return
    old = int(named[1])
    path.write_text(re.sub(rf":({old}|{old + 1})\b", lambda found: f":{int(found[1]) - old + port}", text))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A copy of the project; the test calls ``start_cloud`` when it needs the local Scaleway."""
    copy = copy_project(tmp_path / "project")
    yield copy
    copy.stop_cloud()
    pid_file = copy.directory / ".local" / "scaleway.pid"
    if pid_file.exists():
        copy.snu("local", "stop")
