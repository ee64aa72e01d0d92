"""A request as seen by handlers."""

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
    """The JSON object in a request body; an empty body counts as an empty object. Raises 400."""
    if not body.strip():
        return {}
    try:
        value = json.loads(body, parse_constant=_reject_constant)
        json.dumps(value, ensure_ascii=False).encode()  # fails on invalid Unicode (unpaired surrogates)
    except (ValueError, RecursionError) as error:
        raise plain(400, "the request body is not valid JSON") from error
    if not isinstance(value, dict):
        raise plain(400, "the request body must be a JSON object")
    return value


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class ApiRequest:
    """An authenticated request whose caller has the required permission in some scope.

    ``authorize`` checks whether the scope includes a given project.
    """

    __slots__ = ("_body", "cloud", "now", "params", "permission", "principal", "query", "scope", "status_outcome")

    def __init__(
        self,
        cloud: Cloud,
        params: dict[str, str],
        query: Query,
        body: bytes,
        principal: Principal,
        permission: Permission,
        scope: Scope,
        status_outcome: StatusOutcome = NORMAL,
    ) -> None:
        self.cloud = cloud
        self.params = params
        self.query = query
        self._body = body
        self.principal = principal
        self.permission = permission
        self.scope = scope
        self.status_outcome = status_outcome
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
        """The JSON object in the request body; an empty body counts as an empty object."""
        return parse_object(self._body)

    def argument(self, name: str) -> str | None:
        """A query parameter. None if it is absent, empty or ``unknown…``."""
        return first(self.query, name)

    def authorize(self, project_id: str | None, target: Target | None = None) -> None:
        """Raises 403 unless the permission is granted in the project (None: the organization) for this resource."""
        if not self.scope.covers(project_id, target):
            raise permissions_denied(self.permission.resource, self.permission.action)

    def project(self, project_id: str | None) -> str:
        """The id of an existing project in which the permission is granted; by default the API key's project."""
        project_id = project_id or self.principal.default_project_id
        self.authorize(project_id)
        project = self.store.get(PROJECTS, project_id)
        if project is None or is_deleting(project):
            raise not_found("project", project_id)
        return project_id

    def required_argument(self, name: str) -> str:
        value = self.argument(name)
        if value is None:
            raise invalid(name, "is required")
        return value
