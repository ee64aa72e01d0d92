"""Determines from the release workflows which GitHub environments and secrets their jobs need."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import IDENTITY, SIGNING_KEY, TOKEN
from pulumi_state import yaml_file
from pulumi_state.errors import PulumiError

FILE = ".github/workflows/release.yml"
FILES = (FILE, ".github/workflows/hotfix.yml", ".github/workflows/rollback.yml")
_SECRET = re.compile(r"\$\{\{\s*secrets\.(\w+)")


def secrets_by_environment(project: Path) -> Mapping[str, frozenset[str]]:
    """The secrets that each GitHub environment needs; empty if the project does not have the workflow.

    Raises OpsError if the workflow cannot be read.
    """
    secrets: dict[str, set[str]] = defaultdict(set)
    for environment, job in _jobs(project):
        secrets[environment] |= {*_SECRET.findall(str(job))} - {TOKEN}
    return {environment: frozenset(names) for environment, names in secrets.items()}


def branches_by_environment(project: Path) -> Mapping[str, frozenset[str]]:
    """The branches from which release workflows use each GitHub environment.

    Empty if the project has no release workflows. Raises OpsError if a workflow cannot be read.
    """
    branches: dict[str, set[str]] = defaultdict(set)
    for file in FILES:
        for environment, _ in _jobs(project, file):
            branches[environment] |= _pushed(project / file)
    return {environment: frozenset(names) for environment, names in branches.items()}


def _pushed(path: Path) -> set[str]:
    """The branches that trigger a workflow. Manually started workflows run on ``production``."""
    events = yaml_file.read(path).values["on"]
    return {*(events.get("push") or {}).get("branches", ()), *(["production"] if "workflow_dispatch" in events else [])}


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
