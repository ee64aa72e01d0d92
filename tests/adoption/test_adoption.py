"""Adoption of the live stack: no request writes, and only accepted differences remain."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from ops.exit_codes import ExitCode
from tests.adoption.lab import LiveLab
from tests.lab.checks import check_state
from tests.lab.interruption import Hold, Victim
from tests.lab.lab import Run

pytestmark = pytest.mark.xdist_group("adoption")  # one worker makes their lab

_CONTAINERS = ("api", "admin", "app", "tasks", "apiv2", "tasksv2", "antivirus")


def _steps(live: LiveLab, stack: str) -> dict[str, str]:
    """The previewed operation of each cloud resource, by name."""
    run = live.lab.project.snu("preview", stack, "--engine", "embedded", "--json")
    assert run.returncode == 0, run.stdout + run.stderr
    steps: list[dict[str, Any]] = json.loads(run.stdout).get("steps", [])
    return {
        step["urn"].rpartition("::")[2]: step["op"]
        for step in steps
        if step["op"] not in ("read", "refresh") and (step.get("newState") or step.get("oldState") or {}).get("custom")
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


def test_production_is_adopted(founded_live: LiveLab) -> None:
    live, stack = founded_live, "production"
    sources = live.sources("production")
    written = live.lab.journal()
    accepted = live.accept_all(stack, *sources)
    assert not live.lab.state_file(stack).exists()
    run = live.adopt(stack, *sources, "--accept", str(accepted), "--yes")
    assert run.returncode == 0, run.stdout + run.stderr
    assert live.lab.journal() == written
    for text in (run.stdout, accepted.read_text(), live.lab.state_file(stack).read_text()):
        assert "fake-" not in text
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
    (antivirus,) = [entry["changes"] for entry in entries if entry["resource"] == "antivirus-container"]
    assert {*antivirus} == {"image", "minScale", "startupProbe"}, "of the defaults, only a startup probe is new"
    assert live.lab.journal() == written


def test_a_second_adoption_and_undo(founded_live: LiveLab) -> None:
    live, stack = founded_live, "production"
    sources = live.sources("production")
    live.adopt_ok(stack, *sources)
    content = live.lab.state_file(stack).read_bytes()
    again = live.adopt(stack, *sources, "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "nothing left to adopt" in again.stdout
    assert live.lab.state_file(stack).read_bytes() == content
    history = live.lab.project.snu("state", "history", stack)
    assert "resource-import" in history.stdout
    assert "14 import" in history.stdout
    back = live.adopt(stack, "--undo", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert not live.lab.state_file(stack).exists()
    twice = live.adopt(stack, "--undo", "--yes")
    assert twice.returncode == ExitCode.USAGE
    assert "has no adoption to undo" in twice.stderr


def test_after_the_first_up_there_are_no_differences(founded_live: LiveLab) -> None:
    """An adoption followed by changes cannot be undone."""
    live, stack = founded_live, "production"
    before = live.lab.resources("containers.container")
    live.adopt_ok(stack, *live.sources("production"))
    live.lab.up_ok(stack)
    assert not _steps(live, stack)
    after = live.lab.resources("containers.container")
    assert {each["id"]: each["name"] for each in after} == {each["id"]: each["name"] for each in before}
    back = live.adopt(stack, "--undo", "--yes")
    assert back.returncode == ExitCode.REFUSED, back.stdout + back.stderr
    assert len(_ids(live, stack)) == 15  # with the job of the crash alerts, which was not live


def test_two_states_for_one_stack(live: LiveLab) -> None:
    """The foundation has the secrets of both environments, which Terraform keeps in separate states."""
    stack = "foundation-production"
    written = live.lab.journal()
    live.adopt_ok(stack, *live.sources("production"))
    first = live.lab.state(stack)["resources"]
    run = live.adopt_ok(stack, *live.sources("production", "staging"))  # what was missing
    assert _ids(live, stack).keys() >= {"production-secrets-secret", "staging-secrets-secret"}
    assert "scaleway_container.api  declared by stage" in run.stdout
    back = live.adopt(stack, "--undo", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert live.lab.state(stack)["resources"] == first
    assert live.lab.journal() == written


def test_ci_is_adopted_with_its_zone(live: LiveLab) -> None:
    for stack in ("foundation-ci", "ci"):
        written = live.lab.journal()
        live.adopt_ok(stack, *live.sources("ci"))
        assert live.lab.journal() == written
        assert set(_steps(live, stack).values()) <= {"update", "create"}
        live.lab.up_ok(stack)
        assert not _steps(live, stack)
    assert {"api-record", "api-domain", "tasks-container"} <= _ids(live, "ci").keys()


# --- what is refused --------------------------------------------------------------------------------------


def test_without_all_acceptances_nothing_is_written(live: LiveLab) -> None:
    stack, sources = "foundation-production", live.sources("production", "staging")
    accepted = live.accept_all(stack, *sources)
    entries = yaml.safe_load(accepted.read_text())
    accepted.write_text(yaml.safe_dump(entries[1:]))
    missing = entries[0]
    _refused(live.adopt(stack, *sources, "--accept", str(accepted), "--yes"), missing["resource"], *missing["changes"])
    unused = {"resource": "production-deploy-application", "changes": ["name"], "reason": "none"}
    accepted.write_text(yaml.safe_dump([*entries, unused]))
    _refused(live.adopt(stack, *sources, "--accept", str(accepted), "--yes"), "production-deploy-application: name")
    assert not live.lab.state_file(stack).exists()


def test_replacements_are_never_accepted(founded_live: LiveLab) -> None:
    live, stack = founded_live, "production"
    apps = live.config(stack, "apps")
    apps["admin"]["host"], apps["app"]["host"] = apps["app"]["host"], apps["admin"]["host"]
    live.edit(stack, apps=apps)
    run = live.adopt(stack, *live.sources("production"), "--yes")
    _refused(run, "admin-domain (scaleway:containers:Domain): replace", "would be replaced or deleted")
    assert not live.lab.state_file(stack).exists()


def test_an_environment_whose_foundation_is_not_up(live: LiveLab) -> None:
    run = live.adopt("production", *live.sources("production"), "--yes")
    assert run.returncode == ExitCode.FAILED, run.stdout + run.stderr
    assert "foundation-production" in run.stderr
    assert "Traceback" not in run.stderr


def test_an_outdated_state(live: LiveLab) -> None:
    stack, sources = "foundation-production", live.sources("production", "staging")
    file = live.states / "production.tfstate"
    text = file.read_text()
    registry = next(each for each in live.lab.resources("registry.namespace") if each["name"] == "snu-production")
    other = "00000000-0000-4000-8000-000000000000"
    file.write_text(text.replace(registry["id"], other))
    try:
        gone = live.adopt(stack, *sources, "--yes")
        assert gone.returncode == ExitCode.FAILED, gone.stdout + gone.stderr
        assert "production-registry-namespace" in gone.stderr
        assert "Terraform's state is out of date" in gone.stderr
        file.write_text(text)
        live.adopt_ok(stack, *sources)
        content = live.lab.state_file(stack).read_bytes()
        file.write_text(text.replace(registry["id"], other))
        two = live.adopt(stack, *sources, "--yes")
        assert two.returncode == ExitCode.FAILED, two.stdout + two.stderr
        assert "two objects with the same name" in two.stderr
        assert live.lab.state_file(stack).read_bytes() == content
    finally:
        file.write_text(text)


def test_a_killed_run_has_changed_nothing(live: LiveLab) -> None:
    stack, sources = "foundation-production", live.sources("production", "staging")
    accepted = live.accept_all(stack, *sources)
    hold = Hold.after(10, live.lab, method="GET")
    victim = Victim.start(
        live.lab, "adopt", stack, *sources, "--accept", str(accepted), "--yes", "--engine", "embedded"
    )
    hold.await_request(victim)
    victim.kill()
    live.lab.clear_faults()
    assert not live.lab.state_file(stack).exists()
    again = live.adopt(stack, *sources, "--accept", str(accepted), "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
