"""Secrets and their versions, and what requests may say of them."""

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


def _show_secret(call: ApiRequest, secret: Resource) -> dict[str, Any]:
    count = sum(1 for version in versions_of(call.store, secret["id"]) if version["status"] != SCHEDULED)
    return {**visible(secret, call.now), "version_count": count}


def _show_version(call: ApiRequest, version: Resource) -> dict[str, Any]:
    answer = {name: value for name, value in visible(version, call.now).items() if name != "id"}
    newest = max((each["revision"] for each in versions.every(call, secret_id=version["secret_id"])), default=None)
    return {**answer, "latest": version["revision"] == newest}


secrets = Collection(
    SECRETS,
    "secret",
    "secrets",
    {"project_id": "project_id", "name": "name", "path": "path", "tags": "tags", "type": "type"},
    show=_show_secret,
)
versions = Collection(VERSIONS, "secret_version", "versions", {"status": "status"}, show=_show_version)

_EPHEMERAL_POLICY = Body(
    time_to_live=Duration(default=None, least=1, most=LONGEST_EPHEMERAL.total_seconds()),
    expires_once_accessed=Boolean(default=None),
    action=EnumField(words=("delete", "disable"), required=True),
)
SECRET = Body(
    project_id=Uuid(),
    name=Text(required=True, longest=255, pattern=r"[\w.\-]+", meaning="must be letters, digits and - _ ."),
    tags=Array(of=Text(longest=255)),
    description=Text(longest=65_535),
    type=EnumField(words=TYPES, default="opaque"),
    path=Text(default="/", pattern=r"/.*", meaning="must start with /"),
    protected=Boolean(),
    ephemeral_policy=Nested(body=_EPHEMERAL_POLICY),
    key_id=Uuid(),
)
SECRET_CHANGE = Body(
    **{name: SECRET.fields[name] for name in ("name", "tags", "description", "path", "ephemeral_policy")}
)
VERSION = Body(data=Text(required=True, longest=200_000), description=Text(), disable_previous=Boolean())
VERSION_CHANGE = Body(description=Text())
