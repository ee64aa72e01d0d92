"""What all kinds of resources have in common: found by id, listed, added, changed, deleted.

Own fields of a resource in the store: ``_project`` (whose permissions count; absent = the organization's),
``_region``, and those of ``transitions``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from uuid import uuid4

from localcloud.api import paging, transitions
from localcloud.api.clock import timestamp
from localcloud.api.conditions import Target
from localcloud.api.errors import not_found, transient_state
from localcloud.api.request import ApiRequest
from localcloud.api.store import Resource


@dataclass(frozen=True)
class Collection:
    """One kind of resource."""

    kind: str
    """Where the store keeps it: ``<product>.<noun>``."""
    noun: str
    """What error messages call it."""
    plural: str
    """Key of the items in a list answer."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """Query parameter of lists → field it is compared with."""
    show: Callable[[ApiRequest, Resource], dict[str, Any]] = lambda call, resource: transitions.visible(
        resource, call.now
    )
    """The complete object that an answer has."""
    derived: Callable[[ApiRequest], Iterable[Resource]] = lambda call: ()
    """Resources that exist without being kept; they are found and listed as others are."""

    def find(self, call: ApiRequest, id: str) -> Resource:
        """The resource, in this region, if the caller may touch it. Raises 404 and 403."""
        resource = call.store.get(self.kind, id) or next((it for it in self.derived(call) if it["id"] == id), None)
        if resource is None or resource.get("_region") not in (None, call.region):
            raise not_found(self.noun, id)
        self.authorize(call, resource)
        return resource

    def authorize(self, call: ApiRequest, resource: Resource) -> None:
        """403 unless the caller may touch this resource."""
        name = str(resource.get("name", ""))
        if "path" in resource:
            name = f"{resource['path'].rstrip('/')}/{name}"
        call.authorize(resource.get("_project"), Target(resource["id"], name))

    def find_stable(self, call: ApiRequest, id: str) -> Resource:
        """As ``find``; 409 ``transient_state`` while the resource is on its way."""
        resource = self.find(call, id)
        if transitions.is_transient(resource, call.now):
            raise transient_state(self.noun, id, transitions.status(resource, call.now))
        return resource

    def every(self, call: ApiRequest, **where: Any) -> Iterable[Resource]:
        """All of this kind whose fields have the given values, whoever may see them, without those being deleted."""
        for resource in call.store.all(self.kind):
            if not transitions.is_deleting(resource) and all(
                resource.get(name) == value for name, value in where.items()
            ):
                yield resource

    def seen(self, call: ApiRequest, **where: Any) -> list[Resource]:
        """All that a list request of this caller asks for."""
        wanted = [
            (column, values) for name, column in self.filters.items() if (values := paging.wanted(call.query, name))
        ]
        return [
            resource
            for resource in chain(self.derived(call), call.store.all(self.kind))
            if resource.get("_region") in (None, call.region)
            and call.scope.covers(resource.get("_project"))
            and all(resource.get(name) == value for name, value in where.items())
            and all(_matches(resource.get(column), values) for column, values in wanted)
        ]

    def list(self, call: ApiRequest, **where: Any) -> dict[str, Any]:
        """The answer to a list request."""
        items = paging.ordered(self.seen(call, **where), call.query)
        answer = paging.page(items, call.query, self.plural)
        answer[self.plural] = [self.show(call, resource) for resource in answer[self.plural]]
        return answer

    def add(
        self, call: ApiRequest, values: Mapping[str, Any], *, project: str | None, transient: str | None = None
    ) -> Resource:
        """Keep a new resource: with id, times and region; ``transient`` is its status on the way to ready."""
        moment = timestamp(call.now)
        resource: Resource = {"id": str(uuid4()), **values, "created_at": moment, "updated_at": moment}
        if project is not None:
            resource["_project"] = project
        if call.region is not None:
            resource["_region"] = call.region
        if transient is not None:
            resource = transitions.set_out(resource, transient, call.now, call.course, call.cloud.transitions)
        self.put(call, resource)
        return resource

    def change(
        self, call: ApiRequest, resource: Resource, values: Mapping[str, Any], transient: str | None = None
    ) -> Resource:
        """Keep the resource with new values."""
        changed = {**resource, **values, "updated_at": timestamp(call.now)}
        if transient is not None:
            changed = transitions.set_out(changed, transient, call.now, call.course, call.cloud.transitions)
        self.put(call, changed)
        return changed

    def put(self, call: ApiRequest, resource: Resource) -> None:
        call.store.put(self.kind, resource["id"], resource)

    def remove(self, call: ApiRequest, resource: Resource) -> None:
        """Delete at once."""
        call.store.delete(self.kind, resource["id"])

    def retire(self, call: ApiRequest, resource: Resource) -> Resource:
        """Delete by way of the status ``deleting``, which the answer always shows."""
        if transitions.is_deleting(resource):
            return resource
        leaving = transitions.begin_deletion(resource, call.now, call.course.lasts(call.cloud.transitions))
        self.put(call, leaving)
        return leaving


def _matches(value: Any, wanted: list[str]) -> bool:
    if isinstance(value, list):
        return all(item in value for item in wanted)
    if isinstance(value, bool):
        return str(value).lower() in wanted
    return str(value) in wanted
