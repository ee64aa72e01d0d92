"""``/secret-manager/v1beta1``."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

from localcloud.api.errors import already_exists, invalid, not_found, precondition_failed
from localcloud.api.request import ApiRequest
from localcloud.api.routing import ResponseBody, Routes
from localcloud.api.secret_manager.payloads import PAYLOADS, SCHEDULED, SECRETS, find_version, payload, versions_of
from localcloud.api.secret_manager.schemas import (
    SECRET,
    SECRET_CHANGE,
    VERSION,
    VERSION_CHANGE,
    secrets,
    versions,
)
from localcloud.api.store import Resource
from localcloud.api.timestamps import parse_duration, parse_timestamp, timestamp
from scaleway_facts.behaviour import SECRET_RETENTION
from scaleway_facts.limits import SECRET_VERSION

routes = Routes("/secret-manager/v1beta1/regions/{region}", product="secret_manager")


@routes("POST", "/secrets", "secret")
def create_secret(request: ApiRequest) -> ResponseBody:
    values = SECRET.create(request.body)
    project = request.project(values["project_id"])
    _check_name_is_free(request, project, values["name"], values["path"])
    return secrets.show(request, secrets.add(request, new_secret(request, values, project), project=project))


@routes("GET", "/secrets", "secret")
def list_secrets(request: ApiRequest) -> ResponseBody:
    """Lists secrets scheduled for deletion only on request, and then lists no others."""
    scheduled = request.argument("scheduled_for_deletion") == "true"
    return secrets.list(request, _scheduled=scheduled or None)


@routes("GET", "/secrets/{id}", "secret")
def get_secret(request: ApiRequest) -> ResponseBody:
    return secrets.show(request, secrets.find(request, request.id))


@routes("PATCH", "/secrets/{id}", "secret")
def update_secret(request: ApiRequest) -> ResponseBody:
    secret = _find(request)
    changes = SECRET_CHANGE.update(request.body)
    place = {**secret, **changes}
    if (place["name"], place["path"]) != (secret["name"], secret["path"]):
        _check_name_is_free(request, secret["project_id"], place["name"], place["path"])
    return secrets.show(request, secrets.change(request, secret, changes))


@routes("DELETE", "/secrets/{id}", "secret")
def delete_secret(request: ApiRequest) -> ResponseBody:
    """Ephemeral secrets are deleted immediately, all others after ``SECRET_RETENTION``."""
    secret = secrets.find(request, request.id)
    if secret["protected"]:
        raise precondition_failed("protected_resource", "cannot delete a protected secret")
    owned = versions_of(request.store, secret["id"])
    if secret.get("ephemeral_policy"):
        for version in owned:
            _remove_version(request, version)
        secrets.remove(request, secret)
    elif not secret.get("_scheduled"):
        for version in owned:
            _schedule_version(request, version)
        secrets.change(request, secret, {**_deletion_fields(request), "_scheduled": True})
    return None


@routes("POST", "/secrets/{id}/restore", "secret")
def restore_secret(request: ApiRequest) -> ResponseBody:
    secret = secrets.find(request, request.id)
    for version in versions_of(request.store, secret["id"]):
        _restore_version(request, version)
    return secrets.show(request, secrets.change(request, _without_deletion(secret), {"_scheduled": None}))


@routes("POST", "/secrets/{id}/protect", "secret")
def protect_secret(request: ApiRequest) -> ResponseBody:
    return secrets.show(request, secrets.change(request, _find(request), {"protected": True}))


@routes("POST", "/secrets/{id}/unprotect", "secret")
def unprotect_secret(request: ApiRequest) -> ResponseBody:
    return secrets.show(request, secrets.change(request, _find(request), {"protected": False}))


@routes("POST", "/secrets/{id}/versions", "secret_version", action="create_version")
def create_version(request: ApiRequest) -> ResponseBody:
    secret = _find(request)
    values = VERSION.create(request.body)
    _check_size(values["data"])
    if values.pop("disable_previous"):
        for version in versions_of(request.store, secret["id"])[-1:]:
            versions.change(request, version, {"status": "disabled"})
    return versions.show(request, add_version(request, secret, values.pop("data"), values["description"]))


@routes("GET", "/secrets/{id}/versions", "secret_version")
def list_versions(request: ApiRequest) -> ResponseBody:
    secret = secrets.find(request, request.id)
    return versions.list(request, secret_id=secret["id"])


@routes("GET", "/secrets/{id}/versions/{revision}", "secret_version")
def get_version(request: ApiRequest) -> ResponseBody:
    return versions.show(request, _find_version(request))


@routes("PATCH", "/secrets/{id}/versions/{revision}", "secret_version")
def update_version(request: ApiRequest) -> ResponseBody:
    return versions.show(
        request, versions.change(request, _find_active_version(request), VERSION_CHANGE.update(request.body))
    )


@routes("DELETE", "/secrets/{id}/versions/{revision}", "secret_version")
def delete_version(request: ApiRequest) -> ResponseBody:
    _schedule_version(request, _find_version(request))
    return None


@routes("POST", "/secrets/{id}/versions/{revision}/restore", "secret_version")
def restore_version(request: ApiRequest) -> ResponseBody:
    return versions.show(request, _restore_version(request, _find_version(request)))


@routes("POST", "/secrets/{id}/versions/{revision}/enable", "secret_version")
def enable_version(request: ApiRequest) -> ResponseBody:
    return versions.show(request, versions.change(request, _find_active_version(request), {"status": "enabled"}))


@routes("POST", "/secrets/{id}/versions/{revision}/disable", "secret_version")
def disable_version(request: ApiRequest) -> ResponseBody:
    return versions.show(request, versions.change(request, _find_active_version(request), {"status": "disabled"}))


@routes("GET", "/secrets/{id}/versions/{revision}/access", "secret_version", action="access")
def access_version(request: ApiRequest) -> ResponseBody:
    return _access(request, secrets.find(request, request.id), request.params["revision"])


@routes("GET", "/secrets-by-path/versions/{revision}/access", "secret_version", action="access")
def access_version_by_path(request: ApiRequest) -> ResponseBody:
    name, path = request.required_argument("secret_name"), request.argument("secret_path") or "/"
    project = request.argument("project_id") or request.principal.default_project_id
    for secret in secrets.matching(
        request, name=name, path=path, _project=project, _region=request.region, _scheduled=None
    ):
        secrets.authorize(request, secret)
        return _access(request, secret, request.params["revision"])
    request.project(project)  # 403 takes precedence over 404, which would reveal what exists
    raise not_found("secret", name)


def new_secret(request: ApiRequest, values: dict[str, Any], project: str) -> dict[str, Any]:
    """All fields of a new secret, without versions."""
    return {
        **values,
        "project_id": project,
        "status": "ready",
        "managed": False,
        "used_by": [],
        "deletion_requested_at": None,
        "region": request.region,
        "_last_revision": 0,
    }


def add_version(request: ApiRequest, secret: Resource, data: str, description: str) -> Resource:
    """Store a new version. Revisions are never reused. ``data``: base64."""
    revision = secret["_last_revision"] + 1
    secrets.put(request, {**secret, "_last_revision": revision})
    version_id = f"{secret['id']}/{revision}"
    request.store.put(PAYLOADS, version_id, {"id": version_id, "data": data})
    return versions.add(
        request,
        {
            "id": version_id,
            "revision": revision,
            "secret_id": secret["id"],
            "status": "enabled",
            "deleted_at": None,
            "description": description,
            "ephemeral_properties": _ephemeral_properties(request, secret.get("ephemeral_policy")),
            "deletion_requested_at": None,
            "region": secret["region"],
        },
        project=secret["_project"],
    )


def _access(request: ApiRequest, secret: Resource, revision: str) -> dict[str, Any]:
    version = _version(request, secret, revision)
    if version["status"] == SCHEDULED:
        raise precondition_failed("resource_not_usable", "the version is scheduled for deletion")
    if version["status"] != "enabled" or _has_expired(request, version):
        raise precondition_failed("resource_not_usable", "the version is disabled")
    data = payload(request.store, version)
    return {
        "secret_id": secret["id"],
        "revision": version["revision"],
        "data": data,
        "data_crc32": zlib.crc32(base64.b64decode(data)),
        "type": secret["type"],
    }


def _find(request: ApiRequest) -> Resource:
    """The secret in the request path, which must not be scheduled for deletion."""
    secret = secrets.find(request, request.id)
    if secret.get("_scheduled"):
        raise precondition_failed("resource_not_usable", "the secret is scheduled for deletion")
    return secret


def _find_active_version(request: ApiRequest) -> Resource:
    """The version in the request path, which must not be scheduled for deletion."""
    version = _find_version(request)
    if version["status"] == SCHEDULED:
        raise precondition_failed("resource_not_usable", "the version is scheduled for deletion")
    return version


def _find_version(request: ApiRequest) -> Resource:
    return _version(request, secrets.find(request, request.id), request.params["revision"])


def _version(request: ApiRequest, secret: Resource, revision: str) -> Resource:
    version = find_version(request.store, secret["id"], revision)
    if version is None:
        raise not_found("secret_version", f"{secret['id']}/{revision}")
    return version


def _deletion_fields(request: ApiRequest) -> dict[str, Any]:
    """The fields that schedule a secret or version for deletion. The store deletes it at ``_gone_at``."""
    return {"deletion_requested_at": timestamp(request.now), "_gone_at": request.now + SECRET_RETENTION.total_seconds()}


def _without_deletion(resource: Resource) -> Resource:
    """The secret or version with its scheduled deletion removed."""
    return {name: value for name, value in resource.items() if name != "_gone_at"} | {"deletion_requested_at": None}


def _schedule_version(request: ApiRequest, version: Resource) -> None:
    if version["status"] == SCHEDULED:
        return
    deletion = _deletion_fields(request)
    stored = request.store.get(PAYLOADS, version["id"]) or {}
    request.store.put(PAYLOADS, version["id"], {**stored, "_gone_at": deletion["_gone_at"]})
    versions.change(request, version, {**deletion, "status": SCHEDULED, "_former_status": version["status"]})


def _restore_version(request: ApiRequest, version: Resource) -> Resource:
    if version["status"] != SCHEDULED:
        return version
    stored = request.store.get(PAYLOADS, version["id"]) or {}
    request.store.put(PAYLOADS, version["id"], {name: value for name, value in stored.items() if name != "_gone_at"})
    return versions.change(request, _without_deletion(version), {"status": version["_former_status"]})


def _ephemeral_properties(request: ApiRequest, policy: dict[str, Any] | None) -> dict[str, Any] | None:
    """A version's ephemeral properties, derived from its secret's policy."""
    if not policy:
        return None
    lifetime = policy.get("time_to_live")
    return {
        "expires_at": timestamp(request.now + parse_duration(lifetime)) if lifetime else None,
        "expires_once_accessed": policy.get("expires_once_accessed"),
        "action": policy["action"],
    }


def _has_expired(request: ApiRequest, version: Resource) -> bool:
    expires_at = (version["ephemeral_properties"] or {}).get("expires_at")
    return expires_at is not None and parse_timestamp(expires_at) <= request.now


def _remove_version(request: ApiRequest, version: Resource) -> None:
    request.store.delete(PAYLOADS, version["id"])
    versions.remove(request, version)


def _check_name_is_free(request: ApiRequest, project: str, name: str, path: str) -> None:
    """The names of secrets scheduled for deletion remain taken."""
    place = (project, request.region, name, path)
    for other in request.store.all(SECRETS):
        if (other["_project"], other["_region"], other["name"], other["path"]) == place:
            raise already_exists("secret", other["id"], "cannot have same secret name in same path")


def _check_size(data: str) -> None:
    try:
        size = len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError) as error:
        raise invalid("data", "must be base64") from error
    if not SECRET_VERSION.allows(size):
        raise invalid("data", f"must be at most {SECRET_VERSION.most} bytes")
