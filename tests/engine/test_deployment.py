"""A deployment's steps, their order, and the resulting state."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from engine.deployment import Deployment
from engine.errors import ProviderError
from engine.events import Events
from engine.goal import Goal
from pulumi_state.aliases import Alias
from pulumi_state.errors import PulumiError
from pulumi_state.provider import ProviderRequest
from pulumi_state.snapshot import ResourceState, Snapshot
from pulumi_state.values import UNKNOWN, Secret
from tests.engine.lab import FAKE, GROUP, PROJECT, STACK, THING, Lab, Res, exclusive, group


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


# --- create, same, update, delete -------------------------------------------------------------------------


def test_create_then_same(lab: Lab) -> None:
    program = [Res("a", {"x": 1}), Res("b", refs=["a"])]
    first = lab.up(*program)
    assert first.ok
    assert first.changes == {"create": 2}
    assert first.steps() == ["create a", "create b"]
    assert lab.state()["b"].outputs["ref0"] == lab.state()["a"].id

    second = lab.up(*program)
    assert second.ok
    assert second.changes == {"same": 2}
    assert lab.cloud.calls == ["create a", "create b"]


def test_default_provider_is_kept_in_the_state_and_not_reported(lab: Lab) -> None:
    run = lab.up(Res("a"))
    provider, resource = lab.snapshot().resources
    assert provider.type == "pulumi:providers:fake"
    assert provider.name == "default"
    assert resource.provider == f"{provider.urn}::{provider.id}"
    assert run.steps() == ["create a"]


def test_update_shows_the_property_and_keeps_the_rest(lab: Lab) -> None:
    lab.up(Res("a", {"x": 1, "y": 1}), Res("b"))
    before = lab.state()["a"]
    run = lab.up(Res("a", {"x": 2, "y": 1}), Res("b"))
    assert run.steps() == ["update a"]
    assert run.diff("a") == {"x": "update"}
    assert run.changes == {"update": 1, "same": 1}
    after = lab.state()["a"]
    assert (after.id, after.created) == (before.id, before.created)
    assert after.modified > before.modified
    assert after.outputs["x"] == 2


def test_unregistered_resources_are_deleted_dependents_first(lab: Lab) -> None:
    lab.up(Res("a"), Res("b", refs=["a"]), Res("c", refs=["b"]), Res("d"))
    run = lab.up(Res("d"))
    assert run.ok
    assert run.steps() == ["delete c", "delete b", "delete a"]
    assert list(lab.state()) == ["d"]
    assert len(lab.cloud.objects) == 1


def test_deletions_respect_dependencies_through_kept_resources(lab: Lab) -> None:
    """``b`` is kept; ``c`` is deleted before ``a``, since it depends on it through ``b``."""
    lab.up(Res("a"), Res("b", after=["a"]), Res("c", after=["b"]))
    lab.cloud.gates["delete c"] = asyncio.Event()
    seen: list[str] = []

    async def scenario() -> None:
        running = asyncio.create_task(lab.run([Res("b")]))
        while "delete c" not in lab.cloud.calls:  # noqa: ASYNC110 - the double announces nothing
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        seen.extend(lab.cloud.calls)
        lab.cloud.gates["delete c"].set()
        await running

    asyncio.run(scenario())
    assert "delete a" not in seen
    assert lab.cloud.calls[-1] == "delete a"


def test_destroy_deletes_children_before_their_parents(lab: Lab) -> None:
    lab.up(group("g"), Res("a", parent="g"), Res("b", parent="g", refs=["a"]))
    run = lab.up()
    assert run.steps() == ["delete b", "delete a", "delete g"]
    assert lab.snapshot().resources == []
    assert lab.cloud.objects == {}


def test_invalid_inputs_change_nothing(lab: Lab) -> None:
    run = lab.up(Res("a", {"bad": True}))
    assert not run.ok
    assert run.errors() == [f"{THING} resource 'a' has a problem: bad is never allowed"]
    assert lab.cloud.calls == []


def test_duplicate_urn(lab: Lab) -> None:
    async def scenario() -> list[Any]:
        events: list[Any] = []
        deployment = Deployment(lab.context(Events(events.append, preview=False), Snapshot()), Snapshot())
        goal = Goal(type=THING, name="a", custom=True, inputs={"label": "a"}, provider=FAKE)
        await deployment.register(goal)
        with pytest.raises(PulumiError):
            await deployment.register(goal)
        return events

    messages = [event["diagnosticEvent"]["message"] for event in asyncio.run(scenario()) if "diagnosticEvent" in event]
    assert messages == [
        f"Duplicate resource URN 'urn:pulumi:{STACK}::{PROJECT}::{THING}::a'; try giving it a unique name"
    ]


def test_an_unsupported_package_fails_before_the_state_changes(lab: Lab) -> None:
    run = lab.up(Res("a", type="docker:index/image:Image"))
    assert not run.ok
    assert lab.snapshot().resources == []
    assert "docker" in run.errors()[0]


# --- replace ----------------------------------------------------------------------------------------------


def test_replace_creates_first_and_deletes_when_dependents_have_moved(lab: Lab) -> None:
    lab.up(Res("a", {"r": 1}), Res("b", refs=["a"]))
    run = lab.up(Res("a", {"r": 2}), Res("b", refs=["a"]))
    assert run.ok
    assert run.steps() == ["create-replacement a", "replace a", "update b", "delete-replaced a"]
    assert run.changes == {"replace": 1, "update": 1}
    assert run.diff("a") == {"r": "update-replace"}
    assert lab.cloud.calls[2:] == ["create a", "update b", "delete a"]
    assert len(lab.cloud.objects) == 2


def test_replacement_deletes_first_if_the_type_requires_it(lab: Lab) -> None:
    lab.up(exclusive("a", {"r": 1}), Res("b", after=["a"]))
    run = lab.up(exclusive("a", {"r": 2}), Res("b", after=["a"]))
    assert run.ok
    assert run.steps() == ["delete-replaced a", "replace a", "create-replacement a"]
    assert run.changes == {"replace": 1, "same": 1}


def test_delete_before_replace_also_replaces_dependents(lab: Lab) -> None:
    def program(version: int) -> list[Res]:
        return [
            exclusive("a", {"r": version}),
            Res("b", refs=["a"], replaced_by_refs=True),
            Res("c", refs=["b"], replaced_by_refs=True),
            Res("d", after=["a"]),
        ]

    lab.up(*program(1))
    lab.cloud.calls.clear()
    run = lab.up(*program(2))
    assert run.ok
    assert run.steps() == [
        "delete-replaced c",
        "delete-replaced b",
        "delete-replaced a",
        "replace a",
        "create-replacement a",
        "replace b",
        "create-replacement b",
        "replace c",
        "create-replacement c",
    ]
    assert run.changes == {"replace": 3, "same": 1}
    assert lab.cloud.calls == ["delete c", "delete b", "delete a", "create a", "create b", "create c"]
    assert not any(resource.pending_replacement for resource in lab.snapshot().resources)


def test_a_deleted_dependent_that_is_no_longer_registered_leaves_the_state(lab: Lab) -> None:
    lab.up(exclusive("a", {"r": 1}), Res("b", refs=["a"], replaced_by_refs=True))
    run = lab.up(exclusive("a", {"r": 2}))
    assert run.ok
    assert list(lab.state()) == ["a"]
    assert lab.cloud.calls.count("delete b") == 1


@pytest.mark.parametrize(("option", "first"), [(True, "delete-replaced a"), (False, "create-replacement a")])
def test_the_program_chooses_the_order_of_a_replacement(lab: Lab, option: bool, first: str) -> None:
    lab.up(Res("a", {"r": 1}))
    run = lab.up(Res("a", {"r": 2}, delete_before_replace=option))
    assert run.steps()[0] == first


def test_ignore_changes(lab: Lab) -> None:
    lab.up(Res("a", {"x": 1, "y": 1}))
    run = lab.up(Res("a", {"x": 2, "z": 1, "y": 2}, ignore_changes=["x", "z"]))
    assert run.diff("a") == {"y": "update"}
    assert lab.state()["a"].inputs == {"label": "a", "x": 1, "y": 2}
    refused = lab.up(Res("a", ignore_changes=["x.deep"]))
    assert "nested properties or wildcards in ignore_changes (x.deep of a)" in refused.errors()[0]
    assert "(* of a)" in lab.up(Res("a", ignore_changes=["*"])).errors()[0]


def test_a_pending_replacement_is_resumed(lab: Lab) -> None:
    lab.up(exclusive("a", {"r": 1}), Res("b", after=["a"]))
    lab.cloud.failing["create a"] = ProviderError("quota")
    failed = lab.up(exclusive("a", {"r": 2}), Res("b", after=["a"]))
    assert not failed.ok
    assert failed.errors() == ["quota"]
    assert lab.state()["a"].pending_replacement
    lab.cloud.failing.clear()
    run = lab.up(exclusive("a", {"r": 2}), Res("b", after=["a"]))
    assert run.ok
    assert run.steps() == ["replace a", "create-replacement a"]
    assert not lab.state()["a"].pending_replacement


def test_an_unchanged_pending_replacement_is_created_before_its_record_is_removed(lab: Lab) -> None:
    """Its inputs are those of the deleted resource, so no diff asks to delete it first."""
    lab.up(exclusive("a", {"r": 1}), Res("b", after=["a"]))
    lab.cloud.failing["create a"] = ProviderError("quota")
    assert not lab.up(exclusive("a", {"r": 2}), Res("b", after=["a"])).ok
    lab.cloud.failing.clear()
    program = [exclusive("a", {"r": 1}), Res("b", after=["a"])]
    for run in (lab.preview(*program), lab.up(*program)):
        assert run.ok
        assert run.steps() == ["create-replacement a", "replace a", "delete-replaced a"]
        assert run.changes == {"replace": 1, "same": 1}
    assert lab.cloud.calls.count("delete a") == 1
    assert [resource.name for resource in lab.snapshot().resources] == ["default", "a", "b"]
    assert lab.up(*program).changes == {"same": 2}


def test_deleted_dependents_are_replaced_by_the_next_run(lab: Lab) -> None:
    def program(version: int) -> list[Res]:
        return [exclusive("a", {"r": version}), Res("b", refs=["a"], replaced_by_refs=True)]

    lab.up(*program(1))
    lab.cloud.failing["create a"] = ProviderError("quota")
    assert not lab.up(*program(2)).ok
    lab.cloud.failing.clear()
    run = lab.up(*program(2))
    assert run.steps() == [
        "delete-replaced b",
        "replace a",
        "create-replacement a",
        "replace b",
        "create-replacement b",
    ]
    assert lab.cloud.calls.count("delete b") == 1
    assert len(lab.cloud.objects) == 2


def test_a_pending_replacement_that_is_now_protected_is_not_created(lab: Lab) -> None:
    lab.up(exclusive("a", {"r": 1}, protect=True))
    lab.cloud.failing["create a"] = ProviderError("quota")
    assert not lab.up(exclusive("a", {"r": 2})).ok
    lab.cloud.failing.clear()
    run = lab.up(exclusive("a", {"r": 2}, protect=True))
    assert "as it is currently marked for protection" in run.errors()[0]
    assert lab.up(exclusive("a", {"r": 2})).ok


def test_deleted_dependents_are_not_deleted_twice(lab: Lab) -> None:
    def program(version: int) -> list[Res]:
        return [exclusive("a", {"r": version}), Res("b", refs=["a"], replaced_by_refs=True)]

    lab.up(*program(1))
    lab.cloud.failing["delete a"] = ProviderError("busy")
    assert not lab.up(*program(2)).ok
    lab.cloud.failing.clear()
    assert lab.up(*program(2)).ok
    assert lab.cloud.calls.count("delete b") == 1
    assert len(lab.cloud.objects) == 2


def test_a_pending_replacement_that_is_no_longer_registered_is_only_removed_from_the_state(lab: Lab) -> None:
    lab.up(exclusive("a", {"r": 1}))
    lab.cloud.failing["create a"] = ProviderError("quota")
    lab.up(exclusive("a", {"r": 2}))
    run = lab.up()
    assert run.ok
    assert run.changes == {}
    assert lab.snapshot().resources == []


def test_an_old_resource_whose_deletion_failed_is_deleted_by_the_next_run(lab: Lab) -> None:
    lab.up(Res("a", {"r": 1}))
    lab.cloud.failing["delete a"] = ProviderError("busy")
    assert not lab.up(Res("a", {"r": 2})).ok
    assert [resource.delete for resource in lab.snapshot().resources] == [False, False, True]
    lab.cloud.failing.clear()
    run = lab.up(Res("a", {"r": 2}))
    assert run.steps() == ["delete-replaced a"]
    assert len(lab.cloud.objects) == 1


# --- protect ----------------------------------------------------------------------------------------------


def test_a_protected_resource_is_not_replaced(lab: Lab) -> None:
    lab.up(Res("a", {"r": 1}, protect=True))
    program = Res("a", {"r": 2}, protect=True)
    run = lab.up(program)
    assert not run.ok
    assert "as it is currently marked for protection" in run.errors()[0]
    assert lab.cloud.calls == ["create a"]

    preview = lab.preview(program, Res("b"))
    assert not preview.ok
    assert preview.steps() == ["create-replacement a", "replace a", "create b"]
    assert len(preview.errors()) == 1

    assert lab.up(Res("a", {"r": 2}, protect=False)).ok


def test_a_protected_resource_is_not_deleted(lab: Lab) -> None:
    lab.up(Res("a", protect=True), Res("b", refs=["a"]))
    for run in (lab.preview(), lab.up()):
        assert not run.ok
        assert "cannot be deleted" in run.errors()[0]
    assert "a" in lab.state()


def test_a_protected_dependent_stops_a_replacement(lab: Lab) -> None:
    lab.up(exclusive("a", {"r": 1}), Res("b", refs=["a"], replaced_by_refs=True, protect=True))
    run = lab.up(exclusive("a", {"r": 2}), Res("b", refs=["a"], replaced_by_refs=True, protect=True))
    assert not run.ok
    assert 'as part of replacing "urn:pulumi:' in run.errors()[0]
    assert len(lab.cloud.objects) == 2


def test_children_inherit_protection_unless_they_override_it(lab: Lab) -> None:
    lab.up(group("g", protect=True), Res("a", parent="g"), Res("b", parent="g", protect=False))
    assert lab.state()["a"].protect
    assert not lab.state()["b"].protect


# --- aliases ----------------------------------------------------------------------------------------------


def test_an_alias_keeps_the_resource_and_renames_references(lab: Lab) -> None:
    lab.up(Res("old", {"label": "x"}), Res("b", refs=["old"]))
    run = lab.up(Res("new", {"label": "x"}, aliases=[Alias(name="old")]), Res("b", refs=["new"]))
    assert run.ok
    assert run.changes == {"same": 2}
    state = lab.state()
    assert list(state) == ["new", "b"]
    assert state["b"].dependencies == [state["new"].urn]
    assert len(lab.cloud.objects) == 2


def test_references_of_resources_that_fail_later_are_renamed_too(lab: Lab) -> None:
    lab.up(Res("old", {"label": "x"}), Res("b", refs=["old"]))
    lab.cloud.failing["update b"] = ProviderError("no")
    run = lab.up(Res("new", {"label": "x"}, aliases=[Alias(name="old")]), Res("b", {"x": 1}, refs=["new"]))
    assert not run.ok
    assert lab.state()["b"].dependencies == [lab.state()["new"].urn]


def test_children_of_a_renamed_component_inherit_its_alias(lab: Lab) -> None:
    lab.up(group("old"), Res("old-a", {"label": "x"}, parent="old"), Res("b", {"label": "y"}, parent="old"))
    run = lab.up(
        group("new", aliases=[Alias(name="old")]),
        Res("new-a", {"label": "x"}, parent="new"),
        Res("b", {"label": "y"}, parent="new"),
    )
    assert run.changes == {"same": 3}
    assert {resource.name for resource in lab.snapshot().resources} == {"default", "new", "new-a", "b"}


def test_a_resource_moves_below_a_component(lab: Lab) -> None:
    lab.up(Res("a"))
    run = lab.up(group("g"), Res("a", parent="g", aliases=[Alias(no_parent=True)]))
    assert run.changes == {"create": 1, "same": 1}
    assert lab.state()["a"].parent == lab.state()["g"].urn


def test_an_old_resource_is_claimed_by_one_alias(lab: Lab) -> None:
    lab.up(Res("old", {"label": "x"}))
    twice = lab.up(
        Res("n1", {"label": "x"}, aliases=[Alias(name="old")]),
        Res("n2", {"label": "x"}, aliases=[Alias(name="old")], after=["n1"]),
    )
    assert "Duplicate resource alias" in twice.errors()[0]


def test_a_resource_cannot_take_the_urn_that_another_inherited(lab: Lab) -> None:
    lab.up(Res("old", {"label": "x"}))
    run = lab.up(Res("new", {"label": "x"}, aliases=[Alias(name="old")]), Res("old", {"label": "z"}, after=["new"]))
    assert not run.ok
    assert "conflicting with alias on resource" in run.errors()[0]
    assert len(lab.cloud.objects) == 1


def test_an_alias_of_a_replaced_resource(lab: Lab) -> None:
    lab.up(Res("old", {"label": "x", "r": 1}))
    run = lab.up(Res("new", {"label": "x", "r": 2}, aliases=[Alias(name="old")]))
    assert run.ok
    assert run.steps() == ["create-replacement new", "replace new", "delete-replaced old"]
    assert list(lab.state()) == ["new"]


# --- failure ----------------------------------------------------------------------------------------------


def test_a_failure_starts_no_operations_and_lets_running_ones_end(lab: Lab) -> None:
    lab.cloud.gates["create slow"] = asyncio.Event()
    lab.cloud.failing["create a"] = ProviderError("no room")

    def on_call(call: str) -> None:
        if call == "create a":
            asyncio.get_running_loop().call_later(0.02, lab.cloud.gates["create slow"].set)

    lab.cloud.on_call = on_call
    run = lab.up(Res("slow"), Res("a"), Res("b", after=["a"]), Res("c", after=["slow"]))
    assert not run.ok
    assert run.errors() == ["no room"]
    assert list(lab.state()) == ["slow"]
    assert lab.cloud.calls == ["create slow", "create a"]
    assert lab.document().get("pending_operations") is None
    assert run.steps("resOpFailedEvent") == ["create a"]


def test_waiting_operations_do_not_start_after_a_failure(lab: Lab) -> None:
    lab.cloud.failing["create a"] = ProviderError("no room")
    run = lab.up(Res("a"), Res("b"), Res("c"), parallel=1)
    assert lab.cloud.calls == ["create a"]
    assert not run.ok


def test_a_failed_update_keeps_the_old_state(lab: Lab) -> None:
    lab.up(Res("a", {"x": 1}))
    lab.cloud.failing["update a"] = ProviderError("no")
    assert not lab.up(Res("a", {"x": 2})).ok
    assert lab.state()["a"].inputs["x"] == 1


def test_a_deletion_that_fails_keeps_what_it_depends_on(lab: Lab) -> None:
    lab.up(Res("a"), Res("b", refs=["a"]), Res("c"))
    lab.cloud.failing["delete b"] = ProviderError("busy")
    run = lab.up()
    assert not run.ok
    assert {"a", "b"} <= lab.state().keys()


@pytest.mark.parametrize("verb", ["create", "update"])
def test_a_partial_failure_is_kept_with_its_reason_and_retried_as_an_update(lab: Lab, verb: str) -> None:
    if verb == "update":
        lab.up(Res("a", {"x": 1}))
    lab.cloud.partial.add(f"{verb} a")
    failed = lab.up(Res("a", {"x": 2}))
    assert not failed.ok
    assert failed.errors() == ["it does not become ready"]
    kept = lab.state()["a"]
    assert kept.init_errors == ["it does not become ready"]
    assert kept.id in lab.cloud.objects
    lab.cloud.partial.clear()
    retried = lab.up(Res("a", {"x": 2}))
    assert retried.ok
    assert retried.changes == {"update": 1}
    assert lab.state()["a"].init_errors == []
    assert lab.state()["a"].inputs["x"] == 2
    assert lab.up(Res("a", {"x": 2})).changes == {"same": 1}


def test_a_partial_failure_of_a_replacement(lab: Lab) -> None:
    """Both the new and the old object exist, and both are in the state."""
    lab.up(Res("a", {"r": 1}))
    lab.cloud.partial.add("create a")
    assert not lab.up(Res("a", {"r": 2})).ok
    lab.cloud.partial.clear()
    assert {resource.id for resource in lab.snapshot().resources[1:]} == set(lab.cloud.objects)
    assert lab.up(Res("a", {"r": 2})).ok
    assert len(lab.cloud.objects) == 1


def test_a_partial_failure_after_a_deletion(lab: Lab) -> None:
    lab.up(exclusive("a", {"r": 1}))
    lab.cloud.partial.add("create a")
    assert not lab.up(exclusive("a", {"r": 2})).ok
    lab.cloud.partial.clear()
    assert [resource.name for resource in lab.snapshot().resources] == ["default", "a"]
    assert lab.up(exclusive("a", {"r": 2})).ok
    assert len(lab.cloud.objects) == 1


def test_an_unexpected_exception_of_a_provider_is_a_failure_of_its_step(lab: Lab) -> None:
    """The operation may have been carried out, so it stays pending in the state."""
    lab.cloud.failing["create a"] = KeyError("id")
    run = lab.up(Res("a"), Res("b", after=["a"]))
    assert not run.ok
    assert run.errors() == ["create a: unexpected response (KeyError('id'))"]
    assert [item["type"] for item in lab.document()["pending_operations"]] == ["creating"]


# --- pending operations -----------------------------------------------------------------------------------


def test_pending_operations_are_recorded_from_start_to_end(lab: Lab) -> None:
    recorded: list[tuple[str, list[tuple[str, str]]]] = []

    def on_call(call: str) -> None:
        pending = lab.document().get("pending_operations", [])
        recorded.append((call, [(item["type"], item["resource"]["urn"].split("::")[-1]) for item in pending]))

    lab.cloud.on_call = on_call
    lab.up(Res("a", {"x": 1}))
    lab.up(Res("a", {"x": 2}))
    lab.up()
    assert recorded == [
        ("create a", [("creating", "a")]),
        ("update a", [("updating", "a")]),
        ("delete a", [("deleting", "a")]),
    ]
    assert "pending_operations" not in lab.document()


def test_pending_creations_of_a_killed_run_stay_recorded(lab: Lab) -> None:
    lab.up(Res("a", {"x": 1}))
    lab.cloud.failing |= {"create b": KeyError(), "update a": KeyError()}
    lab.up(Res("a", {"x": 2}), Res("b"))
    assert {item["type"] for item in lab.document()["pending_operations"]} == {"creating", "updating"}
    lab.cloud.failing.clear()
    lab.up(Res("a", {"x": 2}))
    assert [item["type"] for item in lab.document()["pending_operations"]] == ["creating"]


# --- reading ----------------------------------------------------------------------------------------------


def _read(lab: Lab, resource_id: str, *, dry_run: bool = False) -> tuple[ResourceState, list[Any]]:
    events: list[Any] = []

    async def scenario() -> ResourceState:
        previous = lab.snapshot()
        context = lab.context(Events(events.append, preview=dry_run), previous, dry_run=dry_run)
        deployment = Deployment(context, previous)
        goal = Goal(type=THING, name="found", custom=True, inputs={}, provider=FAKE)
        try:
            state = await deployment.read(goal, resource_id)
            await deployment.finish()
            return state
        finally:
            await context.journal.flush()

    return asyncio.run(scenario()), [
        event["resourcePreEvent"]["metadata"]["op"] for event in events if "resourcePreEvent" in event
    ]


def test_resources_that_are_read_are_external_and_never_deleted(lab: Lab) -> None:
    lab.cloud.objects["id-9"] = {"label": "theirs", "type": THING}
    state, ops = _read(lab, "id-9")
    assert ops == ["read"]
    assert state.outputs["label"] == "theirs"
    assert lab.state()["found"].external
    _read(lab, "id-9")
    run = lab.up()
    assert run.steps() == ["discard found"]
    assert run.changes == {"discard": 1}
    assert lab.snapshot().resources == []
    assert "id-9" in lab.cloud.objects


def test_reading_a_missing_resource_fails(lab: Lab) -> None:
    with pytest.raises(PulumiError, match="does not exist"):
        _read(lab, "nothing")


def test_managed_and_read_resources_do_not_replace_each_other(lab: Lab) -> None:
    lab.up(Res("found"))
    with pytest.raises(PulumiError, match="found"):
        _read(lab, "id-1")
    assert list(lab.state()) == ["found"]
    assert not lab.state()["found"].external

    lab.up()
    lab.cloud.objects["id-9"] = {"label": "theirs", "type": THING}
    _read(lab, "id-9")
    run = lab.up(Res("found"))
    assert not run.ok
    assert "found" in run.errors()[0]
    assert lab.state()["found"].id == "id-9"


def test_a_stack_reference(lab: Lab) -> None:
    async def scenario() -> ResourceState:
        deployment = Deployment(lab.context(Events(lambda _event: None, preview=False), Snapshot()), Snapshot())
        goal = Goal(
            "pulumi:pulumi:StackReference",
            "other",
            custom=True,
            inputs={"name": "other"},
            provider=ProviderRequest("pulumi"),
        )
        return await deployment.read(goal, "other")

    assert asyncio.run(scenario()).outputs == {
        "name": "other",
        "outputs": {"url": "http://a"},
        "secretOutputNames": [],
    }


# --- previews and values ----------------------------------------------------------------------------------


def test_a_preview_writes_nothing_and_propagates_unknown_values(lab: Lab) -> None:
    run = lab.preview(Res("a"), Res("b", refs=["a"]))
    assert run.ok
    assert run.changes == {"create": 2}
    assert run.registered["b"].outputs["ref0"] is UNKNOWN
    assert not lab.file.path.exists()
    assert lab.cloud.calls == []


def test_a_preview_knows_what_an_update_keeps(lab: Lab) -> None:
    lab.up(Res("a", {"x": 1}), Res("b", refs=["a"]))
    run = lab.preview(Res("a", {"x": 2}), Res("b", refs=["a"]))
    assert run.steps() == ["update a"]
    run = lab.preview(Res("a", {"r": 2}), Res("b", refs=["a"]))
    assert run.steps() == ["create-replacement a", "replace a", "update b", "delete-replaced a"]


def test_secrets_are_carried_from_inputs_to_outputs_key_by_key(lab: Lab) -> None:
    inputs = {"map": {"plain": "p", "hidden": Secret("s3cret")}, "all": Secret("other"), "list": [Secret("l1st"), "x"]}
    run = lab.up(Res("a", inputs, additional_secret_outputs=["label"]))
    outputs = lab.state()["a"].outputs
    assert outputs["map"] == {"plain": "p", "hidden": Secret("s3cret")}
    assert outputs["all"] == Secret("other")
    assert outputs["list"] == Secret(["l1st", "x"])
    assert outputs["label"] == Secret("a")
    shown = str(run.events) + lab.file.path.read_text()
    assert not [word for word in ("s3cret", "other", "l1st") if word in shown]
    before = lab.file.path.read_text()
    assert lab.up(Res("a", inputs, additional_secret_outputs=["label"])).changes == {"same": 1}
    assert (
        lab.document()["resources"][1]["inputs"] == json.loads(before)["checkpoint"]["latest"]["resources"][1]["inputs"]
    )


def test_component_outputs(lab: Lab) -> None:
    run = lab.up(group("g", outputs={"url": "u", "key": Secret("k")}), Res("a", parent="g"))
    assert lab.state()["g"].outputs == {"url": "u", "key": Secret("k")}
    assert "create g" in run.steps("resOutputsEvent")
    assert lab.up(group("g", outputs={"url": "v"}), Res("a", parent="g")).changes == {"same": 2}
    assert lab.state()["g"].outputs == {"url": "v"}
    assert GROUP in lab.state()["a"].urn


def test_a_changed_component_is_an_update(lab: Lab) -> None:
    lab.up(group("g", inputs={"size": 1}))
    assert lab.up(group("g", inputs={"size": 2})).changes == {"update": 1}


def test_the_number_of_writes_grows_with_the_number_of_operations(lab: Lab) -> None:
    lab.up(*(Res(f"a{index}") for index in range(50)), parallel=1)
    assert lab.file.writes <= 2 * 51 + 1
