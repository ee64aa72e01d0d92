"""A sweep checks again after locking, and skips environments that have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.stack_images import StackImages
from ops.previews import metadata, sweep
from ops.previews.cloud import Cloud, CloudObject
from ops.previews.inventory import Preview, RecordedState
from ops.previews.metadata import PreviewMetadata
from ops.previews.parent import Parent
from ops.previews.stack import PreviewStack
from ops.previews.sweep import Sweep, SweepAction, SweepDecision, SweepResult
from ops.previews.template import Template
from ops.scaleway.catalogue import CONTAINER
from tests.support.memory_store import MemoryStore

NAME = "pr-7"
ABOUT = PreviewMetadata("feature", 7, "octo/snu", "2026-06-01T12:00:00+00:00")
THING = CloudObject(CONTAINER, f"{NAME}-api", "id", NAME, "ready")
STATE = RecordedState(datetime.now(UTC), 3, {}, None)


@dataclass
class World:
    """An environment, and the changes of an ``env up`` while the sweep waits for the lock."""

    store: MemoryStore = field(default_factory=MemoryStore)
    things: list[CloudObject] = field(default_factory=list)
    state: RecordedState | None = None
    meanwhile: Callable[[World], None] = lambda _world: None
    done: list[str] = field(default_factory=list)

    @property
    def parent(self) -> Parent:
        return cast(Parent, SimpleNamespace(store=self.store, project="snu"))

    @property
    def cloud(self) -> Cloud:
        def list_objects() -> Any:
            return SimpleNamespace(of=lambda name: [each for each in self.things if each.preview == name])

        def remove(thing: CloudObject) -> None:
            self.done.append(f"remove {thing.name}")

        return cast(
            Cloud,
            SimpleNamespace(
                list_objects=list_objects,
                remove=remove,
                stop_runs=lambda _name: None,
                wait_until_gone=lambda *_arguments: [],
            ),
        )

    @contextmanager
    def locked(self, *_arguments: object) -> Iterator[None]:
        meanwhile, self.meanwhile = self.meanwhile, lambda _world: None
        meanwhile(self)
        yield

    def open(self, *_arguments: object, **_options: object) -> Any:
        return OpenedStack(self)


@dataclass
class OpenedStack:
    """The part that a sweep uses."""

    world: World

    @property
    def session(self) -> Any:
        return SimpleNamespace(locked=self.world.locked)

    @property
    def state(self) -> RecordedState | None:
        return self.world.state

    def forget(self) -> None:
        self.world.done.append("forget")


def carry_out(world: World, action: SweepAction, monkeypatch: pytest.MonkeyPatch) -> SweepResult:
    """Run a decision on the current objects."""
    monkeypatch.setattr(PreviewStack, "open", world.open)
    monkeypatch.setattr(sweep, "destroy_locked", lambda *_arguments: world.done.append("end"))
    verdict = SweepDecision(Preview(NAME, ABOUT, world.state, tuple(world.things)), action, "it is closed")
    return Sweep(world.parent, world.cloud, EngineChoice.EMBEDDED, None).run([verdict])


def brought_up_again(world: World) -> None:
    later = PreviewMetadata(ABOUT.branch, ABOUT.pull_request, ABOUT.repository, "2026-06-01T13:00:00+00:00")
    metadata.write(world.store, "snu", NAME, later)


def containers_made(world: World) -> None:
    world.things.append(THING)


def resources_made(world: World) -> None:
    world.state = STATE


@pytest.mark.parametrize(
    ("action", "meanwhile"),
    [
        (SweepAction.DOWN, brought_up_again),
        (SweepAction.REMOVE, brought_up_again),
        (SweepAction.FORGET, brought_up_again),
        (SweepAction.FORGET, containers_made),
        (SweepAction.REMOVE, resources_made),
    ],
)
def test_an_environment_that_changed_is_skipped(
    action: SweepAction, meanwhile: Callable[[World], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(things=[THING] if action is SweepAction.REMOVE else [], meanwhile=meanwhile)
    metadata.write(world.store, "snu", NAME, ABOUT)
    outcome = carry_out(world, action, monkeypatch)
    assert outcome == SweepResult({}, {NAME: "it has changed in the meantime"})
    assert world.done == []


@pytest.mark.parametrize(
    ("action", "done"),
    [
        (SweepAction.DOWN, ["end", "forget"]),
        (SweepAction.FORGET, ["end", "forget"]),
        (SweepAction.REMOVE, ["end", f"remove {NAME}-api", "forget"]),
    ],
)
def test_an_unchanged_environment_is_removed(
    action: SweepAction, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(things=[THING] if action is SweepAction.REMOVE else [])
    metadata.write(world.store, "snu", NAME, ABOUT)
    assert carry_out(world, action, monkeypatch) == SweepResult({}, {})
    assert world.done == done


# --- what previews need of the foundation -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("previewNamespaceId", "Set `snu:previews: true` in its file and run `scripts/snu up"),
        ("projectId", "Run `scripts/snu up"),
    ],
)
def test_a_foundation_without_an_output_is_named(output: str, advice: str) -> None:
    identity = SimpleNamespace(foundation="foundation-ci")
    environment = SimpleNamespace(settings=SimpleNamespace(environment=identity))
    parent = Parent(cast(Template, None), cast(StackImages, environment), {})
    vars(parent)["_foundation"] = {}

    def read() -> str:
        return parent.namespace_id if output == "previewNamespaceId" else parent.project_id

    with pytest.raises(OpsError, match=f"foundation-ci has no output {output}.*{advice}") as refused:
        read()
    assert refused.value.code is ExitCode.FAILED
    vars(parent)["_foundation"] = {output: "fr-par/1"}
    assert read() == "fr-par/1"
