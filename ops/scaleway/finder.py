"""Finds resources on Scaleway: all of a kind, or the one of an interrupted operation."""

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
    """Queries over the catalogue. Raises OpsError when Scaleway refuses to list; nothing was changed then."""

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
        """All objects of a kind that a list with this query gives, except those being deleted: id in a state, object.

        ``properties`` complete the path of the call and the ids.
        """
        known = {**self._defaults, **properties}
        try:
            for found in self._client.list(kind.listing, query, **known):
                if found.get("status") not in _GONE:
                    yield kind.id_of(found, known), found
        except ScalewayError as error:
            if not error.is_not_found:  # what contained them is gone, and they with it
                raise

    def find(self, pending: InterruptedOperation) -> list[str]:
        """Ids of the objects that are what ``pending`` was to create."""
        return [found_id for found_id, same in self._candidates(pending) if same]

    def is_there(self, pending: InterruptedOperation) -> bool:
        """Whether the object that was being deleted is still listed, whatever its name is now.

        A read is not conclusive for every kind: for a deleted Serverless SQL database it returns 403.
        """
        has_own_id = _kind(pending).has_own_id
        return any(found_id == pending.id and (same or has_own_id) for found_id, same in self._candidates(pending))

    def remove(self, kind: ResourceKind, resource_id: str) -> None:
        """Delete an object by its id in a state."""
        region, _, id_ = resource_id.rpartition("/")
        self._client.delete(kind.listing.object_at(region=region, id=id_))

    def _candidates(self, pending: InterruptedOperation) -> Iterator[tuple[str, bool]]:
        """Ids of the objects that are listed where ``pending`` belongs, and whether each is the one it is about."""
        kind = _kind(pending)
        properties = self._properties(pending.inputs)
        missing = sorted(name for name in {*kind.listing.query, *kind.listing.path_properties} if not properties[name])
        if missing:
            raise OpsError(
                f"{name_of(pending.urn)} cannot be looked up: its {', '.join(missing)} is not known",
                ExitCode.ENVIRONMENT,
            )
        query = {snake_case(name): properties[name] for name in kind.listing.query}
        for found_id, found in self.existing(kind, query, **properties):
            # A comparison may cost a request: only what can have the id is compared.
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
    """Raises OpsError for a type that cannot be listed."""
    kind = kind_of(pending.type)
    if kind is None or not kind.is_listed:
        raise OpsError(f"{name_of(pending.urn)} cannot be looked up: {pending.type} is not listed", ExitCode.FAILED)
    return kind
