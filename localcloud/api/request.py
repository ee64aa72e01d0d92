"""One request, as the handlers see it."""

from __future__ import annotations

import json
from typing import Any

from localcloud.api.access import Principal, Scope
from localcloud.api.cloud import Cloud
from localcloud.api.conditions import Target
from localcloud.api.errors import invalid, not_found, permissions_denied, plain
from localcloud.api.paging import Query, first
from localcloud.api.permissions import Permission
from localcloud.api.store import Store
from localcloud.api.transitions import NORMAL, StatusOutcome, is_deleting

PROJECTS = "account.project"


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a request's body; an empty body is an empty object. Raises 400."""
    if not body.strip():
        return {}
    try:
        value = json.loads(body, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # fails on text that is no Unicode (half a surrogate pair)
    except (ValueError, RecursionError) as error:
        raise plain(400, "the request's body is not valid JSON") from error
    if not isinstance(value, dict):
        raise plain(400, "the request's body must be a JSON object")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class ApiRequest:
    """A request that is authenticated and holds its permission somewhere; ``authorize`` says where exactly."""

    __slots__ = ("_body", "cloud", "course", "now", "params", "permission", "principal", "query", "scope")

    def __init__(
        self,
        cloud: Cloud,
        params: dict[str, str],
        query: Query,
        body: bytes,
        principal: Principal,
        permission: Permission,
        scope: Scope,
        course: StatusOutcome = NORMAL,
    ) -> None:
        self.cloud = cloud
        self.params = params
        self.query = query
        self._body = body
        self.principal = principal
        self.permission = permission
        self.scope = scope
        self.course = course
        self.now = cloud.now()

    @property
    def store(self) -> Store:
        return self.cloud.store

    @property
    def organization_id(self) -> str:
        return self.cloud.organization_id

    @property
    def region(self) -> str | None:
        return self.params.get("region")

    @property
    def id(self) -> str:
        return self.params["id"]

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object of the request; an empty body is an empty object."""
        return parse_object(self._body)

    def argument(self, name: str) -> str | None:
        """A query parameter; ``None`` where it is absent, empty or ``unknown…``."""
        return first(self.query, name)

    def authorize(self, project_id: str | None, target: Target | None = None) -> None:
        """403 unless the permission holds in the project (``None`` = the organization), for that resource of it."""
        if not self.scope.covers(project_id, target):
            raise permissions_denied(self.permission.resource, self.permission.action)

    def project(self, project_id: str | None) -> str:
        """The id of an existing project in which the permission holds; the key's default one where none is given."""
        wanted = project_id or self.principal.default_project_id
        self.authorize(wanted)
        project = self.store.get(PROJECTS, wanted)
        if project is None or is_deleting(project):
            raise not_found("project", wanted)
        return wanted

    def required_argument(self, name: str) -> str:
        value = self.argument(name)
        if value is None:
            raise invalid(name, "is required")
        return value
