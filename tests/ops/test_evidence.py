"""Evidence and verification of plans, without an engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ops.errors import OpsError
from ops.git import Revision
from ops.plans.contents import Plan
from ops.plans.create import check_plannable
from ops.plans.evidence import Evidence, images_of
from ops.plans.verification import differences, missing_images, operation_differences
from ops.stacks import Stack
from ops.state.fingerprint import Fingerprint
from ops.steps import Step
from tests.support.environment import ROOT

_NOW = datetime.now(UTC)
_IMAGE = f"registry.example.test/snu/api@sha256:{'a' * 64}"
_URN = "urn:pulumi:stage::snu::snu:index:ContainerApp$scaleway:containers/container:Container::api-container"
_STACK = Stack(ROOT, "stage", {"snu:protect": True}, "passphrase")
_EVIDENCE = Evidence(
    revision=Revision("c" * 40, "t" * 40, ()),
    config={"snu:protect": True},
    salt="v1:salt",
    backend="s3://bucket",
    state=Fingerprint({_URN: {"id": "1"}}),
)
_PLAN = Plan(
    id="00000000-0000-4000-8000-000000000001",
    stack="stage",
    project="snu",
    engine="pulumi",
    backend="s3://bucket",
    author="A",
    created=_NOW,
    expires=_NOW + timedelta(hours=1),
    commit="c" * 40,
    tree="t" * 40,
    dirty=False,
    config={"snu:protect": True},
    salt="v1:salt",
    state=_EVIDENCE.state,
    images={_IMAGE: True},
    operations={_URN: "digest"},
    steps=[{"urn": _URN, "type": "scaleway:containers/container:Container", "op": "same"}],
    update_plan="{}",
)


def _found(plan: Plan = _PLAN, now: Evidence = _EVIDENCE, stack: Stack = _STACK, engine: str = "pulumi") -> list[str]:
    return differences(plan, now, stack, "snu", engine)


def test_a_current_plan_has_no_differences() -> None:
    assert _found() == []


@pytest.mark.parametrize(
    ("plan", "now", "says"),
    [
        ({"stack": "ci"}, {}, "the plan is for stack ci of project snu; this is stage of snu"),
        ({"backend": "file:///elsewhere"}, {}, "the state was in file:///elsewhere and is now in s3://bucket"),
        ({"engine": "embedded"}, {}, "created by the engine embedded"),
        ({"expires": _NOW}, {}, "the plan expired on"),
        ({}, {"salt": ""}, "the encryption salt of the stack's secrets has been lost"),
        ({}, {"salt": "v1:other"}, "the encryption salt of the stack's secrets has changed"),
        ({}, {"config": {}}, "configuration: snu:protect was removed"),
        ({}, {"config": {"snu:protect": False}}, "configuration: snu:protect was changed"),
        ({}, {"config": {"snu:protect": True, "a:b": "c"}}, "configuration: a:b was added"),
        ({}, {"state": Fingerprint({})}, "api-container (scaleway:containers:Container): was removed from the state"),
        (
            {"dirty": True},
            {"revision": Revision("d" * 40, "u" * 40, ())},
            "planned at cccccccccccc with uncommitted changes, now at dddd",
        ),
    ],
)
def test_each_difference_is_named(plan: dict[str, object], now: dict[str, object], says: str) -> None:
    (line,) = _found(_PLAN.model_copy(update=plan), replace(_EVIDENCE, **now))  # type: ignore[arg-type]  # parameters of the test
    assert says in line


def test_all_differences_are_named_at_once() -> None:
    now = replace(_EVIDENCE, salt="", config={}, backend="file:///x", state=Fingerprint({}))
    assert len(_found(now=now)) == 4


def test_only_an_image_that_existed_can_be_missing() -> None:
    assert missing_images(_PLAN, {_IMAGE: True}) == []
    assert missing_images(_PLAN, {_IMAGE: False}) == [f"the image {_IMAGE} is no longer in its registry"]
    assert missing_images(_PLAN.model_copy(update={"images": {_IMAGE: False}}), {_IMAGE: False}) == []


def test_only_references_by_digest_are_images() -> None:
    def step(**inputs: str) -> Step:
        metadata = {"op": "create", "urn": _URN, "type": "t", "new": {"inputs": inputs}}
        return Step.of({"metadata": metadata})

    assert images_of([step(image=_IMAGE), step(imageUri=_IMAGE), step(image="nginx:latest"), step()]) == [_IMAGE]


def test_operations_that_differ_without_a_visible_value_differ_in_a_secret() -> None:
    steps = [Step.of({"metadata": {"op": "same", "urn": _URN, "type": "t"}})]
    (line,) = operation_differences(_PLAN, steps, {_URN: "another"})
    resource = "api-container (scaleway:containers:Container)"
    assert line == f"{resource}: no change, with a different secret value than planned"
    (gone,) = operation_differences(_PLAN, [], {})
    assert "planned: no change; now: not in the program" in gone


def test_a_plan_needs_a_salt_and_committed_files() -> None:
    check_plannable(_STACK, _EVIDENCE, allow_dirty=False)
    with pytest.raises(OpsError, match=r"Pulumi\.stage\.yaml has no encryptionsalt"):
        check_plannable(_STACK, replace(_EVIDENCE, salt=""), allow_dirty=True)
    dirty = replace(_EVIDENCE, revision=Revision("c", "t", tuple(f"file{number}" for number in range(12))))
    with pytest.raises(OpsError, match=r"include 12 uncommitted files that(.|\n)*and 2 more"):
        check_plannable(_STACK, dirty, allow_dirty=False)
    check_plannable(_STACK, dirty, allow_dirty=True)


def test_a_plan_of_another_version_is_refused() -> None:
    assert Plan.of(_PLAN.content()) == _PLAN
    with pytest.raises(OpsError, match="differing fields: more"):
        Plan.of(_PLAN.content() | {"more": 1})
    for id in ("", "../../other", "x" * 5_000, _PLAN.id + "/x", _PLAN.id + "\n", _PLAN.id.upper().replace("0", "A")):
        with pytest.raises(OpsError, match="differing fields: id"):  # it is part of a key in the store
            Plan.of(_PLAN.content() | {"id": id})
