"""Crash alerts of the stack local, without Docker: lines by the control call, the job as a process of Node.

The process receives exactly what the job's definition in the local Scaleway says: its variables, and its secrets as
files.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pulumi_state.store import Store, open_store
from tests.lab.lab import Lab
from tests.support.apps.workspace import Workspace
from tests.support.buckets import start_object_storage
from tests.support.slack import Slack

_JOBS = "/serverless-jobs/v1alpha2/regions/fr-par"
_RUN_SECONDS = 120.0
STATE = "crash-alerts.json"
HOUR_MILLISECONDS = 3_600_000
_LINES_A_CALL = 1000


@dataclass
class Alerting:
    lab: Lab
    workspace: Workspace
    slack: Slack
    folder: Path
    """For the files of a run."""

    def prepare(self) -> None:
        """Start object storage, and write the stand-in's address into the secret document."""
        self._start_storage()
        (reference,) = [each for each in self._references if "document" in each["file"]["path"]]
        secret = reference["secret_manager_id"]
        document = {**self.secret_text(secret), "SLACK_WEBHOOK_URL": self.slack.webhook}
        self.lab.write_secret(secret, json.dumps(document).encode())

    @contextmanager
    def heartbeat_at(self, address: str) -> Iterator[None]:
        """The secret document names this service for as long as the block lasts."""
        (reference,) = [each for each in self._references if "document" in each["file"]["path"]]
        secret = reference["secret_manager_id"]
        document = self.secret_text(secret)
        self.lab.write_secret(secret, json.dumps({**document, "HEARTBEAT_URL": address}).encode())
        try:
            yield
        finally:
            self.lab.write_secret(secret, json.dumps(document).encode())

    def _start_storage(self) -> None:
        start_object_storage(self.lab.ask)

    def forget_lines(self) -> None:
        """The local Scaleway keeps lines that were added until it ends."""
        self.lab.project.stop_cloud()
        self.lab.project.start_cloud()
        self._start_storage()

    # --- the job ----------------------------------------------------------------------------------------

    @cached_property
    def definition(self) -> dict[str, Any]:
        found = self.lab.ask("GET", f"{_JOBS}/job-definitions")["job_definitions"]
        (definition,) = [each for each in found if each["name"] == "local-crash-alerts"]
        return dict(definition)

    @cached_property
    def _references(self) -> list[dict[str, Any]]:
        return list(self.lab.ask("GET", f"{_JOBS}/secrets?job_definition_id={self.definition['id']}")["secrets"])

    def secret_text(self, secret_id: str) -> dict[str, Any]:
        return dict(json.loads(self.lab.read_secret(secret_id)))

    @cached_property
    def access(self) -> dict[str, Any]:
        """What the foundation gave the job."""
        (reference,) = [each for each in self._references if "access" in each["file"]["path"]]
        return self.secret_text(reference["secret_manager_id"])

    def environment(self, **other: str) -> dict[str, str]:
        """The variables of a run, with its files in place; lines count at once unless ``other`` says otherwise."""
        variables = {**self.definition["environment_variables"], "SETTLE_SECONDS": "0", "SNU_VERSION": "test", **other}
        for reference in self._references:
            path = reference["file"]["path"]
            file = self.folder / Path(path).name
            content = json.dumps(self.secret_text(reference["secret_manager_id"]))
            if not file.exists() or file.read_text() != content:  # a run that goes on may be reading it
                file.write_text(content)
            variables = {name: str(file) if value == path else value for name, value in variables.items()}
        return variables

    def start(self, *options: str, **other: str) -> subprocess.Popen[str]:
        """A run that goes on by itself; ``options`` go to Node. It reads all files and writes none."""
        return subprocess.Popen(
            [*self.workspace.node, *options, "crash-alerts/src/main.js"],
            cwd=self.workspace.folder,
            env=self.environment(**other),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, status: int = 0, **other: str) -> list[dict[str, Any]]:
        """A whole run; gives its log."""
        process = self.start("--permission", "--allow-fs-read=*", **other)
        said, _ = process.communicate(timeout=_RUN_SECONDS)
        assert process.returncode == status, said
        assert "hush-hush-hush" not in said
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    def run_on_platform(self) -> dict[str, Any]:
        """A whole run by the platform, with Docker; lines count at once. Gives the run."""
        other = {"environment_variables": {"SETTLE_SECONDS": "0"}}
        (run,) = self.lab.ask("POST", f"{_JOBS}/job-definitions/{self.definition['id']}/start", other)["job_runs"]
        deadline = time.monotonic() + _RUN_SECONDS
        while run["state"] not in ("succeeded", "failed", "interrupted"):
            assert time.monotonic() < deadline, run
            time.sleep(0.1)
            run = self.lab.ask("GET", f"{_JOBS}/job-runs/{run['id']}")
        return dict(run)

    # --- what it looks at -------------------------------------------------------------------------------

    def container(self, name: str = "local-api") -> str:
        return str(self.lab.find("containers.container", name)["id"])

    def crash(self, message: str = "no user 7", *, times: int = 1, name: str = "local-api", at: int = 0) -> None:
        """The api crashes; ``at``: nanoseconds since 1970, now by default."""
        self.crashes([message] * times, name=name, at=at or time.time_ns())

    def crashes(self, messages: Sequence[str], *, at: int, apart: int = 1, name: str = "local-api") -> None:
        """Lines as the api writes them, that many nanoseconds apart."""
        lines = [
            {"text": _crash_line(message), "stream": "stderr", "time": at + number * apart}
            for number, message in enumerate(messages)
        ]
        for first in range(0, len(lines), _LINES_A_CALL):
            some = {"lines": lines[first : first + _LINES_A_CALL]}
            self.lab.ask("POST", f"/_local/containers/{self.container(name)}/logs", some)

    # --- what it leaves ---------------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        access = self.access
        url = f"s3://{access['bucket']}?endpoint={access['storageUrl']}&region={access['region']}"
        return open_store(url, {"AWS_ACCESS_KEY_ID": access["accessKey"], "AWS_SECRET_ACCESS_KEY": access["secretKey"]})

    def state(self) -> dict[str, Any]:
        item = self.store.read(STATE)
        assert item is not None
        return dict(json.loads(item.content))

    def forget(self) -> None:
        """As if nothing had ever happened, and the last run had been right now."""
        if self.store.read(STATE) is None:
            self.run()
        empty: dict[str, Any] = {name: {} for name in ("known", "ends", "errors")}
        self.change_state(**empty, outbox=[], lease=None, cursor=str(time.time_ns()))
        self.slack.messages.clear()
        self.slack.refused, self.slack.status, self.slack.retry_after = 0, 200, 0

    def change_state(self, **changes: Any) -> None:
        self.store.write(STATE, json.dumps({**self.state(), **changes}).encode())

    def let_pass(self, milliseconds: int) -> None:
        """As if that much time had passed since every message."""
        known = self.state()["known"]
        self.change_state(
            known={name: {**each, "announced": each["announced"] - milliseconds} for name, each in known.items()}
        )


def _crash_line(message: str) -> str:
    line = {
        "time": "2026-01-01T00:00:00.000Z",
        "level": "fatal",
        "event": "crash",
        "app": "api",
        "version": "4f2a",
        "message": message,
        "stack": f"Error: {message}\n    at find (file:///srv/api/src/users.js:7:11)",
    }
    return json.dumps(line)
