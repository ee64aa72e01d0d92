"""A project with one stack and a program of a few lines, on a local Scaleway of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.events import EngineEvent
from engine.request import Outcome, Request
from pulumi_state.urn import name_of
from tests.lab.project import Project
from tests.support.environment import ROOT, clean_environment
from tests.support.ports import free_port
from tests.support.stack_yaml import stack_yaml

PASSPHRASE = {"PULUMI_CONFIG_PASSPHRASE": "local-not-a-secret"}
_HEADER = "import pulumi\nimport pulumiverse_scaleway as scaleway\n"
_RUNNER = """
import sys
from pathlib import Path
from engine import operations
from engine.request import Request
from tests.support import embedded

PASSPHRASE = {"PULUMI_CONFIG_PASSPHRASE": "local-not-a-secret"}
folder, operation = sys.argv[1:]
def show(event):
    step = event.get("resourcePreEvent")
    print("EVENT", (step or {}).get("metadata", {}).get("op"), flush=True)
    if said := event.get("diagnosticEvent"):
        print("DIAGNOSTIC", said["message"], flush=True)
request = Request(Path(folder), "dev", f"file://{folder}", PASSPHRASE, show, parallel=2)
outcome = getattr(embedded if operation in ("preview", "up") else operations, operation)(request)
print("OUTCOME", outcome.ok, flush=True)
"""


@dataclass
class Ran:
    outcome: Outcome
    events: list[EngineEvent] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.outcome.ok

    def errors(self) -> list[str]:
        return [
            event["diagnosticEvent"]["message"]
            for event in self.events
            if event.get("diagnosticEvent", {}).get("severity") == "error"
        ]

    def messages(self) -> list[str]:
        """What was printed or logged."""
        return [event["diagnosticEvent"]["message"] for event in self.events if "diagnosticEvent" in event]

    def steps(self) -> dict[str, tuple[str, dict[str, str]]]:
        """What changes: operation and property diff by name."""
        found = {}
        for event in self.events:
            step = event.get("resourcePreEvent", {}).get("metadata")
            if step and step["op"] not in ("same", "read"):
                diff = {path: item["diffKind"] for path, item in (step["detailedDiff"] or {}).items()}
                found[name_of(step["urn"])] = (step["op"], diff)
        return found


class Small:
    """A project with one stack and a program of a few lines."""

    def __init__(self, folder: Path) -> None:
        self.cloud = Project(folder, free_port())
        self.folder = folder
        self.state = folder / ".pulumi" / "stacks" / "small" / "dev.json"

    def write(self, program: str) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "Pulumi.yaml").write_text("name: small\nruntime: python\n")
        (self.folder / "Pulumi.dev.yaml").write_text(stack_yaml({"config": self.cloud.provider_settings()}))
        (self.folder / "__main__.py").write_text(_HEADER + textwrap.dedent(program))

    def module(self, path: str, content: str) -> None:
        """Add a file beside the program."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(content)

    def do(self, operation: Callable[[Request], Outcome], program: str) -> Ran:
        self.write(program)
        return self.run(operation)

    def run(self, operation: Callable[[Request], Outcome]) -> Ran:
        events: list[Any] = []
        request = Request(self.folder, "dev", f"file://{self.folder}", PASSPHRASE, events.append)
        return Ran(operation(request), events)

    def start(self, operation: str) -> subprocess.Popen[str]:
        """The operation in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", _RUNNER, str(self.folder), operation],
            cwd=ROOT,
            env=clean_environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def latest(self) -> dict[str, Any]:
        latest: dict[str, Any] = json.loads(self.state.read_text())["checkpoint"]["latest"]
        return latest

    def names(self) -> set[str]:
        return {resource["urn"].split("::")[-1] for resource in self.latest().get("resources", [])}

    def requests(self) -> int:
        """How many requests the local Scaleway has answered."""
        return len((self.folder / ".local/test-scaleway.log").read_text().splitlines())

    def locks(self) -> list[Path]:
        return list((self.folder / ".pulumi" / "locks").rglob("*.json"))
