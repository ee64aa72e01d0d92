"""Both engines on one stack, each as its users meet it, with what it said it did."""

from __future__ import annotations

import copy
import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine import operations
from engine.request import Request
from pulumi_state import stack_reader
from pulumi_state.errors import PulumiError
from pulumi_state.project import project_name
from pulumi_state.state_file import StateFile
from tests.support import embedded
from tests.support.environment import clean_environment
from tests.support.programs import PULUMI, needs

PASSPHRASE = "local-not-a-secret"
"""What the local stacks' salt in the repository was made with."""

_TIMEOUT_SECONDS = 300
_NO_REFRESH = "--refresh=false"
"""Against the option in `Pulumi.yaml`: what is compared is what the program leads to."""

needs_pulumi = needs(*PULUMI)
"""Marks tests that need the real CLI and the real provider."""


@dataclass(frozen=True)
class Step:
    """One operation on one resource, as its event describes it."""

    urn: str
    op: str
    diffs: tuple[str, ...]
    replace_keys: tuple[str, ...]
    detailed: tuple[tuple[str, str], ...]
    """Property paths with the kind of their difference."""

    def __str__(self) -> str:
        detailed = ", ".join(f"{path}: {kind}" for path, kind in self.detailed)
        return f"{self.op} diffs={list(self.diffs)} replaces={list(self.replace_keys)} detailed={{{detailed}}}"


@dataclass(frozen=True)
class Run:
    """How an engine's operation ended."""

    ok: bool
    text: str
    events: list[dict[str, Any]]

    @property
    def steps(self) -> list[Step]:
        """Without those of default providers, which the CLI reports as internal and shows to nobody."""
        found = [event["resourcePreEvent"]["metadata"] for event in self.events if "resourcePreEvent" in event]
        return [
            _step(metadata)
            for metadata in found
            if metadata["op"] != "refresh" and not metadata["type"].startswith("pulumi:providers:")
        ]

    @property
    def changed(self) -> list[Step]:
        return [step for step in self.steps if step.op not in ("same", "read")]

    def steps_by_urn(self) -> dict[str, list[Step]]:
        """In the order in which each resource met them."""
        found: dict[str, list[Step]] = {}
        for step in self.steps:
            found.setdefault(step.urn, []).append(step)
        return found

    @property
    def changes(self) -> Mapping[str, int]:
        summaries = [event["summaryEvent"]["resourceChanges"] for event in self.events if "summaryEvent" in event]
        return dict(summaries[-1] or {}) if summaries else {}

    def diagnostics(self, *severities: str) -> list[str]:
        found = (event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event)
        return [each["message"].strip() for each in found if each["severity"] in severities]


def _step(metadata: Mapping[str, Any]) -> Step:
    return Step(
        urn=metadata["urn"],
        op=metadata["op"],
        diffs=tuple(sorted(metadata.get("diffs") or ())),
        replace_keys=tuple(sorted(metadata.get("keys") or ())),
        detailed=tuple(sorted((path, diff["diffKind"]) for path, diff in (metadata.get("detailedDiff") or {}).items())),
    )


class Driver(Protocol):
    """An engine on the stacks of one project folder."""

    name: str

    def preview(self, stack: str) -> Run: ...

    def up(self, stack: str) -> Run: ...

    def refresh(self, stack: str) -> Run: ...

    def preview_destroy(self, stack: str) -> Run: ...

    def destroy(self, stack: str) -> Run: ...


