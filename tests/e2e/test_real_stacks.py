"""Every stack of the project, with the real CLI and the real provider on the local Scaleway, from up to destroy."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.provider import KNOWN_TYPES
from tests.e2e.described import REPLACES, STACK, UPDATES, Lab, changed, every_type
from tests.lab.interruption import census
from tests.lab.stacks import GROUPS, PREVIEW, Change, Stacks, new_host, new_image, new_retention, unprotect
from tests.support.environment import ROOT
from tests.support.pulumi_cli import Run, needs_pulumi


def _assert_clean(run: Run, what: str) -> None:
    """It succeeded, and nothing deprecated was reported."""
    assert run.ok, f"{what}:\n{run.text}"
    assert "deprecat" not in run.text.lower(), f"{what}:\n{run.text}"


def _first_up(stacks: Stacks, stack: str) -> None:
    _assert_clean(stacks.cli.up(stack), f"up of {stack}")
    _assert_settled(stacks, stack)
    _assert_clean(stacks.cli.refresh(stack, "--expect-no-changes"), f"refresh of {stack}")


def _assert_settled(stacks: Stacks, stack: str) -> None:
    _assert_clean(stacks.cli.preview(stack, "--expect-no-changes", "--diff"), f"preview of {stack}")


def _change(stacks: Stacks, stack: str, change: Change, *operations: str) -> None:
    """Edit the stack's settings and bring them about, with the given operations among what is done."""
    stacks.edit(stack, change)
    done = stacks.cli.up(stack)
    _assert_clean(done, f"change of {stack}")
    assert set(operations) <= done.changes.keys(), done.changes
    _assert_settled(stacks, stack)


def _end(stacks: Stacks, stack: str) -> None:
    stacks.edit(stack, unprotect)
    _assert_clean(stacks.cli.up(stack), f"unprotection of {stack}")
    _assert_clean(stacks.cli.destroy(stack), f"destroy of {stack}")


@needs_pulumi
@pytest.mark.parametrize("foundation", GROUPS)
def test_life_of_stacks(foundation: str, tmp_path: Path, pulumi_home: Path) -> None:
    stacks = Stacks.make(foundation, tmp_path / "project", pulumi_home)
    environments = GROUPS[foundation]
    with stacks.cloud():
        stacks.prepare(foundation)
        at_first = census(stacks)
        _first_up(stacks, foundation)
        stacks.fill_secrets(foundation)
        for stack in environments:
            _first_up(stacks, stack)
            _change(stacks, stack, new_image, "update")
            _change(stacks, stack, new_host, "replace")
        _change(stacks, foundation, new_retention, "update")
        for stack in [*reversed(environments), foundation]:
            _end(stacks, stack)
        assert census(stacks) == at_first


@needs_pulumi
def test_each_type(tmp_path: Path, pulumi_home: Path) -> None:
    """Each resource type is made, changed in place and replaced where it can be, and deleted; nothing stays to do."""
    lab = Lab.make(tmp_path / "project", pulumi_home)
    program = every_type()
    types = {name: described["type"] for name, described in program.resources.items()}
    with lab.cloud():
        at_first = census(lab)
        for changes, operation in (({}, "create"), (UPDATES, "update"), (REPLACES, "replace")):
            program = changed(program, changes)
            lab.write(program)
            done = lab.cli.up(STACK)
            _assert_clean(done, operation)
            met = {urn.rpartition("::")[2]: {step.op for step in steps} for urn, steps in done.steps_by_urn().items()}
            assert [f"{types[name]} {name}" for name in changes or types if operation not in met[name]] == []
            for check in (lab.cli.preview, lab.cli.refresh):
                settled = check(STACK, "--expect-no-changes", "--diff")
                _assert_clean(settled, f"after {operation}")
        ended = lab.cli.destroy(STACK)
        assert ended.ok, ended.text
        assert census(lab) == at_first


def test_types_are_those_that_the_embedded_engine_knows() -> None:
    """The program of each type leaves none out."""
    described = {each["type"].lower() for each in every_type().resources.values() if each["type"] != "group"}
    known = {token.split(":")[1].split("/")[0] + "." + token.rpartition(":")[2] for token in KNOWN_TYPES}
    assert {each.lower() for each in known} == described


def test_every_stack_of_the_project_is_met() -> None:
    """`dev` is met in `test_app_image.py`, with Docker."""
    stacks = {path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml")} - {"preview", PREVIEW, "dev"}
    assert stacks == {*GROUPS, *(stack for group in GROUPS.values() for stack in group)} - {PREVIEW}
