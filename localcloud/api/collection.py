"""Operations for every kind of resource: find, list, add, change, delete.

The internal fields of a stored resource are ``_project`` (the project whose permissions apply; if absent, the
organization's apply), ``_region``, and the fields of ``transitions``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from uuid import uuid4

from localcloud.api import paging, transitions
from localcloud.api.conditions import Target
from localcloud.api.errors import not_found, transient_state
from localcloud.api.request import ApiRequest
from localcloud.api.store import Resource
from localcloud.api.timestamps import timestamp


@dataclass(frozen=True)
class Collection:
    """One kind of resource."""

    kind: str
    """Key in the store: ``<product>.<noun>``."""
    noun: str
    """Name in error messages."""
    plural: str
    """Key of the items in list responses."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """Maps query parameters of list requests to the fields that they filter."""
    show: Callable[[ApiRequest, Resource], dict[str, Any]] = lambda request, resource: transitions.visible(
        resource, request.now
    )
    """Converts a resource to its form in responses."""
    derived: Callable[[ApiRequest], Iterable[Resource]] = lambda _request: ()
    """Returns resources that exist without being stored. They can be found and listed like stored ones."""

    def find(self, request: ApiRequest, id: str) -> Resource:
        """The resource in this region. Raises 404 if it does not exist, and 403 if the caller may not access it."""
        resource = request.store.get(self.kind, id) or next(
            (derived for derived in self.derived(request) if derived["id"] == id), None
        )
        if resource is None or resource.get("_region") not in (None, request.region):
            raise not_found(self.noun, id)
        self.authorize(request, resource)
        return resource

    def authorize(self, request: ApiRequest, resource: Resource) -> None:
        """Raises 403 unless the caller may access the resource."""
        name = str(resource.get("name", ""))
        if "path" in resource:
            name = f"{resource['path'].rstrip('/')}/{name}"
        request.authorize(resource.get("_project"), Target(resource["id"], name))

    def find_stable(self, request: ApiRequest, id: str) -> Resource:
        """Like ``find``, but raises 409 ``transient_state`` during a transition."""
        resource = self.find(request, id)
        if transitions.is_transient(resource, request.now):
            raise transient_state(self.noun, id, transitions.status(resource, request.now))
        return resource

    def matching(self, request: ApiRequest, **fields: Any) -> Iterable[Resource]:
        """All resources with these field values, regardless of permissions, except those being deleted."""
        for resource in request.store.all(self.kind):
            if not transitions.is_deleting(resource) and all(
                resource.get(name) == value for name, value in fields.items()
            ):
                yield resource

    def listed(self, request: ApiRequest, **fields: Any) -> list[Resource]:
        """All resources that match this list request and are accessible to its caller."""
        filters = [
            (column, values)
            for name, column in self.filters.items()
            if (values := paging.filter_values(request.query, name))
        ]
        return [
            resource
            for resource in chain(self.derived(request), request.store.all(self.kind))
            if resource.get("_region") in (None, request.region)
            and request.scope.covers(resource.get("_project"))
            and all(resource.get(name) == value for name, value in fields.items())
            and all(_matches(resource.get(column), values) for column, values in filters)
        ]

    def list(self, request: ApiRequest, **fields: Any) -> dict[str, Any]:
        """The response to a list request."""
        items = paging.ordered(self.listed(request, **fields), request.query)
        response = paging.page(items, request.query, self.plural)
        response[self.plural] = [self.show(request, resource) for resource in response[self.plural]]
        return response

    def add(
        self, request: ApiRequest, values: Mapping[str, Any], *, project: str | None, transient: str | None = None
    ) -> Resource:
        """Store a new resource with an id, timestamps and a region. ``transient``: its status until it is ready."""
        moment = timestamp(request.now)
        resource: Resource = {"id": str(uuid4()), **values, "created_at": moment, "updated_at": moment}
        if project is not None:
            resource["_project"] = project
        if request.region is not None:
            resource["_region"] = request.region
        if transient is not None:
            resource = transitions.begin_with_outcome(
                resource, transient, request.now, request.status_outcome, request.cloud.transitions
            )
        self.put(request, resource)
        return resource

    def change(
        self, request: ApiRequest, resource: Resource, values: Mapping[str, Any], transient: str | None = None
    ) -> Resource:
        """Store the resource with new values. ``transient``: its status until it is ready."""
        changed = {**resource, **values, "updated_at": timestamp(request.now)}
        if transient is not None:
            changed = transitions.begin_with_outcome(
                changed, transient, request.now, request.status_outcome, request.cloud.transitions
            )
        self.put(request, changed)
        return changed

    def put(self, request: ApiRequest, resource: Resource) -> None:
        request.store.put(self.kind, resource["id"], resource)

    def remove(self, request: ApiRequest, resource: Resource) -> None:
        """Delete immediately."""
        request.store.delete(self.kind, resource["id"])

    def begin_deletion(self, request: ApiRequest, resource: Resource) -> Resource:
        """Delete the resource after a delay. The response always shows the status ``deleting``."""
        if transitions.is_deleting(resource):
            return resource
        deleting = transitions.begin_deletion(
            resource, request.now, request.status_outcome.duration(request.cloud.transitions)
        )
        self.put(request, deleting)
        return deleting


def _matches(value: Any, allowed: list[str]) -> bool:
    if isinstance(value, list):
        return all(item in value for item in allowed)
    if isinstance(value, bool):
        return str(value).lower() in allowed
    return str(value) in allowed