class Cli:
    """The real CLI; ``home`` is its own folder, shared by the stacks of a test session."""

    name = "pulumi"

    def __init__(self, directory: Path, home: Path, backend_url: str, **environment: str) -> None:
        self._directory = directory
        self._environment = clean_environment(
            **environment,
            PULUMI_HOME=str(home),
            PULUMI_BACKEND_URL=backend_url,
            PULUMI_CONFIG_PASSPHRASE=PASSPHRASE,
            PULUMI_SKIP_UPDATE_CHECK="true",
            PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION="true",
            PULUMI_DEBUG_COMMANDS="true",
        )
        # As for a user: the program finds its own packages, and not those of the checkout.
        self._environment.pop("PYTHONPATH", None)

    def in_folder(self, directory: Path) -> Cli:
        """The same CLI and backend, on the program in another folder."""
        other = copy.copy(self)
        other._directory = directory
        return other

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Any command of the CLI."""
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
        )

    def init(self, stack: str) -> None:
        """Make a stack that the backend does not know yet."""
        made = self.run("stack", "init", stack, "--no-select")
        assert made.returncode == 0, made.stderr

    def preview(self, stack: str, *more: str) -> Run:
        return self._operation(stack, "preview", _NO_REFRESH, *more)

    def up(self, stack: str, *more: str) -> Run:
        return self._operation(stack, "up", "--yes", "--skip-preview", _NO_REFRESH, *more)

    def refresh(self, stack: str, *more: str) -> Run:
        return self._operation(stack, "refresh", "--yes", "--skip-preview", *more)

    def preview_destroy(self, stack: str) -> Run:
        return self._operation(stack, "destroy", "--preview-only", _NO_REFRESH)

    def destroy(self, stack: str, *more: str) -> Run:
        return self._operation(stack, "destroy", "--yes", "--skip-preview", _NO_REFRESH, *more)

    def outputs(self, stack: str) -> dict[str, Any]:
        """With secrets in clear."""
        found = self.run("stack", "output", "--json", "--show-secrets", "--stack", stack)
        assert found.returncode == 0, found.stderr
        outputs: dict[str, Any] = json.loads(found.stdout)
        return outputs

    def export(self, stack: str) -> dict[str, Any]:
        """The stack's state, with secrets in clear."""
        found = self.run("stack", "export", "--show-secrets", "--stack", stack)
        assert found.returncode == 0, found.stderr
        document: dict[str, Any] = json.loads(found.stdout)
        return document

    def _operation(self, stack: str, *arguments: str) -> Run:
        with tempfile.TemporaryDirectory(prefix="events-") as folder:
            log = Path(folder) / "events"
            ended = self.run(*arguments, "--stack", stack, "--event-log", str(log))
            text = ended.stdout + ended.stderr
            lines = log.read_text().splitlines() if log.exists() else []
        return Run(ended.returncode == 0, text, [json.loads(line) for line in lines])


class Embedded:
    """The engine of this project, in this process."""

    name = "embedded"

    def __init__(self, directory: Path, backend_url: str) -> None:
        self._directory = directory
        self._backend_url = backend_url

    def preview(self, stack: str) -> Run:
        return self._operation(embedded.preview, stack)

    def up(self, stack: str) -> Run:
        return self._operation(embedded.up, stack)

    def refresh(self, stack: str) -> Run:
        return self._operation(operations.refresh, stack)

    def preview_destroy(self, stack: str) -> Run:
        return self._operation(operations.preview_destroy, stack)

    def destroy(self, stack: str) -> Run:
        return self._operation(operations.destroy, stack)

    def outputs(self, stack: str) -> dict[str, Any]:
        """With secrets as ``Secret``."""
        file = StateFile(self._backend_url, project_name(self._directory), stack, self._environ)
        return stack_reader.outputs(file, self._environ)

    @property
    def _environ(self) -> dict[str, str]:
        return {"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE}

    def _operation(self, function: Any, stack: str) -> Run:
        events: list[dict[str, Any]] = []
        request = Request(
            project_dir=self._directory,
            stack=stack,
            backend_url=self._backend_url,
            environ=self._environ,
            on_event=events.append,
        )
        try:
            ok = function(request).ok
            text = ""
        except PulumiError as error:
            ok, text = False, str(error)
        run = Run(ok, "", events)
        return Run(ok, "\n".join([text, *run.diagnostics("error", "warning", "info#err")]), events)


def all_changes(steps: Iterable[Step]) -> Counter[str]:
    """How often each operation is among the steps."""
    return Counter(step.op for step in steps)
