"""A run of a workflow is about one commit: a push meanwhile changes nothing that a later job checks out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.environment import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
_OF_THE_EVENT = ("", "${{ github.sha }}")
_OF_A_JOB = re.compile(r"\$\{\{ needs\.([\w-]+)\.outputs\.commit \}\}")
_NOTES_COMMIT = {"id": "head", "run": 'echo "commit=$(git rev-parse HEAD)" >> "$GITHUB_OUTPUT"'}


def moving(workflow: dict[str, Any]) -> Iterator[str]:
    """The jobs that do not check out a commit that is fixed by the event or by an earlier job.

    The first job may check out the newest commit of a branch, where all others use the commit that it has found.
    """
    jobs = {name: job for name, job in workflow["jobs"].items() if "steps" in job}
    starts = [name for name, job in jobs.items() if "needs" not in job]
    fixed: tuple[str, ...] = _OF_THE_EVENT
    if len(starts) == 1 and set(_refs(jobs[starts[0]])) - set(_OF_THE_EVENT):
        fixed = ()
        del jobs[starts[0]]
    for name, job in jobs.items():
        if not all(ref in fixed or _is_of_a_job(ref, job, workflow) for ref in _refs(job)):
            yield name


def _refs(job: dict[str, Any]) -> list[str]:
    used = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    return [step.get("with", {}).get("ref", "") for step in used]


def _is_of_a_job(ref: str, job: dict[str, Any], workflow: dict[str, Any]) -> bool:
    found = _OF_A_JOB.fullmatch(ref)
    needs = job.get("needs", [])
    if found is None or found[1] not in ([needs] if isinstance(needs, str) else needs):
        return False
    source = workflow["jobs"][found[1]]
    return (
        source.get("outputs", {}).get("commit") == "${{ steps.head.outputs.commit }}"
        and _NOTES_COMMIT in source["steps"]
    )


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_each_job_checks_out_the_commit_of_the_run(path: Any) -> None:
    assert list(moving(yaml.safe_load(path.read_text()))) == []


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("", "", []),
        ("", "${{ github.sha }}", []),
        ("", "${{ github.ref }}", ["second"]),
        ("", "main", ["second"]),
        ("", "${{ needs.first.outputs.commit }}", []),
        ("", "${{ needs.first.outputs.other }}", ["second"]),
        ("main", "${{ needs.first.outputs.commit }}", []),
        ("main", "main", ["second"]),
        ("main", "", ["second"]),
    ],
)
def test_a_moving_commit_is_found(first: str, second: str, found: list[str]) -> None:
    checkouts = [{"uses": "actions/checkout@v5", **({"with": {"ref": ref}} if ref else {})} for ref in (first, second)]
    outputs = {"commit": "${{ steps.head.outputs.commit }}"}
    jobs: dict[str, dict[str, Any]] = {
        "first": {"outputs": outputs, "steps": [checkouts[0], _NOTES_COMMIT]},
        "second": {"needs": "first", "steps": [checkouts[1]]},
        "called": {"uses": "./.github/workflows/tests.yml"},
    }
    assert list(moving({"jobs": jobs})) == found
    del jobs["first"]["steps"][1:]
    assert bool(list(moving({"jobs": jobs}))) == (bool(found) or "commit" in second)
