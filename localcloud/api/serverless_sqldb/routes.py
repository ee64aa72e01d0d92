"""``/serverless-sqldb/v1alpha1``."""

from __future__ import annotations

from typing import Any

from localcloud.api.call import Call
from localcloud.api.cloud import ORGANIZATION_ID
from localcloud.api.collection import Collection
from localcloud.api.errors import already_exists, invalid, permissions_denied
from localcloud.api.fields import Body, Integer, Text, Uuid
from localcloud.api.routing import Answer, Routes
from localcloud.api.store import HIDDEN_PREFIX, Resource
from localcloud.api.transitions import visible

routes = Routes("/serverless-sqldb/v1alpha1/regions/{region}", product="serverless_sqldb")

_GRAVES = f"{HIDDEN_PREFIX}serverless_sqldb.grave"
_GRAVE_SECONDS = 30.0
"""How long a deleted database answers 403, as the platform's does (the clients need it), before it is a 404."""


def _show(call: Call, database: Resource) -> dict[str, Any]:
    return {name: value for name, value in visible(database, call.now).items() if name != "updated_at"}


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
        longest=63,
        pattern=r"[a-zA-Z]([a-zA-Z0-9_-]*[a-zA-Z0-9])?",
        meaning="must start with a letter and have letters, digits, - and _ only",
    ),
    cpu_min=Integer(default=0, most=15),
    cpu_max=Integer(default=15, most=15),
)
DATABASE_CHANGE = Body(cpu_min=DATABASE.fields["cpu_min"], cpu_max=DATABASE.fields["cpu_max"])


@routes("POST", "/databases", "database")
def create_database(call: Call) -> Answer:
    values = DATABASE.create(call.body)
    _check_cpu(values)
    project = call.project(values["project_id"])
    for other in databases.every(call, name=values["name"], _project=project, _region=call.region):
        raise already_exists("database", other["id"], "a database with this name exists in the project")
    values |= {
        "project_id": project,
        "organization_id": ORGANIZATION_ID,
        "region": call.region,
        "cpu_current": 0,
        "started": False,
        "engine_major_version": 16,
    }
    database = databases.add(call, values, project=project, transient="creating")
    database = {**database, "endpoint": _endpoint(call, database)}
    databases.put(call, database)
    return databases.show(call, database)


@routes("GET", "/databases", "database")
def list_databases(call: Call) -> Answer:
    return databases.list(call)


@routes("GET", "/databases/{id}", "database")
def get_database(call: Call) -> Answer:
    if call.store.get(_GRAVES, call.id) and not call.store.get(databases.kind, call.id):
        raise permissions_denied()
    return databases.show(call, databases.find(call, call.id))


@routes("PATCH", "/databases/{id}", "database")
def update_database(call: Call) -> Answer:
    database = databases.find_stable(call, call.id)
    changes = DATABASE_CHANGE.update(call.body)
    _check_cpu({**database, **changes})
    return databases.show(call, databases.change(call, database, changes))


@routes("DELETE", "/databases/{id}", "database")
def delete_database(call: Call) -> Answer:
    database = databases.retire(call, databases.find(call, call.id))
    grave = {"id": database["id"], "_gone_at": database["_gone_at"] + _GRAVE_SECONDS}
    call.store.put(_GRAVES, database["id"], grave)
    return databases.show(call, database)


def _endpoint(call: Call, database: Resource) -> str:
    """Leads nowhere, unless the control API has been told of a server, where it names the database."""
    if call.cloud.sql_server:
        return f"postgres://{call.cloud.sql_server}/{database['name']}?sslmode=disable"
    host = f"{database['id']}.pg.sdb.{call.region}.localhost"
    return f"postgres://{host}:5432/{database['name']}?sslmode=require"


def _check_cpu(values: dict[str, Any]) -> None:
    if values["cpu_min"] > values["cpu_max"]:
        raise invalid("cpu_min", "must be at most cpu_max")
