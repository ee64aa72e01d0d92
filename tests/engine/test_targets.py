"""Updates of some resources only. What is expected here is what the Pulumi CLI 3.259.0 did in the same situations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.lab import GROUP, PROJECT, STACK, THING, Lab, Res, exclusive, group


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def urn(name: str, type_: str = THING) -> str:
    return f"urn:pulumi:{STACK}::{PROJECT}::{type_}::{name}"


A, B, D = urn("a"), urn("b"), urn("d", f"{GROUP}${THING}")
C = urn("c", GROUP)


def labels(lab: Lab) -> dict[str, object]:
    return {name: resource.inputs.get("label") for name, resource in lab.state().items()}


def program(label: str, names: str = "abcd") -> list[Res]:
    """``b`` refers to ``a`` if the program has it; ``d`` is in the component ``c``."""
    resources = [
        Res("a", {"label": label}),
        Res("b", {"label": label}, refs=["a"] if "a" in names else []),
        group("c", outputs={}),
        Res("d", {"label": label}, parent="c"),
    ]
    return [each for each in resources if each.name in names]


def test_only_targets_change(lab: Lab) -> None:
    lab.up(*program("one"))
    preview = lab.preview(*program("two"), targets=[A])
    run = lab.up(*program("two"), targets=[A])
    for each in (preview, run):
        assert each.ok
        assert each.steps() == ["update a"]
        assert each.changes == {"update": 1, "same": 3}
    assert labels(lab) == {"a": "two", "b": "one", "c": None, "d": "one"}
    assert sorted(lab.up(*program("two")).steps()) == ["update b", "update d"]


def test_new_resources_that_are_not_targets_are_left_out(lab: Lab) -> None:
    run = lab.up(*program("one"), targets=[A])
    assert run.ok
    assert run.changes == {"create": 1, "same": 3}
    assert labels(lab) == {"a": "one"}
    assert lab.up(*program("one")).changes == {"create": 3, "same": 1}


@pytest.mark.parametrize(("target", "missing"), [(B, A), (D, C)])
def test_a_target_that_needs_a_new_resource(lab: Lab, target: str, missing: str) -> None:
    expected = f"Resource '{target}' depends on '{missing}' which was was not specified in --target list."
    for run in (lab.preview(*program("one"), targets=[target]), lab.up(*program("one"), targets=[target])):
        assert not run.ok
        assert run.errors() == [expected]
    assert labels(lab) == {}


def test_only_targets_are_deleted(lab: Lab) -> None:
    lab.up(*program("one"))
    run = lab.up(*program("two", "acd"), targets=[B])
    assert run.steps() == ["delete b"]
    run = lab.up(*program("two", "ac"), targets=[A])
    assert run.steps() == ["update a"]
    assert run.changes == {"update": 1, "same": 2}
    assert labels(lab) == {"a": "two", "c": None, "d": "one"}


def test_a_deletion_that_another_one_would_have_to_precede(lab: Lab) -> None:
    lab.up(*program("one"))
    run = lab.up(*program("one", "cd"), targets=[A])
    assert not run.ok
    assert run.errors() == [
        f"Resource '{B}' will be destroyed but was not specified in --target list.\n"
        "Either include resource in --target list or pass --target-dependents to proceed."
    ]
    assert labels(lab) == dict.fromkeys("abd", "one") | {"c": None}


def test_a_target_that_a_remaining_resource_refers_to_is_kept(lab: Lab) -> None:
    """The state lists a resource after those that it refers to, also where the program registers one of them only."""
    lab.up(*program("one"))
    run = lab.up(*program("one", "bcd"), targets=[A])
    assert run.ok
    assert run.changes == {"same": 4}
    names = [resource.name for resource in lab.snapshot().resources]
    assert names.index("a") < names.index("b")
    assert lab.up(*program("one", "bcd")).steps() == ["update b", "delete a"]


def test_a_replacement_that_would_replace_others(lab: Lab) -> None:
    def with_dependent(size: int) -> list[Res]:
        return [exclusive("a", {"r": size}), Res("b", refs=["a"], replaced_by_refs=True)]

    lab.up(*with_dependent(1))
    first = lab.up(*with_dependent(2), dry_run=True)
    assert "replace b" in first.steps(), "the case is about a dependent that is replaced too"
    run = lab.up(*with_dependent(2), targets=[urn("a", exclusive("a").type)])
    assert [error.splitlines()[0] for error in run.errors()] == [
        f"Resource '{B}' will be destroyed but was not specified in --target list."
    ]
