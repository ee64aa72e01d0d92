"""``/serverless-sqldb/v1alpha1``."""

from __future__ import annotations

from typing import Any

from localcloud.api.errors import already_exists, invalid, permissions_denied
from localcloud.api.request import ApiRequest
from localcloud.api.routing import Answer, Routes
from localcloud.api.serverless_sqldb.schemas import DATABASE, DATABASE_CHANGE, databases
from localcloud.api.store import HIDDEN_PREFIX, Resource

routes = Routes("/serverless-sqldb/v1alpha1/regions/{region}", product="serverless_sqldb")

_GRAVES = f"{HIDDEN_PREFIX}serverless_sqldb.grave"
_GRAVE_SECONDS = 30.0
"""How long a deleted database answers 403, as the platform's does (the clients need it), before it is a 404."""


@routes("POST", "/databases", "database")
def create_database(call: ApiRequest) -> Answer:
    values = DATABASE.create(call.body)
    _check_cpu(values)
    project = call.project(values["project_id"])
    for other in databases.every(call, name=values["name"], _project=project, _region=call.region):
        raise already_exists("database", other["id"], "a database with this name exists in the project")
    values |= {
        "project_id": project,
        "organization_id": call.organization_id,
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
def list_databases(call: ApiRequest) -> Answer:
    return databases.list(call)


@routes("GET", "/databases/{id}", "database")
def get_database(call: ApiRequest) -> Answer:
    if call.store.get(_GRAVES, call.id) and not call.store.get(databases.kind, call.id):
        raise permissions_denied()
    return databases.show(call, databases.find(call, call.id))


@routes("PATCH", "/databases/{id}", "database")
def update_database(call: ApiRequest) -> Answer:
    database = databases.find_stable(call, call.id)
    changes = DATABASE_CHANGE.update(call.body)
    _check_cpu({**database, **changes})
    return databases.show(call, databases.change(call, database, changes))


@routes("DELETE", "/databases/{id}", "database")
def delete_database(call: ApiRequest) -> Answer:
    database = databases.retire(call, databases.find(call, call.id))
    grave = {"id": database["id"], "_gone_at": database["_gone_at"] + _GRAVE_SECONDS}
    call.store.put(_GRAVES, database["id"], grave)
    return databases.show(call, database)


def _endpoint(call: ApiRequest, database: Resource) -> str:
    """Leads nowhere, unless the control API has been told of a server, where it names the database."""
    if call.cloud.sql_server:
        return f"postgres://{call.cloud.sql_server}/{database['name']}?sslmode=disable"
    host = f"{database['id']}.pg.sdb.{call.region}.localhost"
    return f"postgres://{host}:5432/{database['name']}?sslmode=require"


def _check_cpu(values: dict[str, Any]) -> None:
    if values["cpu_min"] > values["cpu_max"]:
        raise invalid("cpu_min", "must be at most cpu_max")
