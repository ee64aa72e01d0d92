"""No code of a pull request runs where a key of stage, production or a foundation can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from ops.doctor.repository import PROTECTED_BRANCHES
from tests.support.environment import ROOT
from tests.support.reach import OPEN_TO_PULL_REQUESTS, estate
from tests.support.workflow import WORKFLOWS, read

STACKS = ("foundation-ci", "ci", "foundation-stage", "stage", "foundation-production", "production")
_STACK = re.compile(r"\$\{\{ matrix\.stack \}\}")


def is_trusted(event: str, filters: dict[str, Any] | None) -> bool:
    """Whether this event only ever runs reviewed code, or is started by somebody who may write."""
    if event == "push":
        filters = filters or {}
        return set(filters) == {"branches"} and set(filters["branches"]) <= PROTECTED_BRANCHES
    return event in ("schedule", "workflow_dispatch")


def environment_of(job: dict[str, Any]) -> str:
    environment = job.get("environment") or ""
    return environment["name"] if isinstance(environment, dict) else environment


def exposed(workflow: dict[str, Any]) -> Iterator[str]:
    """The jobs that a pull request can start and that could read a key of more than ci."""
    if all(is_trusted(event, filters) for event, filters in workflow["on"].items()):
        return
    for name, job in workflow["jobs"].items():
        # A called workflow has environments of its own.
        if "uses" in job or environment_of(job) not in {"", *OPEN_TO_PULL_REQUESTS}:
            yield name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_job_of_a_pull_request_reaches_a_key_of_more_than_ci(path: Any) -> None:
    assert list(exposed(read(path.read_text()))) == []


@pytest.mark.parametrize(
    "events",
    [
        "pull_request",
        "pull_request_target",
        "[schedule, pull_request_review]",
        "{pull_request: {types: [opened]}}",
        "{workflow_run: {workflows: [Pull request]}}",
        "{workflow_call: }",
        "issue_comment",
        "merge_group",
        "push",
        "{push: {branches: [main, 'feature/**']}}",
        "{push: {branches: [main], tags: ['*']}}",
        "{push: {branches-ignore: [main]}}",
    ],
)
@pytest.mark.parametrize(
    "job",
    [
        "{environment: production}",
        "{environment: {name: preview-stage, deployment: false}}",
        "{environment: {name: preview-foundation-ci}}",
        "{environment: {name: 'preview-${{ matrix.stack }}'}}",
        "{environment: ci}",
        "{uses: ./.github/workflows/release.yml, secrets: inherit}",
    ],
)
def test_such_a_job_is_found(events: str, job: str) -> None:
    workflow = f"{{on: {events}, jobs: {{harmless: {{}}, preview: {{environment: preview-ci}}, bad: {job}}}}}"
    assert list(exposed(read(workflow))) == ["bad"]


def documented() -> dict[str, str]:
    """The rules of each GitHub environment in docs/how-to/github.md."""
    settings = (ROOT / "docs/how-to/github.md").read_text()
    rows = re.findall(r"^\| (`.+?) \|.*\| (.+?) \|$", settings, re.MULTILINE)
    return {name: rules for names, rules in rows for name in re.findall("`(.+?)`", names)}


def used_environments() -> set[str]:
    used = {
        _STACK.sub(stack, environment_of(job))
        for path in WORKFLOWS
        for job in read(path.read_text())["jobs"].values()
        for stack in STACKS
    }
    return used - {""}


def test_snu_keys_knows_whose_key_each_environment_has() -> None:
    assert used_environments() == {name for holder in estate().holders.values() for name in holder.github}


def test_each_environment_is_documented_with_the_branches_that_may_use_it() -> None:
    """The rule of branches is what stops a pull request that edits a workflow; no file can hold it."""
    used = used_environments()
    rules = documented()
    assert used == rules.keys()
    for name in used - OPEN_TO_PULL_REQUESTS:
        branches = set(re.findall("`(.+?)`", rules[name].partition(".")[0]))
        assert branches, f"{name}: {rules[name]}"
        assert branches <= PROTECTED_BRANCHES, f"{name}: {rules[name]}"
