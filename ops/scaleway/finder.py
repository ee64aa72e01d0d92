"""Finds resources on Scaleway: all resources of a kind, or the resource of an interrupted operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.catalogue import ResourceKind, bare, kind_of, snake_case
from ops.scaleway.client import Client, Object, ScalewayError
from ops.scaleway.list_call import Properties
from ops.steps import name_of

if TYPE_CHECKING:
    from pulumi_state.interruption import InterruptedOperation

_GONE = frozenset({"deleting", "deleted", "destroyed", "scheduled_for_deletion"})


class Finder:
    """Queries based on the catalogue. Raises OpsError if Scaleway refuses to list objects; queries change nothing."""

    def __init__(self, client: Client) -> None:
        self._client = client
        profile = client.profile
        self._defaults = {
            "region": profile.region,
            "projectId": profile.project_id,
            "organizationId": profile.organization_id,
            "path": "/",
        }

    def existing(
        self, kind: ResourceKind, query: Mapping[str, str], /, **properties: str
    ) -> Iterator[tuple[str, Object]]:
        """All objects of a kind that match the query, except those being deleted, as pairs of state id and object.

        ``properties`` complete the call's path and the ids.
        """
        known = {**self._defaults, **properties}
        try:
            for found in self._client.list(kind.listing, query, **known):
                if found.get("status") not in _GONE:
                    yield kind.id_of(found, known), found
        except ScalewayError as error:
            if not error.is_not_found:  # their parent no longer exists, so neither do they
                raise

    def find(self, pending: InterruptedOperation) -> list[str]:
        """Ids of the objects that match the resource that ``pending`` was creating."""
        return [found_id for found_id, same in self._candidates(pending) if same]

    def is_there(self, pending: InterruptedOperation) -> bool:
        """Whether the object that was being deleted is still listed, even under a different name.

        A read is not conclusive for every kind: for example, it returns 403 for a deleted Serverless SQL database.
        """
        has_own_id = _kind(pending).has_own_id
        return any(found_id == pending.id and (same or has_own_id) for found_id, same in self._candidates(pending))

    def remove(self, kind: ResourceKind, resource_id: str) -> None:
        """Delete an object, given its id in a state."""
        region, _, id_ = resource_id.rpartition("/")
        self._client.delete(kind.listing.object_at(region=region, id=id_))

    def _candidates(self, pending: InterruptedOperation) -> Iterator[tuple[str, bool]]:
        """Ids of the objects listed in the scope of ``pending``, and whether each is the pending object."""
        kind = _kind(pending)
        properties = self._properties(pending.inputs)
        missing = sorted(name for name in {*kind.listing.query, *kind.listing.path_properties} if not properties[name])
        if missing:
            raise OpsError(
                f"{name_of(pending.urn)} cannot be looked up: its {', '.join(missing)} is unknown",
                ExitCode.ENVIRONMENT,
            )
        query = {snake_case(name): properties[name] for name in kind.listing.query}
        for found_id, found in self.existing(kind, query, **properties):
            # A comparison may cost a request, so only objects that can have the id are compared.
            comparable = not pending.id or pending.id == found_id
            yield found_id, comparable and kind.matches(self._client, found, properties)

    def _properties(self, inputs: Mapping[str, Any]) -> Properties:
        properties = Properties(self._defaults)
        for name, value in inputs.items():
            if isinstance(value, str):
                properties[name] = bare(value, name)
                if name.endswith("Id") and "/" in value and "region" not in inputs:
                    properties["region"] = value.partition("/")[0]
        return properties


def _kind(pending: InterruptedOperation) -> ResourceKind:
    """The kind of a pending resource. Raises OpsError for a type that cannot be listed."""
    kind = kind_of(pending.type)
    if kind is None or not kind.is_listed:
        raise OpsError(f"{name_of(pending.urn)} cannot be looked up: {pending.type} cannot be listed", ExitCode.FAILED)
    return kind
