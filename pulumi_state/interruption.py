"""Recovers a stack's state after an interrupted run: reads its pending operations and removes them from the state.

Works on the checkpoint itself, with secrets still encrypted, and therefore with both engines. The caller must determine
whether a pending operation was carried out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi_state.errors import StateError
from pulumi_state.passphrase import Crypter, passphrase_from
from pulumi_state.snapshot import now
from pulumi_state.state_file import StateFile
from pulumi_state.values import unwrap

CREATING, UPDATING, DELETING = "creating", "updating", "deleting"

Document = dict[str, Any]


@dataclass(frozen=True)
class InterruptedOperation:
    """An operation that was started but has no outcome in the state."""

    operation: str
    """One of ``creating``, ``updating`` and ``deleting``, or another type recorded by the Pulumi CLI."""
    urn: str
    type: str
    custom: bool
    id: str
    inputs: Mapping[str, Any] = field(repr=False)
    """Decrypted inputs, for comparison only; never display them."""


@dataclass(frozen=True)
class InterruptedState:
    """A stack's state and its pending operations."""

    pending: tuple[InterruptedOperation, ...]
    known: frozenset[str]
    """IDs of the resources in the state."""
    document: Document = field(repr=False)
    """The state as it was read; ``recover_state`` requires that it has not changed since then."""


# --- documents ------------------------------------------------------------------------------------------


def resource_ids(deployment: Document) -> frozenset[str]:
    """Return the IDs of the resources in a state."""
    return frozenset(str(resource["id"]) for resource in deployment.get("resources") or [] if resource.get("id"))


def recovered_deployment(
    deployment: Document, adopted: Mapping[int, str], gone: Collection[int] = ()
) -> tuple[Document, list[str]]:
    """Return the state without its pending operations, and the URNs of the resources to refresh.

    ``adopted`` maps indexes of pending operations to the IDs of the resources they created. These resources are added
    to the state, with their inputs as outputs until they are refreshed. ``gone`` contains the indexes of operations on
    resources that no longer exist. Raises StateError if a resource refers to one that is not in the state.
    """
    resources: list[Document] = list(deployment.get("resources") or [])
    to_read: list[str] = []
    for index, operation in enumerate(deployment.get("pending_operations") or []):
        pending = operation["resource"]
        if index in adopted:
            resources = _with_adopted(resources, pending, adopted[index])
            to_read.append(pending["urn"])
        elif index in gone:
            resources = [item for item in resources if not _is_same(item, pending) or item.get("pendingReplacement")]
        elif operation["type"] in (UPDATING, DELETING) and pending.get("custom"):
            to_read += [item["urn"] for item in resources if _is_same(item, pending)]
    changed = {key: value for key, value in deployment.items() if key != "pending_operations"}
    changed["resources"] = _sorted(_without_dangling_references(resources) if gone else resources)
    return changed, list(dict.fromkeys(to_read))


def _is_same(resource: Document, pending: Document) -> bool:
    """Whether both are the same resource; compares IDs because an update may change the URN."""
    return bool(resource.get("id")) and resource.get("id") == pending.get("id") and resource["type"] == pending["type"]


def _without_dangling_references(resources: list[Document]) -> list[Document]:
    """Remove references to parents and dependencies that no longer exist."""
    known = {resource["urn"] for resource in resources}
    kept = []
    for resource in resources:
        if not _references(resource) <= known:
            resource = {
                **resource,
                "parent": resource.get("parent") if resource.get("parent") in known else "",
                "dependencies": [urn for urn in resource.get("dependencies") or () if urn in known],
                "propertyDependencies": {
                    key: [urn for urn in urns or () if urn in known]
                    for key, urns in (resource.get("propertyDependencies") or {}).items()
                },
            }
        kept.append(resource)
    return kept


def _with_adopted(resources: list[Document], pending: Document, resource_id: str) -> list[Document]:
    """Add a created resource as a completed creation would; the one it replaces is removed or marked for deletion."""
    timestamp = now()
    adopted = {
        **pending,
        "id": resource_id,
        "outputs": {**_without_defaults(pending.get("inputs") or {}), "id": resource_id},
        "created": timestamp,
        "modified": timestamp,
    }
    kept = []
    for resource in resources:
        if resource["urn"] == pending["urn"] and not resource.get("delete"):
            if resource.get("pendingReplacement"):
                continue
            resource = {**resource, "delete": True}
        kept.append(resource)
    return [*kept, adopted]


def _without_defaults(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_defaults(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_defaults(item) for key, item in value.items() if key != "__defaults"}
    return value


def _references(resource: Document) -> set[str]:
    references = {str(resource.get("provider") or "").rpartition("::")[0], str(resource.get("parent") or "")}
    references.update(resource.get("dependencies") or ())
    for urns in (resource.get("propertyDependencies") or {}).values():
        references.update(urns or ())
    return references - {""}


def _sorted(resources: list[Document]) -> list[Document]:
    """Sort resources so that each follows the ones it refers to, otherwise keeping their order."""
    by_urn: dict[str, list[Document]] = {}
    for resource in resources:
        by_urn.setdefault(resource["urn"], []).append(resource)
    placed: set[int] = set()
    ordered: list[Document] = []

    def place(resource: Document) -> None:
        if id(resource) in placed:
            return
        placed.add(id(resource))
        for urn in sorted(_references(resource)):
            if urn not in by_urn:
                raise StateError(f"{resource['urn']} refers to {urn}, which is not in the state")
            for referenced in by_urn[urn]:
                place(referenced)
        ordered.append(resource)

    for resource in resources:
        place(resource)
    return ordered


# --- a stack in its backend ------------------------------------------------------------------------------


def read_interrupted_state(file: StateFile, environ: Mapping[str, str]) -> InterruptedState:
    """Read a state's pending operations; ``environ`` contains the passphrase. Raises PulumiError if that fails."""
    checkpoint = file.read()
    if checkpoint is None or checkpoint.salt is None or not checkpoint.latest.get("pending_operations"):
        return InterruptedState((), frozenset(), {} if checkpoint is None else checkpoint.latest)
    snapshot = checkpoint.snapshot(Crypter.open(passphrase_from(environ), checkpoint.salt))
    pending = tuple(
        InterruptedOperation(
            operation.type,
            operation.resource.urn,
            operation.resource.type,
            operation.resource.custom,
            operation.resource.id,
            unwrap(operation.resource.inputs),
        )
        for operation in snapshot.pending_operations
    )
    return InterruptedState(pending, resource_ids(checkpoint.latest), checkpoint.latest)


def recover_state(
    file: StateFile, interrupted: InterruptedState, adopted: Mapping[int, str], gone: Collection[int] = ()
) -> list[str]:
    """Write the recovered state and return the URNs of the resources to refresh; see ``recovered_deployment``.

    Raises PulumiError, leaving the state unchanged, if the state differs from ``interrupted`` or the stack is locked.
    """
    if not interrupted.pending:
        return []
    with file.locked():
        checkpoint = file.read()
        if checkpoint is None or checkpoint.latest != interrupted.document:
            raise StateError("the state has changed since it was read; run `scripts/snu recover` again")
        latest, to_read = recovered_deployment(checkpoint.latest, adopted, gone)
        file.write_latest(latest)
    return to_read


def pending_operations(deployment: Document) -> list[tuple[str, str]]:
    """Return the operations and URNs that an earlier run left pending; requires no passphrase."""
    operations = deployment.get("pending_operations") or []
    return [(str(each.get("type")), str((each.get("resource") or {}).get("urn"))) for each in operations]
