"""The live stack moves in: not one request writes, and what differs afterwards is what was accepted."""

from __future__ import annotations

import json
from typing import Any

import yaml

from ops.exit_codes import ExitCode
from tests.adoption.lab import LiveLab, Run
from tests.flows.lab import check_state

_CONTAINERS = ("api", "admin", "app", "tasks", "apiv2", "tasksv2", "antivirus")


def _steps(live: LiveLab, stack: str) -> dict[str, str]:
    """By name, what a preview would do with each resource that has something in the cloud."""
    run = live.lab.project.snu("preview", stack, "--engine", "embedded", "--json")
    assert run.returncode == 0, run.stdout + run.stderr
    steps: list[dict[str, Any]] = json.loads(run.stdout).get("steps", [])
    return {
        step["urn"].rpartition("::")[2]: step["op"]
        for step in steps
        if step["op"] != "read" and (step.get("newState") or step.get("oldState") or {}).get("custom")
    }


def _ids(live: LiveLab, stack: str) -> dict[str, str]:
    resources = live.lab.state(stack)["resources"]
    return {
        each["urn"].rpartition("::")[2]: each["id"]
        for each in resources
        if each["custom"] and each["type"].startswith("scaleway:")
    }


def _refused(run: Run, *says: str) -> None:
    text = run.stdout + run.stderr
    assert run.returncode == ExitCode.NOT_ACCEPTED, text
    for words in says:
        assert words in text, text
    assert "Traceback" not in text


def test_production_moves_in(founded_live: LiveLab) -> None:
    live, stack = founded_live, "production"
    sources = live.sources("production")
    written = live.lab.journal()
    accepted = live.accept_all(stack, *sources)
    assert not live.lab.state_file(stack).exists()
    run = live.adopt(stack, *sources, "--accept", str(accepted), "--yes")
    assert run.returncode == 0, run.stdout + run.stderr
    assert live.lab.journal() == written
    attributes = {
        (resource["type"], instance["attributes"]["id"])
        for resource in json.loads((live.states / "production.tfstate").read_text())["resources"]
        for instance in resource["instances"]
    }
    ids = _ids(live, stack)
    assert {name for name in ids if name.endswith("-container")} == {f"{name}-container" for name in _CONTAINERS}
    assert len(ids) == 14
    assert {id_ for _, id_ in attributes} >= set(ids.values())
    check_state(live.lab, stack)
    steps = _steps(live, stack)
    assert set(steps.values()) <= {"update", "create"}
    entries = yaml.safe_load(accepted.read_text())
    assert {entry["resource"] for entry in entries} == steps.keys()
    assert live.lab.journal() == written


def test_again_and_the_way_back(founded_live: LiveLab) -> None:
    live, stack = founded_live, "production"
    sources = live.sources("production")
    live.adopt_ok(stack, *sources)
    content = live.lab.state_file(stack).read_bytes()
    again = live.adopt(stack, *sources, "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "nothing is left to adopt" in again.stdout
    assert live.lab.state_file(stack).read_bytes() == content
    back = live.adopt(stack, "--undo", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert not live.lab.state_file(stack).exists()
    live.adopt_ok(stack, *sources)


def test_what_came_after_is_not_undone(founded_live: LiveLab) -> None:
    live, stack = founded_live, "production"
    live.adopt_ok(stack, *live.sources("production"))
    live.lab.up_ok(stack)
    steps = _steps(live, stack)
    assert not steps, steps
    back = live.adopt(stack, "--undo", "--yes")
    assert back.returncode == ExitCode.REFUSED, back.stdout + back.stderr
    assert len(_ids(live, stack)) == 14
