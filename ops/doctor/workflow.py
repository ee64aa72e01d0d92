"""Determines from the workflows which GitHub environments and secrets their jobs need."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import IDENTITY, SIGNING_KEY, TOKEN
from pulumi_state import yaml_file
from pulumi_state.errors import PulumiError

FILE = ".github/workflows/release.yml"
FILES = (FILE, ".github/workflows/hotfix.yml", ".github/workflows/rollback.yml")
_MATRIX = re.compile(r"\$\{\{\s*matrix\.(\w+)\s*\}\}")
_SECRET = re.compile(r"\$\{\{\s*secrets\.(\w+)")


def branches_by_environment(project: Path) -> Mapping[str, frozenset[str]]:
    """The branches from which release workflows use each GitHub environment.

    Empty if the project has no release workflows. Raises OpsError if a workflow cannot be read.
    """
    return {name: each.branches or frozenset() for name, each in environments(project, FILES).items()}


def all_files(project: Path) -> tuple[str, ...]:
    """The project's workflows, relative to its folder; empty if there is no release workflow."""
    if not (project / FILE).exists():
        return ()
    return tuple(sorted(str(path.relative_to(project)) for path in (project / FILE).parent.glob("*.yml")))


@dataclass(frozen=True)
class WorkflowEnvironment:
    """The secrets and branches that workflows need in a GitHub environment."""

    secrets: frozenset[str]
    branches: frozenset[str] | None
    """The branches from which it is used; None if pull requests use it."""


def environments(project: Path, files: Sequence[str]) -> Mapping[str, WorkflowEnvironment]:
    """The GitHub environments that workflows use. Raises OpsError if a workflow cannot be read."""
    secrets: dict[str, set[str]] = defaultdict(set)
    branches: dict[str, set[str]] = defaultdict(set)
    is_open = set[str]()
    for file in files:
        for environment, job in _jobs(project, file):
            events = yaml_file.read(project / file).values["on"]
            for name in _expanded(environment, job):
                secrets[name] |= {*_SECRET.findall(str(job))} - {TOKEN}
                branches[name] |= _branches(events, file)
                if any(event.startswith("pull_request") for event in events):
                    is_open.add(name)
    return {
        name: WorkflowEnvironment(frozenset(secrets[name]), None if name in is_open else frozenset(branches[name]))
        for name in secrets
    }


def _expanded(environment: str, job: Mapping[str, Any]) -> list[str]:
    """The names of an environment, one for each value of the job's matrix; empty if a job computes the values."""
    variables = _MATRIX.findall(environment)
    if not variables:
        return [environment]
    values = ((job.get("strategy") or {}).get("matrix") or {}).get(variables[0])
    return [_MATRIX.sub(str(value), environment) for value in values] if isinstance(values, list) else []


def _branches(events: Any, file: str) -> set[str]:
    """The branches that trigger a workflow. Release workflows are started manually on ``production``, others on
    ``main``."""
    if not isinstance(events, Mapping):
        events = dict.fromkeys([events] if isinstance(events, str) else events)
    found = {*((events.get("push") or {}).get("branches") or ())}
    if "workflow_dispatch" in events:
        found.add("production" if file in FILES else "main")
    if "schedule" in events:
        found.add("main")
    return found


def environments_of_keys(project: Path, stack: str) -> dict[str, list[str]]:
    """The GitHub environments that need the stack's private plan keys, by secret name.

    Raises OpsError if the workflow cannot be read.
    """
    commands = {
        SIGNING_KEY: re.compile(rf"scripts/snu plan {re.escape(stack)}(\s|$)"),
        IDENTITY: re.compile(rf"scripts/snu apply .*--stack {re.escape(stack)}(\s|$)"),
    }
    return {
        secret: [environment for environment, job in _jobs(project) if any(map(command.search, _commands(job)))]
        for secret, command in commands.items()
    }


def _commands(job: Mapping[str, Any]) -> list[str]:
    return [str(step.get("run", "")) for step in job.get("steps", [])]


def _jobs(project: Path, file: str = FILE) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each job with the name of its GitHub environment."""
    path = project / file
    if not path.exists():
        return
    try:
        jobs = yaml_file.read(path).values["jobs"]  # unlike in YAML 1.1, `on` is a key
        for job in jobs.values():
            environment = job.get("environment", "")
            name = environment["name"] if isinstance(environment, dict) else environment
            if name:
                yield name, job
    except (PulumiError, KeyError, AttributeError) as error:
        raise OpsError(f"{file} is not a workflow: {error}", ExitCode.ENVIRONMENT) from None
