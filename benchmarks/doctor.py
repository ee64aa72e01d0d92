"""Requests that `snu doctor` and `snu status` make to Scaleway and GitHub, which do not depend on the machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Session
from ops.doctor import repository, workflow
from tests.lab.lab import Lab
from tests.support.environment import ROOT, clean_environment
from tests.support.github import TOKEN, FakeGitHub

_COMMANDS = ("doctor local", "status", "doctor stage", "doctor stage production", "doctor ci stage production")
_REQUEST = re.compile(r"\b(GET|HEAD|POST|PUT|PATCH|DELETE) (/\S+)")


def run(session: Session) -> None:
    with _prepared() as lab, _github() as hub:
        print(f"\n{'command':<30}  {'Scaleway':>8}  {'GitHub':>6}  {'changing':>8}")
        for command in _COMMANDS[:1] if session.smoke else _COMMANDS:
            before = len(_requests(lab)), len(hub.requests)
            _run(lab, command, hub)
            to_scaleway, to_github = _requests(lab)[before[0] :], hub.requests[before[1] :]
            changing = sum(method not in ("GET", "HEAD") for method, _ in (*to_scaleway, *to_github))
            print(f"{command:<30}  {len(to_scaleway):>8}  {len(to_github):>6}  {changing:>8}")
    print("With states on this machine. Stacks on the real Scaleway are checked without a key: only on GitHub.")


@contextmanager
def _prepared() -> Iterator[Lab]:
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as folder, Lab.running(Path(folder) / "project") as lab:
        shutil.copytree(ROOT / ".github/workflows", lab.project.directory / ".github/workflows", dirs_exist_ok=True)
        for stack in ("foundation-local", "local"):
            lab.up_ok(stack)
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


def _run(lab: Lab, command: str, hub: FakeGitHub) -> None:
    directory = lab.project.directory
    environ = clean_environment(GITHUB_TOKEN=TOKEN, GITHUB_API_URL=hub.url, GITHUB_REPOSITORY="octo/snu")
    subprocess.run(
        [sys.executable, "-m", "ops", *command.split(), "-C", str(directory)],
        cwd=directory,
        env=environ,
        stdout=subprocess.DEVNULL,
        check=False,  # the exit code says what was found
    )


def _requests(lab: Lab) -> list[tuple[str, str]]:
    """Methods and paths that the local Scaleway has answered, as its log has them."""
    lines = (lab.project.directory / ".local/test-scaleway.log").read_text().splitlines()
    found = (_REQUEST.search(line) for line in lines)
    return [(each[1], each[2]) for each in found if each and not each[2].startswith("/_local/")]
