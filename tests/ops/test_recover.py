"""What ``snu recover`` makes of pending operations and locks, without a cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ops.recovery.decide import RecoveryAction, decide
from ops.scaleway import catalogue
from pulumi_state.errors import StateError
from pulumi_state.interruption import (
    InterruptedOperation,
    read_interrupted_state,
    recover_state,
    recovered_deployment,
    resource_ids,
)
from pulumi_state.passphrase import Crypter
from pulumi_state.snapshot import PendingOperation, ResourceState, SnapshotEncoder
from pulumi_state.state_file import StateFile
from pulumi_state.values import Secret

CONTAINER, KEY = catalogue.CONTAINER.token, catalogue.API_KEY.token


def pending(operation: str = "creating", type_: str = CONTAINER, *, custom: bool = True) -> InterruptedOperation:
    return InterruptedOperation(operation, f"urn:pulumi:s::p::{type_}::thing", type_, custom, "", {"name": "thing"})


def never(_pending: InterruptedOperation) -> Any:
    raise AssertionError("nothing is to be looked up")


@pytest.mark.parametrize(
    ("ids", "known", "action"),
    [
        ([], set(), RecoveryAction.FORGET),
        (["a"], set(), RecoveryAction.ADOPT),
        (["a"], {"a"}, RecoveryAction.FORGET),
        (["a", "b"], {"a"}, RecoveryAction.ADOPT),
        (["a", "b"], set(), RecoveryAction.REFUSE),
    ],
)
def test_a_creation_is_decided_by_what_is_found(ids: list[str], known: set[str], action: RecoveryAction) -> None:
    """What the state knows is never taken for what was being created."""
    assert decide(pending(), frozenset(known), lambda _: ids, never).action is action


def test_a_key_that_nobody_knows_is_removed_and_several_are_not_guessed_at() -> None:
    key = pending(type_=KEY)
    assert decide(key, frozenset(), lambda _: ["SCW1"], never).action is RecoveryAction.REMOVE
    assert decide(key, frozenset(), lambda _: ["SCW1", "SCW2"], never).action is RecoveryAction.REFUSE


@pytest.mark.parametrize(("there", "action"), [(True, RecoveryAction.READ), (False, RecoveryAction.DROP)])
def test_a_deletion_is_decided_by_whether_it_is_still_listed(there: bool, action: RecoveryAction) -> None:
    assert decide(pending("deleting"), frozenset(), never, lambda _: there).action is action


def test_what_was_deleted_leaves_the_state_and_is_nobodys_dependency() -> None:
    gone = resource("a", id="1")
    document = {
        "resources": [gone, resource("b", id="2", dependencies=[gone["urn"]])],
        "pending_operations": [{"resource": gone, "type": "deleting"}],
    }
    changed, to_read = recovered_deployment(document, {}, {0})
    assert [(each["id"], each["dependencies"]) for each in changed["resources"]] == [("2", [])]
    assert to_read == []


def test_what_needs_no_look_up() -> None:
    assert decide(pending("updating"), frozenset(), never, never).action is RecoveryAction.READ
    for other in (
        pending("reading"),
        pending(custom=False),
        pending(type_="pulumi:providers:scaleway"),
        pending(type_="docker:index/image:Image"),
    ):
        assert decide(other, frozenset(), never, never).action is RecoveryAction.FORGET
    assert (
        decide(pending(type_="docker:index/container:Container"), frozenset(), never, never).action
        is RecoveryAction.REFUSE
    )


# --- documents ------------------------------------------------------------------------------------------


def resource(name: str, **more: Any) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:s::p::t:t:T::{name}", "type": "t:t:T", "custom": True, **more}


def test_an_adopted_resource_stands_after_what_it_needs_and_instead_of_what_it_replaces() -> None:
    old = resource("a", pendingReplacement=True, id="old")
    dependent = resource("b", id="b", dependencies=[old["urn"]])
    needed = resource("c", id="c")
    begun = resource("a", inputs={"name": "x", "__defaults": []}, dependencies=[needed["urn"]])
    document = {
        "resources": [old, dependent, needed],
        "pending_operations": [{"resource": begun, "type": "creating"}],
    }
    changed, to_read = recovered_deployment(document, {0: "new"})
    assert [each["id"] for each in changed["resources"]] == ["c", "new", "b"]
    assert changed["resources"][1]["outputs"] == {"name": "x", "id": "new"}
    assert to_read == [old["urn"]]
    assert "pending_operations" not in changed


def test_a_replacement_that_was_made_leaves_the_old_one_to_its_deletion() -> None:
    document = {
        "resources": [resource("a", id="old")],
        "pending_operations": [{"resource": resource("a"), "type": "creating"}],
    }
    changed, _ = recovered_deployment(document, {0: "new"})
    assert [(each["id"], each.get("delete", False)) for each in changed["resources"]] == [("old", True), ("new", False)]


def test_what_was_updated_or_deleted_is_read_by_its_id() -> None:
    """An update may come with a new name."""
    document = {
        "resources": [resource("a", id="1"), resource("b", id="2"), resource("c", id="3")],
        "pending_operations": [
            {"resource": resource("renamed", id="1"), "type": "updating"},
            {"resource": resource("b", id="2"), "type": "deleting"},
            {"resource": resource("d"), "type": "creating"},
        ],
    }
    changed, to_read = recovered_deployment(document, {})
    assert [urn.rpartition("::")[2] for urn in to_read] == ["a", "b"]
    assert changed["resources"] == document["resources"]


def test_a_resource_without_what_it_needs_is_refused() -> None:
    begun = resource("a", parent="urn:pulumi:s::p::t:t:T::nowhere")
    with pytest.raises(StateError, match="nowhere, which is not in the state"):
        recovered_deployment({"pending_operations": [{"resource": begun, "type": "creating"}]}, {0: "1"})


@pytest.fixture
def interrupted_file(tmp_path: Path) -> StateFile:
    """A state with an operation that was begun, whose inputs have a secret."""
    file = StateFile(f"file://{tmp_path}", "p", "s")
    begun = ResourceState("urn:pulumi:s::p::t:t:T::a", "t:t:T", custom=True, inputs={"list": [Secret("hidden")]})
    text = SnapshotEncoder(Crypter.new("word")).encode(file.full_name, [], [PendingOperation(begun, "creating")])
    file.write(text)
    return file


ENVIRON = {"PULUMI_CONFIG_PASSPHRASE": "word"}


def test_secrets_of_what_was_begun_are_read_and_not_shown(interrupted_file: StateFile) -> None:
    (found,) = read_interrupted_state(interrupted_file, ENVIRON).pending
    assert found.inputs == {"list": ["hidden"]}
    assert "hidden" not in repr(found)


def test_what_was_made_is_in_the_state_with_its_secrets_encrypted(interrupted_file: StateFile) -> None:
    (urn,) = recover_state(interrupted_file, read_interrupted_state(interrupted_file, ENVIRON), {0: "id"})
    item = interrupted_file.store.read(interrupted_file.key)
    assert item is not None
    assert b"hidden" not in item.content
    after = read_interrupted_state(interrupted_file, ENVIRON)
    assert after.pending == ()
    assert resource_ids(after.document) == {"id"}
    assert urn == "urn:pulumi:s::p::t:t:T::a"


def test_a_state_that_was_changed_meanwhile_is_left_alone(interrupted_file: StateFile) -> None:
    found = read_interrupted_state(interrupted_file, ENVIRON)
    interrupted_file.write_latest({**found.document, "resources": [resource("other", id="2")]})
    before = interrupted_file.store.read(interrupted_file.key)
    with pytest.raises(StateError, match="has changed since it was read"):
        recover_state(interrupted_file, found, {})
    assert interrupted_file.store.read(interrupted_file.key) == before
