"""An update that is held to a saved plan does what is in it, and stops before anything else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.deployment import Context
from engine.events import Events
from engine.update_plan import Constraint, Plan, PlanError, read_plan, salt_of
from pulumi_state.errors import PulumiError
from pulumi_state.passphrase import Crypter
from pulumi_state.snapshot import Snapshot
from pulumi_state.values import Secret
from tests.engine.lab import EXCLUSIVE, Lab, Res, Run


class PlannedLab(Lab):
    """A lab whose previews save plans, in a file, and whose updates can be held to them."""

    recorded_plan: Plan | None = None
    constraint: Constraint | None = None

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.plan_file = folder / "plan.json"

    def context(self, events: Events, previous: Snapshot, **options: Any) -> Context:
        context = super().context(events, previous, **options)
        return replace(context, recorded_plan=self.recorded_plan, constraint=self.constraint)

    def plan(self, *program: Res) -> Run:
        self.recorded_plan = Plan()
        run = self.preview(*program)
        self.recorded_plan.write(self.plan_file, self.crypter)
        self.recorded_plan = None
        return run

    def apply(self, *program: Res) -> Run:
        self.constraint = Constraint(read_plan(self.plan_file, self.crypter))
        try:
            return self.up(*program)
        finally:
            self.constraint = None


@pytest.fixture
def lab(tmp_path: Path) -> PlannedLab:
    return PlannedLab(tmp_path)


def assert_stopped(run: Run, says: str) -> None:
    assert not run.ok
    assert says in "\n".join(run.errors())


def test_what_is_planned_is_done(lab: PlannedLab) -> None:
    lab.up(Res("kept"), Res("changed", {"x": 1}), Res("replaced", {"r": 1}, type=EXCLUSIVE), Res("gone"))
    after = [
        Res("kept"),
        Res("changed", {"x": 2}),
        Res("replaced", {"r": 2}, type=EXCLUSIVE),
        Res("new", refs=["replaced"]),
    ]
    planned = lab.plan(*after)
    done = lab.apply(*after)
    assert done.ok, done.errors()
    assert sorted(done.steps()) == sorted(planned.steps())
    assert done.changes == planned.changes


def test_another_operation_stops_before_it(lab: PlannedLab) -> None:
    lab.up(Res("a", {"x": 1}))
    lab.plan(Res("a", {"x": 1}))
    calls = list(lab.cloud.calls)
    assert_stopped(lab.apply(Res("a", {"x": 2})), "update of a is not allowed by the plan: planned: same")
    assert lab.cloud.calls == calls


def test_a_resource_that_was_not_planned_stops(lab: PlannedLab) -> None:
    lab.plan(Res("a"))
    assert_stopped(lab.apply(Res("a"), Res("b", after=["a"])), "create of b is not allowed by the plan")
    assert lab.cloud.calls == ["create a"]


def test_another_value_stops(lab: PlannedLab) -> None:
    lab.up(Res("a", {"x": 1}))
    lab.plan(Res("a", {"x": 2}))
    assert_stopped(lab.apply(Res("a", {"x": 3})), "these values differ: x")


def test_another_secret_value_stops_without_showing_it(lab: PlannedLab) -> None:
    lab.plan(Res("a", {"x": Secret("planned-secret")}))
    run = lab.apply(Res("a", {"x": Secret("other-secret")}))
    assert_stopped(run, "these values differ: x")
    assert "secret" not in "\n".join(run.errors())
    lab.plan(Res("a", {"x": Secret("planned-secret")}))
    assert lab.apply(Res("a", {"x": Secret("planned-secret")})).ok


def test_what_the_preview_could_not_know_may_be_anything(lab: PlannedLab) -> None:
    program = [Res("a"), Res("b", refs=["a"])]
    lab.plan(*program)
    assert lab.apply(*program).ok


def test_an_omitted_resource_stops_before_it_is_deleted(lab: PlannedLab) -> None:
    lab.up(Res("a"), Res("b"))
    lab.plan(Res("a"), Res("b"))
    assert_stopped(lab.apply(Res("a")), "the plan contains operations on b that the program did not request")
    assert "delete b" not in lab.cloud.calls


def test_another_resource_id_stops(lab: PlannedLab) -> None:
    lab.up(Res("a", {"x": 1}))
    lab.plan(Res("a", {"x": 2}))
    lab.up()
    lab.up(Res("a", {"x": 1}))
    assert_stopped(lab.apply(Res("a", {"x": 2})), "found resource ID")


def test_no_secret_is_in_the_file(lab: PlannedLab) -> None:
    lab.plan(Res("a", {"x": Secret("planned-secret"), "y": "readable"}))
    text = lab.plan_file.read_text()
    assert "readable" in text
    assert "planned-secret" not in text
    assert lab.plan_file.stat().st_mode & 0o077 == 0
    assert salt_of(lab.plan_file) == lab.crypter.salt
    with pytest.raises(PulumiError, match="cannot be decrypted"):
        read_plan(lab.plan_file, Crypter(b"1" * 32, lab.crypter.salt))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not a plan"),
        ("[]", "is not an embedded-engine plan"),
        (json.dumps({"manifest": {}, "resourcePlans": {}}), "is a Pulumi CLI plan"),
        (json.dumps({"format": "embedded-engine-plan", "version": 2, "resources": {}}), "version 1"),
    ],
)
def test_other_files_are_rejected(lab: PlannedLab, content: str, says: str) -> None:
    lab.plan_file.write_text(content)
    with pytest.raises(PlanError, match=says):
        salt_of(lab.plan_file)
    with pytest.raises(PlanError, match=says):
        read_plan(lab.plan_file, lab.crypter)
