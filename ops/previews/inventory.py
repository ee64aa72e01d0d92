"""Which preview environments there are: by the states in the parent's store, and by what is in the cloud."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops.errors import OpsError
from ops.previews import metadata as abouts
from ops.previews import names
from ops.previews.cloud import CloudObject, CloudObjects
from ops.previews.metadata import PreviewMetadata
from ops.previews.parent import Parent
from ops.state.checkpoint import outputs_in, read_checkpoint, resources_on_scaleway
from pulumi_state.store.checkpoints import stacks_in


@dataclass(frozen=True)
class RecordedState:
    """What the state of a preview environment says."""

    modified: datetime
    resources: int
    """Real ones, neither the stack nor components nor providers."""
    outputs: dict[str, Any]
    salt: str | None


@dataclass(frozen=True)
class Preview:
    """A preview environment."""

    name: str
    about: PreviewMetadata | None
    state: RecordedState | None
    things: tuple[CloudObject, ...]
    problem: str = ""
    """Why its state could not be read."""

    @property
    def pull_request(self) -> int | None:
        return names.pull_request_of(self.name)

    @property
    def branch(self) -> str | None:
        return self.about.branch if self.about else None

    @property
    def updated(self) -> datetime | None:
        """The last ``env up``; where that is not known, the last write of its state."""
        if self.about:
            return self.about.time
        return self.state.modified if self.state else None

    def age(self) -> float | None:
        """Hours since its last update; None where that is not known."""
        return (datetime.now(UTC) - self.updated).total_seconds() / 3600 if self.updated else None

    @property
    def urls(self) -> dict[str, str]:
        return _texts(self.state.outputs.get("urls")) if self.state else {}

    @property
    def is_orphan(self) -> bool:
        """Whether it is in the cloud, and no state knows it."""
        return bool(self.things) and not self.problem and (self.state is None or not self.state.resources)

    @property
    def is_forgotten(self) -> bool:
        """Whether there is a state or a document, and nothing in the cloud."""
        return not self.things and not self.problem


def state_of(parent: Parent, name: str, modified: datetime) -> RecordedState | None:
    """None where there is none any more. Raises OpsError when it cannot be read."""
    checkpoint = read_checkpoint(parent.store, parent.project, name)
    if checkpoint is None:
        return None
    modified = modified if modified.tzinfo else modified.replace(tzinfo=UTC)
    return RecordedState(
        modified, len(resources_on_scaleway(checkpoint)), outputs_in(checkpoint.latest), checkpoint.salt
    )


def look(parent: Parent, found: CloudObjects, only: str | None = None) -> list[Preview]:
    """All preview environments, or the one of a name where it is there, in the order of their names.

    One whose state cannot be read has that as its problem. Raises StoreError when the store cannot be used.
    """
    stacks = {name: time for name, time in stacks_in(parent.store, parent.project).items() if names.is_preview(name)}
    documents = {name for name in abouts.known(parent.store, parent.project) if names.is_preview(name)}
    known = stacks.keys() | documents | {thing.preview for thing in found.things}
    return [
        _preview(parent, found, name, stacks.get(name), has_document=name in documents)
        for name in sorted(known)
        if only is None or name == only
    ]


def _preview(
    parent: Parent, found: CloudObjects, name: str, modified: datetime | None, *, has_document: bool
) -> Preview:
    about = abouts.read(parent.store, parent.project, name) if has_document else None
    state, problem = None, ""
    try:
        state = state_of(parent, name, modified) if modified else None
    except OpsError as error:
        problem = str(error)
    return Preview(name, about, state, tuple(found.of(name)), problem)


def _texts(value: Any) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}
