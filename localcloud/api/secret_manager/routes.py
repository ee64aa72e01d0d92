"""``/secret-manager/v1beta1``."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

from localcloud.api.clock import parse_duration, parse_timestamp, timestamp
from localcloud.api.errors import already_exists, invalid, not_found, precondition_failed
from localcloud.api.request import ApiRequest
from localcloud.api.routing import Answer, Routes
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
from scaleway_facts.behaviour import SECRET_RETENTION
from scaleway_facts.limits import SECRET_VERSION

routes = Routes("/secret-manager/v1beta1/regions/{region}", product="secret_manager")


@routes("POST", "/secrets", "secret")
def create_secret(call: ApiRequest) -> Answer:
    values = SECRET.create(call.body)
    project = call.project(values["project_id"])
    _check_name_is_free(call, project, values["name"], values["path"])
    return secrets.show(call, secrets.add(call, new_secret(call, values, project), project=project))


@routes("GET", "/secrets", "secret")
def list_secrets(call: ApiRequest) -> Answer:
    """Those that are scheduled for deletion only if asked for, and then no others."""
    scheduled = call.argument("scheduled_for_deletion") == "true"
    return secrets.list(call, _scheduled=scheduled or None)


@routes("GET", "/secrets/{id}", "secret")
def get_secret(call: ApiRequest) -> Answer:
    return secrets.show(call, secrets.find(call, call.id))


@routes("PATCH", "/secrets/{id}", "secret")
def update_secret(call: ApiRequest) -> Answer:
    secret = _find(call)
    changes = SECRET_CHANGE.update(call.body)
    place = {**secret, **changes}
    if (place["name"], place["path"]) != (secret["name"], secret["path"]):
        _check_name_is_free(call, secret["project_id"], place["name"], place["path"])
    return secrets.show(call, secrets.change(call, secret, changes))


@routes("DELETE", "/secrets/{id}", "secret")
def delete_secret(call: ApiRequest) -> Answer:
    """Ephemeral ones go at once; others are kept for a time (``scaleway_facts.behaviour``)."""
    secret = secrets.find(call, call.id)
    if secret["protected"]:
        raise precondition_failed("protected_resource", "cannot delete a protected secret")
    owned = versions_of(call.store, secret["id"])
    if secret.get("ephemeral_policy"):
        for version in owned:
            _remove_version(call, version)
        secrets.remove(call, secret)
    elif not secret.get("_scheduled"):
        for version in owned:
            _schedule_version(call, version)
        secrets.change(call, secret, {**_leaving(call), "_scheduled": True})
    return None


@routes("POST", "/secrets/{id}/restore", "secret")
def restore_secret(call: ApiRequest) -> Answer:
    secret = secrets.find(call, call.id)
    for version in versions_of(call.store, secret["id"]):
        _restore_version(call, version)
    return secrets.show(call, secrets.change(call, _staying(secret), {"_scheduled": None}))


@routes("POST", "/secrets/{id}/protect", "secret")
def protect_secret(call: ApiRequest) -> Answer:
    return secrets.show(call, secrets.change(call, _find(call), {"protected": True}))


@routes("POST", "/secrets/{id}/unprotect", "secret")
def unprotect_secret(call: ApiRequest) -> Answer:
    return secrets.show(call, secrets.change(call, _find(call), {"protected": False}))


@routes("POST", "/secrets/{id}/versions", "secret_version", action="create_version")
def create_version(call: ApiRequest) -> Answer:
    secret = _find(call)
    values = VERSION.create(call.body)
    _check_size(values["data"])
    if values.pop("disable_previous"):
        for version in versions_of(call.store, secret["id"])[-1:]:
            versions.change(call, version, {"status": "disabled"})
    return versions.show(call, add_version(call, secret, values.pop("data"), values["description"]))


@routes("GET", "/secrets/{id}/versions", "secret_version")
def list_versions(call: ApiRequest) -> Answer:
    secret = secrets.find(call, call.id)
    return versions.list(call, secret_id=secret["id"])


@routes("GET", "/secrets/{id}/versions/{revision}", "secret_version")
def get_version(call: ApiRequest) -> Answer:
    return versions.show(call, _find_version(call))


@routes("PATCH", "/secrets/{id}/versions/{revision}", "secret_version")
def update_version(call: ApiRequest) -> Answer:
    return versions.show(call, versions.change(call, _find_active_version(call), VERSION_CHANGE.update(call.body)))


@routes("DELETE", "/secrets/{id}/versions/{revision}", "secret_version")
def delete_version(call: ApiRequest) -> Answer:
    _schedule_version(call, _find_version(call))
    return None


@routes("POST", "/secrets/{id}/versions/{revision}/restore", "secret_version")
def restore_version(call: ApiRequest) -> Answer:
    return versions.show(call, _restore_version(call, _find_version(call)))


@routes("POST", "/secrets/{id}/versions/{revision}/enable", "secret_version")
def enable_version(call: ApiRequest) -> Answer:
    return versions.show(call, versions.change(call, _find_active_version(call), {"status": "enabled"}))


@routes("POST", "/secrets/{id}/versions/{revision}/disable", "secret_version")
def disable_version(call: ApiRequest) -> Answer:
    return versions.show(call, versions.change(call, _find_active_version(call), {"status": "disabled"}))


@routes("GET", "/secrets/{id}/versions/{revision}/access", "secret_version", action="access")
def access_version(call: ApiRequest) -> Answer:
    return _access(call, secrets.find(call, call.id), call.params["revision"])


@routes("GET", "/secrets-by-path/versions/{revision}/access", "secret_version", action="access")
def access_version_by_path(call: ApiRequest) -> Answer:
    name, path = call.required_argument("secret_name"), call.argument("secret_path") or "/"
    project = call.argument("project_id") or call.principal.default_project_id
    for secret in secrets.every(call, name=name, path=path, _project=project, _region=call.region, _scheduled=None):
        secrets.authorize(call, secret)
        return _access(call, secret, call.params["revision"])
    call.project(project)  # refused before anything is said of what exists
    raise not_found("secret", name)


def new_secret(call: ApiRequest, values: dict[str, Any], project: str) -> dict[str, Any]:
    """A complete secret, without versions."""
    return {
        **values,
        "project_id": project,
        "status": "ready",
        "managed": False,
        "used_by": [],
        "deletion_requested_at": None,
        "region": call.region,
        "_last_revision": 0,
    }


def add_version(call: ApiRequest, secret: Resource, data: str, description: str) -> Resource:
    """Keep a new version of a secret; revisions are never used twice. ``data`` is base64."""
    revision = secret["_last_revision"] + 1
    secrets.put(call, {**secret, "_last_revision": revision})
    version_id = f"{secret['id']}/{revision}"
    call.store.put(PAYLOADS, version_id, {"id": version_id, "data": data})
    return versions.add(
        call,
        {
            "id": version_id,
            "revision": revision,
            "secret_id": secret["id"],
            "status": "enabled",
            "deleted_at": None,
            "description": description,
            "ephemeral_properties": _ephemeral_properties(call, secret.get("ephemeral_policy")),
            "deletion_requested_at": None,
            "region": secret["region"],
        },
        project=secret["_project"],
    )


def _access(call: ApiRequest, secret: Resource, revision: str) -> dict[str, Any]:
    version = _version(call, secret, revision)
    if version["status"] == SCHEDULED:
        raise precondition_failed("resource_not_usable", "the version is scheduled for deletion")
    if version["status"] != "enabled" or _has_expired(call, version):
        raise precondition_failed("resource_not_usable", "the version is disabled")
    data = payload(call.store, version)
    return {
        "secret_id": secret["id"],
        "revision": version["revision"],
        "data": data,
        "data_crc32": zlib.crc32(base64.b64decode(data)),
        "type": secret["type"],
    }


def _find(call: ApiRequest) -> Resource:
    """The secret of the request's path, which must not be scheduled for deletion."""
    secret = secrets.find(call, call.id)
    if secret.get("_scheduled"):
        raise precondition_failed("resource_not_usable", "the secret is scheduled for deletion")
    return secret


