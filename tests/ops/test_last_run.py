"""A state that was overwritten by a run without its lock is distinguished from every other change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.state.last_run import Observed, forget, observe, remember, restore
from pulumi_state.store import ABSENT, ConflictError, layout
from tests.support.memory_store import MemoryStore

STACK = ("snu", "dev")
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""When the last run began."""


def minutes(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


def resource(name: str, made: float, changed: float | None = None) -> dict[str, Any]:
    """Times in minutes from the begin of the last run."""
    modified = minutes(made if changed is None else changed)
    return {
        "urn": f"urn:pulumi:dev::snu::t::{name}",
        "id": f"id-of-{name}",
        "created": minutes(made).isoformat().replace("+00:00", "Z"),
        "modified": modified.isoformat().replace("+00:00", "Z"),
    }


OLD = [resource("kept", -60), resource("changed", -60), resource("removed", -60)]
NEW = [resource("kept", -60), resource("changed", -60, 2), resource("made", 3)]


@dataclass
class Stack:
    store: MemoryStore

    def write(self, *resources: dict[str, Any], version: str = "") -> bytes:
        latest = {"manifest": {"version": version}, "resources": list(resources)}
        content = json.dumps({"version": 3, "checkpoint": {"stack": "dev", "latest": latest}}).encode()
        self.store.write(layout.checkpoint(*STACK), content)
        return content

    def record(self, begun: float, ended: float) -> None:
        """The record of a run."""
        times = {"startTime": int(minutes(begun).timestamp()), "endTime": int(minutes(ended).timestamp())}
        key = f"{layout.history(*STACK)}dev-{int(minutes(ended).timestamp())}000000000.history.json"
        self.store.write(key, json.dumps({"kind": "update", "result": "succeeded", **times}).encode())

    @property
    def is_overwritten(self) -> bool:
        return observe(self.store, *STACK).overwritten is not None


@pytest.fixture
def stack() -> Stack:
    """As its last run of five minutes has left it; there was another one before."""
    found = Stack(MemoryStore())
    found.record(-70, -60)
    found.write(*NEW)
    found.record(0, 5)
    remember(found.store, *STACK, Observed(NOW, None, ABSENT, None))
    return found


def test_what_the_last_run_left(stack: Stack) -> None:
    assert not stack.is_overwritten
    assert not Stack(MemoryStore()).is_overwritten


def test_a_run_that_began_before_and_ended_after(stack: Stack) -> None:
    """Even where it wrote what looks new."""
    stack.write(resource("kept", -60, 7), version="another")
    stack.record(-10, 8)
    assert stack.is_overwritten


@pytest.mark.parametrize("begun", [0, 6])
def test_a_later_run(stack: Stack, begun: float) -> None:
    stack.write(resource("other", 7))
    stack.record(begun, 9)
    assert not stack.is_overwritten


def test_a_later_run_after_all_that(stack: Stack) -> None:
    """It has worked on what was overwritten: to restore would lose what it did."""
    stack.write(*OLD)
    stack.record(-10, 8)
    stack.write(*OLD, resource("other", 10))
    stack.record(9, 11)
    assert not stack.is_overwritten


@pytest.mark.parametrize(
    ("resources", "older"),
    [
        (OLD, True),
        ([resource("kept", -60), resource("removed", -60)], True),
        ([resource("kept", -60), resource("changed", -60)], True),
        ([resource("kept", -60), resource("changed", -60, 9), resource("made", 3), resource("other", 8)], False),
        ([resource("kept", -60)], False),
        ([], False),
    ],
    ids=["all of it", "back again", "unchanged again", "going on", "deleting", "all deleted"],
)
def test_a_run_that_left_no_record(stack: Stack, resources: list[dict[str, Any]], older: bool) -> None:
    """It was killed. What it wrote shows whether it began from what the last run left."""
    stack.write(*resources)
    assert stack.is_overwritten is older


def test_the_newer_state_is_restored_and_the_other_one_kept(stack: Stack) -> None:
    newer = stack.store.read(layout.checkpoint(*STACK))
    assert newer is not None
    stack.write(*OLD, resource("orphan", 7))
    stack.record(-10, 8)
    found = observe(stack.store, *STACK).overwritten
    assert found is not None
    assert found.unknown == ("orphan (id-of-orphan)", "removed (id-of-removed)")
    kept = stack.store.read(restore(stack.store, *STACK, found))
    assert kept is not None
    assert "id-of-orphan" in kept.content.decode()
    assert stack.store.read(layout.checkpoint(*STACK)) == newer
    assert not stack.is_overwritten


def test_a_run_that_only_refused_does_not_count(stack: Stack) -> None:
    stack.write(*OLD)
    begun = observe(stack.store, *STACK)
    remember(stack.store, *STACK, begun)
    assert stack.is_overwritten
    stack.write(*OLD, version="imported from a backup by a run of its own")
    remember(stack.store, *STACK, begun)
    assert not stack.is_overwritten


def test_a_run_that_was_overtaken_does_not_count(stack: Stack) -> None:
    paused = observe(stack.store, *STACK)
    stack.write(*NEW, resource("more", 9))
    remember(stack.store, *STACK, observe(stack.store, *STACK))
    stack.write(*NEW)
    with pytest.raises(ConflictError):
        remember(stack.store, *STACK, paused)


def test_what_another_version_remembers_is_left_alone(stack: Stack) -> None:
    (key,) = (each.key for each in stack.store.entries(".snu/last-run/"))
    stack.write(*OLD)
    for content in (b'{"version": 2}', b"{", b"[]"):
        stack.store.write(key, content)
        assert not stack.is_overwritten


def test_a_stack_that_goes_away_is_forgotten(stack: Stack) -> None:
    begun = observe(stack.store, *STACK)
    stack.store.delete(layout.checkpoint(*STACK))
    remember(stack.store, *STACK, begun)
    assert stack.store.entries(".snu/") == []
    remember(stack.store, *STACK, observe(stack.store, *STACK))
    forget(stack.store, *STACK)
    assert stack.store.entries(".snu/") == []
