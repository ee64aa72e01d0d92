"""A state that one engine wrote is taken over by the other without a change, secrets included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pulumi_state.values import unwrap
from tests.e2e.described import BAD_NAME, REPLACES, STACK, UPDATES, Lab, changed, every_type
from tests.support.pulumi_cli import Driver, needs_pulumi

pytestmark = needs_pulumi


@pytest.fixture
def lab(tmp_path: Path, pulumi_home: Path) -> Iterator[Lab]:
    made = Lab.make(tmp_path / "project", pulumi_home)
    with made.cloud():
        yield made


def _both(lab: Lab, first: str) -> tuple[Driver, Driver]:
    """The engine that writes the state, and the one that takes it over."""
    return (lab.cli, lab.embedded) if first == "pulumi" else (lab.embedded, lab.cli)


def _assert_same_outputs(lab: Lab) -> None:
    outputs = lab.cli.outputs(STACK)
    assert unwrap(lab.embedded.outputs(STACK)) == outputs
    assert outputs["secretKey"]
    assert outputs["login"].endswith(outputs["secretKey"])


@pytest.mark.parametrize("first", ["pulumi", "embedded"])
def test_takeover(lab: Lab, first: str) -> None:
    """After a first up, after an update, and after replacements."""
    writer, reader = _both(lab, first)
    program = every_type()
    for step, after in {
        "up": program,
        "update": changed(program, UPDATES),
        "replace": changed(changed(program, UPDATES), REPLACES),
    }.items():
        lab.write(after)
        done = writer.up(STACK)
        assert done.ok, f"{step}: {done.text}"
        seen = reader.preview(STACK)
        assert seen.ok, f"{step}: {seen.text}"
        assert [str(each) for each in seen.changed] == [], step
        _assert_same_outputs(lab)
    refreshed = reader.refresh(STACK)
    assert refreshed.ok, refreshed.text
    assert set(refreshed.changes) == {"same"}, refreshed.changes
    for engine in (reader, writer):
        again = engine.preview(STACK)
        assert again.ok, again.text
        assert again.changed == [], engine.name
    _assert_same_outputs(lab)


def test_plans_on_a_state_of_the_embedded_engine(lab: Lab) -> None:
    """What it leaves in the state makes the real engine plan changes as on a state of its own."""
    program = every_type()
    lab.write(program)
    assert lab.embedded.up(STACK).ok
    for changes in (UPDATES, REPLACES):
        lab.write(changed(program, changes))
        plans = [engine.preview(STACK) for engine in (lab.cli, lab.embedded)]
        assert plans[0].changed
        assert plans[0].steps_by_urn() == plans[1].steps_by_urn()


@pytest.mark.parametrize("first", ["pulumi", "embedded"])
def test_takeover_half_way(lab: Lab, first: str) -> None:
    """The one engine deleted a resource and its dependents and could not create it again: the other one continues."""
    writer, reader = _both(lab, first)
    program = every_type()
    lab.write(program)
    assert writer.up(STACK).ok
    broken = program.copy()
    broken.args("namespace", name=BAD_NAME)
    lab.write(broken)
    failed = writer.up(STACK)
    assert not failed.ok
    resources = lab.cli.export(STACK)["deployment"]["resources"]
    pending = {each["urn"].rpartition("::")[2] for each in resources if each.get("pendingReplacement")}
    assert {"namespace", "container", "host"} <= pending
    lab.write(program)
    plans = [engine.preview(STACK) for engine in (writer, reader)]
    assert plans[0].steps_by_urn() == plans[1].steps_by_urn()
    done = reader.up(STACK)
    assert done.ok, done.text
    for engine in (writer, reader):
        again = engine.preview(STACK)
        assert again.ok, again.text
        assert again.changed == [], engine.name
    resources = lab.cli.export(STACK)["deployment"]["resources"]
    assert not [each for each in resources if each.get("pendingReplacement") or each.get("delete")]
    ended = writer.destroy(STACK)
    assert ended.ok, ended.text