def _find_active_version(call: ApiRequest) -> Resource:
    """The version of the request's path, which must not be scheduled for deletion."""
    version = _find_version(call)
    if version["status"] == SCHEDULED:
        raise precondition_failed("resource_not_usable", "the version is scheduled for deletion")
    return version


def _find_version(call: ApiRequest) -> Resource:
    return _version(call, secrets.find(call, call.id), call.params["revision"])


def _version(call: ApiRequest, secret: Resource, revision: str) -> Resource:
    version = find_version(call.store, secret["id"], revision)
    if version is None:
        raise not_found("secret_version", f"{secret['id']}/{revision}")
    return version


def _leaving(call: ApiRequest) -> dict[str, Any]:
    """What a secret or version gets when it is to be gone after a time. The store drops it then."""
    return {"deletion_requested_at": timestamp(call.now), "_gone_at": call.now + SECRET_RETENTION.total_seconds()}


def _staying(resource: Resource) -> Resource:
    """What is scheduled for deletion, as it was before."""
    return {name: value for name, value in resource.items() if name != "_gone_at"} | {"deletion_requested_at": None}


def _schedule_version(call: ApiRequest, version: Resource) -> None:
    if version["status"] == SCHEDULED:
        return
    leaving = _leaving(call)
    kept = call.store.get(PAYLOADS, version["id"]) or {}
    call.store.put(PAYLOADS, version["id"], {**kept, "_gone_at": leaving["_gone_at"]})
    versions.change(call, version, {**leaving, "status": SCHEDULED, "_former_status": version["status"]})


def _restore_version(call: ApiRequest, version: Resource) -> Resource:
    if version["status"] != SCHEDULED:
        return version
    kept = call.store.get(PAYLOADS, version["id"]) or {}
    call.store.put(PAYLOADS, version["id"], {name: value for name, value in kept.items() if name != "_gone_at"})
    return versions.change(call, _staying(version), {"status": version["_former_status"]})


def _ephemeral_properties(call: ApiRequest, policy: dict[str, Any] | None) -> dict[str, Any] | None:
    """A version's own, from its secret's policy."""
    if not policy:
        return None
    lifetime = policy.get("time_to_live")
    return {
        "expires_at": timestamp(call.now + parse_duration(lifetime)) if lifetime else None,
        "expires_once_accessed": policy.get("expires_once_accessed"),
        "action": policy["action"],
    }


def _has_expired(call: ApiRequest, version: Resource) -> bool:
    expires_at = (version["ephemeral_properties"] or {}).get("expires_at")
    return expires_at is not None and parse_timestamp(expires_at) <= call.now


def _remove_version(call: ApiRequest, version: Resource) -> None:
    call.store.delete(PAYLOADS, version["id"])
    versions.remove(call, version)


def _check_name_is_free(call: ApiRequest, project: str, name: str, path: str) -> None:
    """One that is scheduled for deletion keeps its name."""
    place = (project, call.region, name, path)
    for other in call.store.all(SECRETS):
        if (other["_project"], other["_region"], other["name"], other["path"]) == place:
            raise already_exists("secret", other["id"], "cannot have same secret name in same path")


def _check_size(data: str) -> None:
    try:
        size = len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError) as error:
        raise invalid("data", "must be base64") from error
    if not SECRET_VERSION.allows(size):
        raise invalid("data", f"must be at most {SECRET_VERSION.most} bytes")
