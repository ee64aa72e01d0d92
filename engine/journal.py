"""Keeps the stored state up to date during an update, including completed and pending operations.

Follows Pulumi's snapshot manager (``pkg/backend/snapshot.go``): registered resources come first, in order of
completion, followed by those that the program has not registered yet.
"""

from __future__ import annotations

import asyncio

from pulumi_state.snapshot import PendingOperation, ResourceState, Snapshot, SnapshotEncoder
from pulumi_state.state_file import StateFile


class Journal:
    """The state during an update. Concurrent writes are coalesced."""

    def __init__(
        self, base: Snapshot, file: StateFile | None, encoder: SnapshotEncoder, *, keeps_references: bool = False
    ) -> None:
        """``file`` is None for a preview, which writes nothing.

        ``keeps_references``: whether resources may keep references to resources that are registered later or not at all
        (an update of some targets only).
        """
        self._keeps_references = keeps_references
        self._base = list(base.resources)
        self._file = file
        self._encoder = encoder
        self._finished: list[ResourceState] = []
        self._gone: set[ResourceState] = set()
        self._pending: dict[ResourceState, PendingOperation] = {
            operation.resource: operation
            for operation in base.pending_operations
            if operation.type == "creating"  # only these may have left a resource that is not in the state
        }
        self._writing = asyncio.Lock()
        self._version = 0
        self._written = 0

    def resources(self) -> list[ResourceState]:
        finished = [resource for resource in self._finished if resource not in self._gone]
        resources = finished + [resource for resource in self._base if resource not in self._gone]
        return _in_order(resources) if self._keeps_references else resources

    def snapshot(self) -> Snapshot:
        return Snapshot(self.resources(), list(self._pending.values()))

    async def begin(self, resource: ResourceState, operation: str) -> None:
        """Record that ``operation`` (``creating``, ``updating``, ``deleting``) is about to start."""
        self._pending[resource] = PendingOperation(resource, operation)
        await self._save()

    async def end(
        self,
        pending: ResourceState | None = None,
        *,
        done: ResourceState | None = None,
        gone: ResourceState | None = None,
        changed: ResourceState | None = None,
        save: bool = True,
    ) -> None:
        """Record a finished operation and the resources that are ``done``, ``gone`` or ``changed`` in place.

        Without ``save``, the record is written with a later operation or by ``flush``.
        """
        if pending is not None:
            self._pending.pop(pending, None)
            self._encoder.forget(pending)
        if done is not None and all(done is not finished for finished in self._finished):
            self._finished.append(done)
        if gone is not None:
            self._gone.add(gone)
            if done is not None and done.urn != gone.urn:
                self._rename(gone.urn, done.urn)
        if changed is not None:
            self._encoder.forget(changed)
        if save:
            await self._save()

    def _rename(self, former: str, urn: str) -> None:
        """Update references to a resource whose URN has changed."""

        def renamed(reference: str) -> str:
            return urn if reference == former else reference

        for resource in self.resources():
            if former not in resource.references():
                continue
            resource.parent = renamed(resource.parent)
            if resource.provider_urn == former:
                resource.provider = f"{urn}::{resource.provider.rpartition('::')[2]}"
            resource.dependencies = [renamed(item) for item in resource.dependencies]
            resource.property_dependencies = {
                key: [renamed(item) for item in items] for key, items in resource.property_dependencies.items()
            }
            self._encoder.forget(resource)

    def drop_dangling_references(self) -> None:
        """Remove references to parents and dependencies that no longer exist."""
        resources = self.resources()
        known = {resource.urn for resource in resources}
        for resource in resources:
            if resource.references() <= known:
                continue
            resource.parent = resource.parent if resource.parent in known else ""
            resource.dependencies = [item for item in resource.dependencies if item in known]
            kept = {
                key: [item for item in items if item in known] for key, items in resource.property_dependencies.items()
            }
            resource.property_dependencies = {key: items for key, items in kept.items() if items}
            self._encoder.forget(resource)

    async def _save(self) -> None:
        """Write the state, or wait for a concurrent write that includes all changes so far."""
        if self._file is None:
            return
        self._version += 1
        required = self._version
        async with self._writing:
            if self._written >= required:
                return
            version = self._version
            text = self._encoder.encode(self._file.full_name, self.resources(), self._pending.values())
            await asyncio.to_thread(self._file.write, text)
            self._written = version

    async def flush(self) -> None:
        await self._save()


def _in_order(resources: list[ResourceState]) -> list[ResourceState]:
    """Return the resources with each one after those that it refers to, as states require, otherwise unchanged."""
    by_urn: dict[str, list[ResourceState]] = {}
    for resource in resources:
        by_urn.setdefault(resource.urn, []).append(resource)
    ordered: dict[ResourceState, None] = {}

    def add(resource: ResourceState, above: frozenset[ResourceState]) -> None:
        if resource in ordered or resource in above:
            return
        for urn in sorted(resource.references()):
            for referenced in by_urn.get(urn, ()):
                add(referenced, above | {resource})
        ordered[resource] = None

    for resource in resources:
        add(resource, frozenset())
    return list(ordered)
