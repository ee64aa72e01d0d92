"""After a kill: what an interrupted run has left in a stack's state, and the state without it.

The same for both engines: it works on the checkpoint itself, in which secrets stay encrypted. What is in the cloud is
looked up elsewhere.
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
    """An operation that was begun and whose end the state does not know."""

    operation: str
    """``creating``, ``updating``, ``deleting``, or another word of the Pulumi CLI's."""
    urn: str
    type: str
    custom: bool
    id: str
    inputs: Mapping[str, Any] = field(repr=False)
    """In clear: for comparisons, never to be shown."""


@dataclass(frozen=True)
class InterruptedState:
    """What was found in a stack's state."""

    pending: tuple[InterruptedOperation, ...]
    known: frozenset[str]
    """Ids of the resources that the state has."""
    document: Document = field(repr=False)
    """The state when it was looked at; it must still be so when it is recovered."""


# --- documents ------------------------------------------------------------------------------------------


def known_ids(deployment: Document) -> frozenset[str]:
    return frozenset(str(resource["id"]) for resource in deployment.get("resources") or [] if resource.get("id"))


def recovered(
    deployment: Document, adopted: Mapping[int, str], gone: Collection[int] = ()
) -> tuple[Document, list[str]]:
    """The state without its pending operations, and the URNs of the resources that are to be read from the cloud.

    ``adopted``: by place in the list of pending operations, the id of what was created; it becomes a resource of
    the state, whose outputs are its inputs until it is read. ``gone``: places of what was deleted. Raises StateError
    when a resource needs another one that is not in the state.
    """
    resources: list[Document] = list(deployment.get("resources") or [])
    to_read: list[str] = []
    for place, operation in enumerate(deployment.get("pending_operations") or []):
        begun = operation["resource"]
        if place in adopted:
            resources = _with_adopted(resources, begun, adopted[place])
            to_read.append(begun["urn"])
        elif place in gone:
            resources = [each for each in resources if not _is(each, begun) or each.get("pendingReplacement")]
        elif operation["type"] in (UPDATING, DELETING) and begun.get("custom"):
            to_read += [each["urn"] for each in resources if _is(each, begun)]
    changed = {key: value for key, value in deployment.items() if key != "pending_operations"}
    changed["resources"] = _in_order(_without_dangling(resources) if gone else resources)
    return changed, list(dict.fromkeys(to_read))


def _is(resource: Document, begun: Document) -> bool:
    """Whether it is the resource of an operation; an update may rename it, so the id tells."""
    return bool(resource.get("id")) and resource.get("id") == begun.get("id") and resource["type"] == begun["type"]


def _without_dangling(resources: list[Document]) -> list[Document]:
    """What is gone is nobody's parent and nobody's dependency any more."""
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


def _with_adopted(resources: list[Document], begun: Document, resource_id: str) -> list[Document]:
    """As the creation would have left it: what it replaces is gone, or waits for its deletion."""
    moment = now()
    made = {
        **begun,
        "id": resource_id,
        "outputs": {**_without_defaults(begun.get("inputs") or {}), "id": resource_id},
        "created": moment,
        "modified": moment,
    }
    kept = []
    for resource in resources:
        if resource["urn"] == begun["urn"] and not resource.get("delete"):
            if resource.get("pendingReplacement"):
                continue
            resource = {**resource, "delete": True}
        kept.append(resource)
    return [*kept, made]


def _without_defaults(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_defaults(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_defaults(item) for key, item in value.items() if key != "__defaults"}
    return value


def _references(resource: Document) -> set[str]:
    found = {str(resource.get("provider") or "").rpartition("::")[0], str(resource.get("parent") or "")}
    found.update(resource.get("dependencies") or ())
    for urns in (resource.get("propertyDependencies") or {}).values():
        found.update(urns or ())
    return found - {""}


def _in_order(resources: list[Document]) -> list[Document]:
    """Each after what it refers to, otherwise in the order given."""
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
                raise StateError(f"{resource['urn']} needs {urn}, which is not in the state")
            for needed in by_urn[urn]:
                place(needed)
        ordered.append(resource)

    for resource in resources:
        place(resource)
    return ordered


# --- a stack in its backend ------------------------------------------------------------------------------


def look(file: StateFile, environ: Mapping[str, str]) -> InterruptedState:
    """What an interrupted run has left; ``environ`` has the passphrase. Raises PulumiError when it cannot be read."""
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
    return InterruptedState(pending, known_ids(checkpoint.latest), checkpoint.latest)


def mend(file: StateFile, found: InterruptedState, adopted: Mapping[int, str], gone: Collection[int] = ()) -> list[str]:
    """Write the state as it ought to be, see ``recovered``.

    Returns the URNs of the resources that are to be read from the cloud. Raises PulumiError, and the state is as it
    was, when it is no longer what ``look`` has found, or when another process has the stack's lock.
    """
    if not found.pending:
        return []
    with file.locked():
        checkpoint = file.read()
        if checkpoint is None or checkpoint.latest != found.document:
            raise StateError("the state has changed since it was looked at; run recover again")
        latest, to_read = recovered(checkpoint.latest, adopted, gone)
        file.write_latest(latest)
    return to_read


def pending_operations(deployment: Document) -> list[tuple[str, str]]:
    """Operation and URN of what an earlier run has not ended; needs no passphrase."""
    operations = deployment.get("pending_operations") or []
    return [(str(each.get("type")), str((each.get("resource") or {}).get("urn"))) for each in operations]
