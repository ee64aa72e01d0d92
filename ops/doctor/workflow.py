"""What the workflows of releases ask of GitHub: environments of their jobs, and the secrets that each of them reads."""

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
    """The secrets that each GitHub environment must have; empty for a project without the workflow.

    Raises OpsError if the workflow cannot be read.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for environment, job in _jobs(project):
        found[environment] |= {*_SECRET.findall(str(job))} - {TOKEN}
    return {environment: frozenset(names) for environment, names in found.items()}


def branches_by_environment(project: Path) -> Mapping[str, frozenset[str]]:
    """The branches from which workflows of releases use each GitHub environment.

    Empty for a project without them. Raises OpsError if a workflow cannot be read.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for file in FILES:
        for environment, _ in _jobs(project, file):
            found[environment] |= _pushed(project / file)
    return {environment: frozenset(branches) for environment, branches in found.items()}


def _pushed(path: Path) -> set[str]:
    """The branches whose pushes start a workflow; one that is started by hand is started on ``production``."""
    events = yaml_file.read(path).values["on"]
    return {*(events.get("push") or {}).get("branches", ()), *(["production"] if "workflow_dispatch" in events else [])}


def environments_of_keys(project: Path, stack: str) -> dict[str, list[str]]:
    """The GitHub environments in which the stack's private keys for plans are needed, by the secret's name.

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
    """Jobs with the name of their GitHub environment."""
    path = project / file
    if not path.exists():
        return
    try:
        jobs = yaml_file.read(path).values["jobs"]  # in a dialect of its own: `on` is a key
        for job in jobs.values():
            environment = job.get("environment", "")
            name = environment["name"] if isinstance(environment, dict) else environment
            if name:
                yield name, job
    except (PulumiError, KeyError, AttributeError) as error:
        raise OpsError(f"{file} is not a workflow: {error}", ExitCode.ENVIRONMENT) from None
