"""The workflows, as linters and a few rules of our own read them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.environment import ROOT
from tests.support.programs import needs

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
APPLYING = re.compile(r"scripts/snu (up|apply|destroy|env|images build|images clean|promote|hotfix)\b")
ALLOWED_COMMANDS = re.compile(r"(scripts/(snu|test|bench|lock|bootstrap)|\.ci/run|git|gh)\b")
SECRET = re.compile(r"\$\{\{\s*secrets\.(\w+)")


@needs("actionlint")
def test_actionlint_finds_nothing() -> None:
    ended = subprocess.run(["actionlint", "-no-color"], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout + ended.stderr == ""


def test_zizmor_finds_nothing() -> None:
    zizmor = Path(sys.executable).parent / "zizmor"
    ended = subprocess.run(
        [zizmor, "--offline", "--pedantic", "--quiet", "--color=never", ".github"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def jobs(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from yaml.safe_load(path.read_text())["jobs"].items()


def commands(job: dict[str, Any]) -> list[str]:
    return [line for step in job["steps"] for line in str(step.get("run", "")).splitlines() if line.strip()]


def _inner(line: str) -> str:
    """The command whose output becomes an output of the step."""
    found = re.fullmatch(r'echo "\w+=\$\((.*)\)" >> "\$GITHUB_OUTPUT"', line)
    return found.group(1) if found else line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_each_step_is_one_command_of_ours(path: Path) -> None:
    for name, job in jobs(path):
        for step in job["steps"]:
            lines = [line for line in str(step.get("run", "")).splitlines() if line.strip()]
            assert len(lines) <= 1, f"{name}: {lines}"
            for line in lines:
                assert ALLOWED_COMMANDS.match(_inner(line)), f"{name}: {line}"


def test_a_release_begins_with_what_it_needs() -> None:
    _, first = next(jobs(ROOT / ".github/workflows/release.yml"))
    assert commands(first)[0] == "scripts/snu doctor stage production"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_changes_a_cloud_is_never_cancelled_and_never_runs_twice_at_once(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    for name, job in workflow["jobs"].items():
        if any(APPLYING.search(line) for line in commands(job)):
            group = job.get("concurrency") or workflow.get("concurrency")
            assert group is not None, f"{path.name}: {name}"
            assert group["cancel-in-progress"] is False, f"{path.name}: {name}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_secrets_are_given_to_steps_of_jobs_with_a_github_environment_only(path: Path) -> None:
    assert not SECRET.search(str(yaml.safe_load(path.read_text()).get("env", "")))
    for name, job in jobs(path):
        assert not SECRET.search(str(job.get("env", ""))), f"{name}: a secret for all of its steps"
        if any(SECRET.search(str(step)) for step in job["steps"]):
            assert job.get("environment"), f"{name}: secrets of the whole repository"
