"""Secrets and versions, and their request bodies."""

from __future__ import annotations

from typing import Any

from localcloud.api.collection import Collection
from localcloud.api.request import ApiRequest
from localcloud.api.secret_manager.payloads import SCHEDULED, SECRETS, VERSIONS, versions_of
from localcloud.api.store import Resource
from localcloud.api.transitions import visible
from localcloud.api.validation import Array, Body, Boolean, Duration, EnumField, Nested, Text, Uuid
from scaleway_facts.behaviour import LONGEST_EPHEMERAL

TYPES = ("opaque", "certificate", "key_value", "basic_credentials", "database_credentials", "ssh_key")


def _show_secret(request: ApiRequest, secret: Resource) -> dict[str, Any]:
    count = sum(1 for version in versions_of(request.store, secret["id"]) if version["status"] != SCHEDULED)
    return {**visible(secret, request.now), "version_count": count}


def _show_version(request: ApiRequest, version: Resource) -> dict[str, Any]:
    shown = {name: value for name, value in visible(version, request.now).items() if name != "id"}
    newest = max(
        (other["revision"] for other in versions.matching(request, secret_id=version["secret_id"])), default=None
    )
    return {**shown, "latest": version["revision"] == newest}


secrets = Collection(
    SECRETS,
    "secret",
    "secrets",
    {"project_id": "project_id", "name": "name", "path": "path", "tags": "tags", "type": "type"},
    show=_show_secret,
)
versions = Collection(VERSIONS, "secret_version", "versions", {"status": "status"}, show=_show_version)

_EPHEMERAL_POLICY = Body(
    time_to_live=Duration(default=None, minimum=1, maximum=LONGEST_EPHEMERAL.total_seconds()),
    expires_once_accessed=Boolean(default=None),
    action=EnumField(values=("delete", "disable"), required=True),
)
SECRET = Body(
    project_id=Uuid(),
    name=Text(
        required=True,
        max_length=255,
        pattern=r"[\w.\-]+",
        message="must contain only letters, digits, hyphens, underscores and periods",
    ),
    tags=Array(of=Text(max_length=255)),
    description=Text(max_length=65_535),
    type=EnumField(values=TYPES, default="opaque"),
    path=Text(default="/", pattern=r"/.*", message="must start with /"),
    protected=Boolean(),
    ephemeral_policy=Nested(body=_EPHEMERAL_POLICY),
    key_id=Uuid(),
)
SECRET_CHANGE = Body(
    **{name: SECRET.fields[name] for name in ("name", "tags", "description", "path", "ephemeral_policy")}
)
VERSION = Body(data=Text(required=True, max_length=200_000), description=Text(), disable_previous=Boolean())
VERSION_CHANGE = Body(description=Text())
