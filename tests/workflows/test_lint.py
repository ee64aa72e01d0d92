"""The workflows, as linters and a few rules of our own read them."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.cli import complete_group
from tests.support.environment import ROOT
from tests.support.programs import needs
from tests.workflows.test_keys import environment_of

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
APPLYING = re.compile(r"scripts/snu (up|apply|destroy|env|images build|images clean|promote|rollback|hotfix|release)\b")
ALLOWED_COMMANDS = re.compile(r"(scripts/(snu|test|bench|lock|bootstrap|provider-facts)|\.ci/run|git|gh)\b")
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
    return [line for step in job.get("steps", []) for line in str(step.get("run", "")).splitlines() if line.strip()]


def _inner(line: str) -> str:
    """The command whose output becomes an output of the step."""
    found = re.fullmatch(r'echo "\w+=\$\((.*)\)" >> "\$GITHUB_OUTPUT"', line)
    return found.group(1) if found else line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_each_step_is_one_command_of_ours(path: Path) -> None:
    for name, job in jobs(path):
        for step in job.get("steps", []):
            lines = [line for line in str(step.get("run", "")).splitlines() if line.strip()]
            assert len(lines) <= 1, f"{name}: {lines}"
            for line in lines:
                assert ALLOWED_COMMANDS.match(_inner(line)), f"{name}: {line}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_each_command_exists_with_its_options(path: Path) -> None:
    lines = [_inner(line) for _, job in jobs(path) for line in commands(job)]
    for line in [line for line in lines if line.startswith("scripts/snu ")]:
        command: Any = complete_group()
        _, *words = shlex.split(re.sub(r"\$\w+", "7", line.partition(" ||")[0]), comments=True)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(line, words)


@pytest.mark.parametrize("workflow", ["release", "hotfix", "rollback"])
def test_a_release_begins_with_what_it_needs(workflow: str) -> None:
    """Before anything is built, copied, pushed or deployed; what runs before it only tests."""
    for _, job in jobs(ROOT / f".github/workflows/{workflow}.yml"):
        if "uses" not in job:
            assert commands(job)[0].startswith("scripts/snu doctor ")
            assert commands(job)[0].endswith(' --repo "$GITHUB_REPOSITORY"')
            return


def groups() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Workflow, job (empty for all of its jobs), and the concurrency group."""
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        for name, part in (("", workflow), *workflow["jobs"].items()):
            if "concurrency" in part:
                yield path.stem, name, part["concurrency"]


def test_no_group_is_held_while_somebody_decides() -> None:
    """A job that waits for a reviewer has its group already, and an emergency would wait behind it."""
    grouped = {workflow for workflow, _, _ in groups()}
    for path in WORKFLOWS:
        named = {environment_of(job) for _, job in jobs(path)}
        if named & {"ci", "stage", "production-plan", "production"}:
            assert path.stem not in grouped


def test_a_group_belongs_to_one_job() -> None:
    """GitHub cancels a job that waits for its group when another one comes: that one must do the same work."""
    names = [re.sub(r"\$\{\{.*?\}\}", "*", group["group"]) for _, _, group in groups()]
    assert len(names) == len({*names})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_changes_a_cloud_is_never_cancelled(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    for name, job in workflow["jobs"].items():
        if any(APPLYING.search(line) for line in commands(job)):
            group = job.get("concurrency") or workflow.get("concurrency") or {}
            assert not group.get("cancel-in-progress"), f"{path.name}: {name}"


def test_what_is_deployed_was_tested() -> None:
    """Images and stacks are changed by commits that all tests have passed; a rollback is to one that had."""
    for workflow, deploying in (("deploy-ci", "deploy"), ("release", "stage"), ("hotfix", "stage")):
        found = dict(jobs(ROOT / f".github/workflows/{workflow}.yml"))
        needed = found[found[deploying]["needs"]]
        assert needed.get("uses") == "./.github/workflows/tests.yml" or ".ci/run" in commands(needed)
        others = {name: job for name, job in found.items() if name not in (found[deploying]["needs"], deploying)}
        assert all("needs" in job for job in others.values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_secrets_are_given_to_steps_of_jobs_with_a_github_environment_only(path: Path) -> None:
    assert not SECRET.search(str(yaml.safe_load(path.read_text()).get("env", "")))
    for name, job in jobs(path):
        assert not SECRET.search(str(job.get("env", ""))), f"{name}: a secret for all of its steps"
        if any(SECRET.search(str(step)) for step in job.get("steps", [])):
            assert job.get("environment"), f"{name}: secrets of the whole repository"


def test_a_deployment_on_github_is_a_deployment_with_an_address() -> None:
    """GitHub lists each job with an environment as a deployment unless told otherwise; a plan or preview is none."""
    for path in WORKFLOWS:
        for name, job in jobs(path):
            environment = job.get("environment") or {"deployment": False}
            lists = isinstance(environment, str) or environment.get("deployment", True)
            applies = any(re.match(r"scripts/snu (up|apply) ", line) for line in commands(job))
            assert lists == applies, f"{path.name}: {name}"
            if lists:
                assert environment["url"] == "${{ steps.url.outputs.url }}"
                assert f"scripts/snu outputs {environment['name']} urls.app" in map(_inner, commands(job))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_only_jobs_of_preview_environments_may_write_deployments(path: Path) -> None:
    for _, job in jobs(path):
        reports = any(re.match(r"scripts/snu env (up|down|sweep)\b", line) for line in commands(job))
        assert (job.get("permissions", {}).get("deployments") == "write") == reports


def test_each_release_gets_its_notes() -> None:
    """After its tag is pushed; a failure does not fail a job whose deployment has succeeded."""
    for workflow in ("release", "hotfix", "rollback"):
        for name, job in jobs(ROOT / f".github/workflows/{workflow}.yml"):
            steps = [step for step in job.get("steps", []) if "run" in step]
            for published, following in itertools.pairwise(steps):
                if published["run"].startswith("scripts/snu release publish "):
                    stack = published["run"].split()[3]
                    assert following["run"].startswith(f"scripts/snu release notes {stack} "), f"{workflow}: {name}"
                    assert following["continue-on-error"] is True
