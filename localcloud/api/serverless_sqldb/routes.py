"""``/serverless-sqldb/v1alpha1``."""

from __future__ import annotations

from typing import Any

from localcloud.api.errors import already_exists, invalid, permissions_denied
from localcloud.api.request import ApiRequest
from localcloud.api.routing import ResponseBody, Routes
from localcloud.api.serverless_sqldb.schemas import DATABASE, DATABASE_CHANGE, databases
from localcloud.api.store import HIDDEN_PREFIX, Resource

routes = Routes("/serverless-sqldb/v1alpha1/regions/{region}", product="serverless_sqldb")

_TOMBSTONES = f"{HIDDEN_PREFIX}serverless_sqldb.grave"
_TOMBSTONE_SECONDS = 30.0
"""How long a deleted database returns 403 before it returns 404, as on the platform. Clients rely on this."""


@routes("POST", "/databases", "database")
def create_database(request: ApiRequest) -> ResponseBody:
    values = DATABASE.create(request.body)
    _check_cpu(values)
    project = request.project(values["project_id"])
    for other in databases.matching(request, name=values["name"], _project=project, _region=request.region):
        raise already_exists("database", other["id"], "a database with this name already exists in the project")
    values |= {
        "project_id": project,
        "organization_id": request.organization_id,
        "region": request.region,
        "cpu_current": 0,
        "started": False,
        "engine_major_version": 16,
    }
    database = databases.add(request, values, project=project, transient="creating")
    database = {**database, "endpoint": _endpoint(request, database)}
    databases.put(request, database)
    return databases.show(request, database)


@routes("GET", "/databases", "database")
def list_databases(request: ApiRequest) -> ResponseBody:
    return databases.list(request)


@routes("GET", "/databases/{id}", "database")
def get_database(request: ApiRequest) -> ResponseBody:
    if request.store.get(_TOMBSTONES, request.id) and not request.store.get(databases.kind, request.id):
        raise permissions_denied()
    return databases.show(request, databases.find(request, request.id))


@routes("PATCH", "/databases/{id}", "database")
def update_database(request: ApiRequest) -> ResponseBody:
    database = databases.find_stable(request, request.id)
    changes = DATABASE_CHANGE.update(request.body)
    _check_cpu({**database, **changes})
    return databases.show(request, databases.change(request, database, changes))


@routes("DELETE", "/databases/{id}", "database")
def delete_database(request: ApiRequest) -> ResponseBody:
    database = databases.begin_deletion(request, databases.find(request, request.id))
    tombstone = {"id": database["id"], "_gone_at": database["_gone_at"] + _TOMBSTONE_SECONDS}
    request.store.put(_TOMBSTONES, database["id"], tombstone)
    return databases.show(request, database)


def _endpoint(request: ApiRequest, database: Resource) -> str:
    """The database's URL on the server set through the control API, or on a nonexistent host if none is set."""
    if request.cloud.sql_server:
        return f"postgres://{request.cloud.sql_server}/{database['name']}?sslmode=disable"
    host = f"{database['id']}.pg.sdb.{request.region}.localhost"
    return f"postgres://{host}:5432/{database['name']}?sslmode=require"


def _check_cpu(values: dict[str, Any]) -> None:
    if values["cpu_min"] > values["cpu_max"]:
        raise invalid("cpu_min", "must not exceed cpu_max")
