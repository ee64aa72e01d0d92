"""Requests to Scaleway and GitHub that commands make, which do not depend on the machine."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.measure import Session
from ops.doctor import repository, workflow
from tests.lab.lab import Lab
from tests.support.environment import ROOT, clean_environment
from tests.support.github import TOKEN, FakeGitHub
from tests.support.stack_yaml import stack_yaml

_OTHER = "other"
"""A second environment, with the same apps as `local`."""
_REQUEST = re.compile(r"\b(GET|HEAD|POST|PUT|PATCH|DELETE) (/\S+)")


@dataclass(frozen=True)
class Command:
    words: str
    typed: str = ""
    """On standard input."""
    reports: bool = False
    """Whether the exit code depends on what the command found."""


COMMANDS = (
    Command(f"secrets compare local {_OTHER}"),
    Command("secrets get local MONGO_URL"),
    Command("secrets set local MONGO_URL --yes", "another-mongo-url"),
    Command("secrets list local"),
    Command("secrets history local"),
    Command("status", reports=True),
    Command("doctor local", reports=True),
    Command("doctor stage", reports=True),
    Command("doctor stage production", reports=True),
    Command("doctor ci stage production", reports=True),
)


def run(session: Session) -> None:
    with _prepared() as lab, _github() as hub:
        print(f"\n{'command':<36}  {'Scaleway':>8}  {'of values':>9}  {'GitHub':>6}  {'changing':>8}")
        for command in COMMANDS[:1] if session.smoke else COMMANDS:
            before = len(_requests(lab)), len(hub.requests)
            _run(lab, command, hub)
            to_scaleway, to_github = _requests(lab)[before[0] :], hub.requests[before[1] :]
            values = sum(path.endswith("/access") for _, path in to_scaleway)
            changing = sum(method not in ("GET", "HEAD") for method, _ in (*to_scaleway, *to_github))
            print(
                f"{command.words:<36}  {len(to_scaleway):>8}  {values:>9}  {len(to_github):>6}  {changing:>8}",
            )
    print(
        "With states on this machine. `list` and `history` read each of a document's newest versions once. `doctor` "
        "checks stacks on the real Scaleway without a key: only on GitHub."
    )


@contextmanager
def _prepared() -> Iterator[Lab]:
    """With two environments on one foundation, of which `local` is deployed."""
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as folder, Lab.running(Path(folder) / "project") as lab:
        shutil.copytree(ROOT / ".github/workflows", lab.project.directory / ".github/workflows", dirs_exist_ok=True)
        lab.project.change(
            "foundation-local",
            lambda config: config["snu:environments"].update(
                {_OTHER: copy.deepcopy(dict(config["snu:environments"]["local"]))}
            ),
        )
        stack = yaml.safe_load(lab.project.stack_file("local").read_text())
        stack["config"]["snu:environment"]["name"] = _OTHER
        lab.project.stack_file(_OTHER).write_text(stack_yaml(stack))
        for name in ("foundation-local", "local"):
            lab.up_ok(name)
        yield lab


@contextmanager
def _github() -> Iterator[FakeGitHub]:
    """A repository with all environments, and a ruleset for the release branches."""
    with FakeGitHub() as hub:
        policy = {"protected_branches": False, "custom_branch_policies": True}
        for name, each in workflow.environments(ROOT, workflow.all_files(ROOT)).items():
            branches = [{"name": branch, "type": "branch"} for branch in each.branches or ()]
            hub.environments[name] = {*each.secrets}
            hub.documents[f"environments/{name}"] = {"deployment_branch_policy": policy}
            hub.documents[f"environments/{name}/deployment-branch-policies"] = {"branch_policies": branches}
        for branch in repository.RELEASE_BRANCHES:
            hub.documents[f"rules/branches/{branch}"] = [{"type": "update", "ruleset_id": 1}]
        hub.documents |= {"rules/branches/main": [{"type": "pull_request", "ruleset_id": 2}], "hooks": []}
        hub.documents |= {"rulesets/1": {"name": "releases", "bypass_actors": []}, "actions/permissions/workflow": {}}
        yield hub


def _run(lab: Lab, command: Command, hub: FakeGitHub) -> None:
    directory = lab.project.directory
    subprocess.run(
        [sys.executable, "-m", "ops", *command.words.split(), "-C", str(directory)],
        cwd=directory,
        env=clean_environment(GITHUB_TOKEN=TOKEN, GITHUB_API_URL=hub.url, GITHUB_REPOSITORY="octo/snu"),
        input=command.typed,
        text=True,
        stdout=subprocess.DEVNULL,
        check=not command.reports,
    )


def _requests(lab: Lab) -> list[tuple[str, str]]:
    """Methods and paths that the local Scaleway has answered, as its log has them."""
    lines = (lab.project.directory / ".local/test-scaleway.log").read_text().splitlines()
    found = (_REQUEST.search(line) for line in lines)
    return [(each[1], each[2]) for each in found if each and not each[2].startswith("/_local/")]
