"""Databases and their request bodies."""

from __future__ import annotations

from typing import Any

from localcloud.api.collection import Collection
from localcloud.api.request import ApiRequest
from localcloud.api.store import Resource
from localcloud.api.transitions import visible
from localcloud.api.validation import Body, Integer, Text, Uuid
from scaleway_facts.limits import SERVERLESS_VCPU


def _show(request: ApiRequest, database: Resource) -> dict[str, Any]:
    return {name: value for name, value in visible(database, request.now).items() if name != "updated_at"}


databases = Collection(
    "serverless_sqldb.database",
    "database",
    "databases",
    {"name": "name", "project_id": "project_id", "organization_id": "organization_id"},
    show=_show,
)

DATABASE = Body(
    project_id=Uuid(),
    name=Text(
        required=True,
        max_length=63,
        pattern=r"[a-zA-Z]([a-zA-Z0-9_-]*[a-zA-Z0-9])?",
        message="must start with a letter and contain only letters, digits, hyphens and underscores",
    ),
    cpu_min=Integer.within(SERVERLESS_VCPU, default=0),
    cpu_max=Integer.within(SERVERLESS_VCPU),
)
DATABASE_CHANGE = Body(cpu_min=DATABASE.fields["cpu_min"], cpu_max=DATABASE.fields["cpu_max"])
