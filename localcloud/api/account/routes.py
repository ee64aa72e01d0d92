"""``/account/v3``: projects."""

from __future__ import annotations

from typing import Any

from localcloud.api.access import API_KEYS
from localcloud.api.account.schemas import PROJECT, projects
from localcloud.api.errors import already_exists, not_found, precondition_failed
from localcloud.api.request import PROJECTS, ApiRequest
from localcloud.api.routing import ResponseBody, Routes
from localcloud.api.store import HIDDEN_PREFIX, VAULT_PREFIX
from localcloud.api.transitions import is_deleting

routes = Routes("/account/v3/projects", product="account")


@routes("POST", "", "project")
def create_project(request: ApiRequest) -> ResponseBody:
    request.authorize(None)
    body = request.body
    values = PROJECT.create(body)
    if body.get("organization_id", request.organization_id) != request.organization_id:
        raise not_found("organization", str(body["organization_id"]))
    _check_name_is_free(request, values["name"])
    project = projects.add(request, new_project(request, values), project=None)
    project = {**project, "_project": project["id"]}
    projects.put(request, project)
    return projects.show(request, project)


@routes("GET", "", "project")
def list_projects(request: ApiRequest) -> ResponseBody:
    return projects.list(request)


@routes("GET", "/{id}", "project")
def get_project(request: ApiRequest) -> ResponseBody:
    return projects.show(request, projects.find(request, request.id))


@routes("PATCH", "/{id}", "project")
def update_project(request: ApiRequest) -> ResponseBody:
    project = projects.find(request, request.id)
    changes = PROJECT.update(request.body)
    if changes.get("name", project["name"]) != project["name"]:
        _check_name_is_free(request, changes["name"])
    return projects.show(request, projects.change(request, project, changes))


@routes("DELETE", "/{id}", "project")
def delete_project(request: ApiRequest) -> ResponseBody:
    project = projects.find(request, request.id)
    if project["id"] == request.organization_id:
        raise precondition_failed("unknown_precondition", "the default project cannot be deleted")
    kinds = _kinds_in(request, project["id"])
    if kinds:
        raise precondition_failed("resource_still_in_use", f"the project still contains {', '.join(kinds)}")
    projects.remove(request, project)
    return None


def new_project(request: ApiRequest, values: dict[str, Any]) -> dict[str, Any]:
    """All fields of a new project."""
    return {**values, "organization_id": request.organization_id, "qualification": None}


def _check_name_is_free(request: ApiRequest, name: str) -> None:
    for other in projects.matching(request, name=name):
        raise already_exists("project", other["id"], "a project with this name already exists in the organization")


def _kinds_in(request: ApiRequest, project_id: str) -> list[str]:
    """The kinds of resources in the project, including API keys that use it as their default project.

    Ignores resources being deleted, because clients delete the project before all these deletions finish.
    """
    store = request.store
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
