"""``/account/v3``: projects."""

from __future__ import annotations

from typing import Any

from localcloud.api.access import API_KEYS
from localcloud.api.account.schemas import PROJECT, projects
from localcloud.api.errors import already_exists, not_found, precondition_failed
from localcloud.api.request import PROJECTS, ApiRequest
from localcloud.api.routing import Answer, Routes
from localcloud.api.store import HIDDEN_PREFIX, VAULT_PREFIX
from localcloud.api.transitions import is_deleting

routes = Routes("/account/v3/projects", product="account")


@routes("POST", "", "project")
def create_project(call: ApiRequest) -> Answer:
    call.authorize(None)
    body = call.body
    values = PROJECT.create(body)
    if body.get("organization_id", call.organization_id) != call.organization_id:
        raise not_found("organization", str(body["organization_id"]))
    _check_name_is_free(call, values["name"])
    project = projects.add(call, new_project(call, values), project=None)
    project = {**project, "_project": project["id"]}
    projects.put(call, project)
    return projects.show(call, project)


@routes("GET", "", "project")
def list_projects(call: ApiRequest) -> Answer:
    return projects.list(call)


@routes("GET", "/{id}", "project")
def get_project(call: ApiRequest) -> Answer:
    return projects.show(call, projects.find(call, call.id))


@routes("PATCH", "/{id}", "project")
def update_project(call: ApiRequest) -> Answer:
    project = projects.find(call, call.id)
    changes = PROJECT.update(call.body)
    if changes.get("name", project["name"]) != project["name"]:
        _check_name_is_free(call, changes["name"])
    return projects.show(call, projects.change(call, project, changes))


@routes("DELETE", "/{id}", "project")
def delete_project(call: ApiRequest) -> Answer:
    project = projects.find(call, call.id)
    if project["id"] == call.organization_id:
        raise precondition_failed("unknown_precondition", "the default project cannot be deleted")
    users = _resources_of(call, project["id"])
    if users:
        raise precondition_failed("resource_still_in_use", f"the project still holds {', '.join(users)}")
    projects.remove(call, project)
    return None


def new_project(call: ApiRequest, values: dict[str, Any]) -> dict[str, Any]:
    """A complete project."""
    return {**values, "organization_id": call.organization_id, "qualification": None}


def _check_name_is_free(call: ApiRequest, name: str) -> None:
    for other in projects.every(call, name=name):
        raise already_exists("project", other["id"], "a project with this name exists in the organization")


def _resources_of(call: ApiRequest, project_id: str) -> list[str]:
    """The kinds of which the project still holds something (an API key's default project counts too).

    What is being deleted does not count: the clients do not wait for all of it before they delete the project.
    """
    store = call.store
    kinds = [
        kind
        for kind in store.kinds()
        if kind != PROJECTS
        and not kind.startswith((VAULT_PREFIX, HIDDEN_PREFIX))
        and any(resource.get("_project") == project_id and not is_deleting(resource) for resource in store.all(kind))
    ]
    if any(key["default_project_id"] == project_id for key in store.all(API_KEYS)):
        kinds.append(API_KEYS)
    return kinds
