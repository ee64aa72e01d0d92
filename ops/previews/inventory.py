"""Inventory of preview environments, built from the states in the parent's store and from live objects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops.errors import OpsError
from ops.previews import metadata, names
from ops.previews.cloud import CloudObject, CloudObjects
from ops.previews.metadata import PreviewMetadata
from ops.previews.parent import Parent
from ops.state.checkpoint import outputs_in, read_checkpoint, resources_on_scaleway
from pulumi_state.store.checkpoints import stacks_in


@dataclass(frozen=True)
class RecordedState:
    """The parts of a preview environment's state that the inventory needs."""

    modified: datetime
    resources: int
    """Number of resources, excluding the stack, components and providers."""
    outputs: dict[str, Any]
    salt: str | None


@dataclass(frozen=True)
class Preview:
    """A preview environment."""

    name: str
    metadata: PreviewMetadata | None
    state: RecordedState | None
    objects: tuple[CloudObject, ...]
    problem: str = ""
    """Why its state could not be read."""

    @property
    def pull_request(self) -> int | None:
        return names.pull_request_of(self.name)

    @property
    def branch(self) -> str | None:
        return self.metadata.branch if self.metadata else None

    @property
    def updated(self) -> datetime | None:
        """Time of the last ``env up`` or, if unknown, of the last write to its state."""
        if self.metadata:
            return self.metadata.time
        return self.state.modified if self.state else None

    def age(self) -> float | None:
        """Hours since its last update; None if unknown."""
        return (datetime.now(UTC) - self.updated).total_seconds() / 3600 if self.updated else None

    @property
    def urls(self) -> dict[str, str]:
        return _strings(self.state.outputs.get("urls")) if self.state else {}

    @property
    def is_orphan(self) -> bool:
        """Whether it exists on Scaleway but not in any state."""
        return bool(self.objects) and not self.problem and (self.state is None or not self.state.resources)

    @property
    def is_forgotten(self) -> bool:
        """Whether it has a state or metadata but no objects on Scaleway."""
        return not self.objects and not self.problem


def state_of(parent: Parent, name: str, modified: datetime) -> RecordedState | None:
    """The recorded state, or None if it no longer exists. Raises OpsError if it cannot be read."""
    checkpoint = read_checkpoint(parent.store, parent.project, name)
    if checkpoint is None:
        return None
    modified = modified if modified.tzinfo else modified.replace(tzinfo=UTC)
    return RecordedState(
        modified, len(resources_on_scaleway(checkpoint)), outputs_in(checkpoint.latest), checkpoint.salt
    )


def list_previews(parent: Parent, live: CloudObjects, only: str | None = None) -> list[Preview]:
    """All preview environments sorted by name, or just the one named ``only``.

    If an environment's state cannot be read, its ``problem`` contains the error. Raises StoreError if the store cannot
    be read.
    """
    stacks = {name: time for name, time in stacks_in(parent.store, parent.project).items() if names.is_preview(name)}
    documents = {name for name in metadata.known(parent.store, parent.project) if names.is_preview(name)}
    known = stacks.keys() | documents | {each.preview for each in live.objects}
    return [
        _preview(parent, live, name, stacks.get(name), has_document=name in documents)
        for name in sorted(known)
        if only is None or name == only
    ]


def _preview(
    parent: Parent, live: CloudObjects, name: str, modified: datetime | None, *, has_document: bool
) -> Preview:
    known = metadata.read(parent.store, parent.project, name) if has_document else None
    state, problem = None, ""
    try:
        state = state_of(parent, name, modified) if modified else None
    except OpsError as error:
        problem = str(error)
    return Preview(name, known, state, tuple(live.of(name)), problem)


def _strings(value: Any) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}
