"""Instances, their parts, and their request bodies."""

from __future__ import annotations

from typing import Any

from localcloud.api.collection import Collection
from localcloud.api.request import ApiRequest
from localcloud.api.store import VAULT_PREFIX, Resource
from localcloud.api.transitions import visible
from localcloud.api.validation import Array, Body, Boolean, EnumField, Field, Integer, Nested, Text, Uuid
from scaleway_facts.limits import BACKUP_DAYS, BACKUP_HOURS

PASSWORDS = f"{VAULT_PREFIX}rdb.password"
"""Store kind that maps ``<instance id>/<user>`` to the password."""

PORT = 5432
SUPERUSER = "_rdb_superadmin"


def _part(request: ApiRequest, resource: Resource) -> dict[str, Any]:
    """Databases, users and privileges are identified by name, so responses contain no ids or timestamps."""
    hidden = ("id", "instance_id", "created_at", "updated_at")
    return {name: value for name, value in visible(resource, request.now).items() if name not in hidden}


instances = Collection(
    "rdb.instance",
    "instance",
    "instances",
    {"name": "name", "project_id": "project_id", "organization_id": "organization_id", "tags": "tags"},
    show=lambda request, item: {
        name: value for name, value in visible(item, request.now).items() if name != "updated_at"
    },
)
databases = Collection("rdb.database", "database", "databases", {"name": "name", "owner": "owner"}, show=_part)
users = Collection("rdb.user", "user", "users", {"name": "name"}, show=_part)
privileges = Collection(
    "rdb.privilege",
    "privilege",
    "privileges",
    {"database_name": "database_name", "user_name": "user_name"},
    show=_part,
)

_NAME = Text(required=True, max_length=63, pattern=r"[a-zA-Z_][\w-]*", message="must start with a letter")
_PASSWORD = Text(required=True, max_length=128, min_length=8)
_VOLUME = EnumField(values=("lssd", "bssd", "sbs_5k", "sbs_15k"), default="lssd")
_TAGS = Array(of=Text(max_length=255))

INSTANCE = Body(
    project_id=Uuid(),
    name=Text(required=True, max_length=255),
    engine=Text(required=True, pattern=r"(PostgreSQL|MySQL)-\d+", message="must be an engine, such as PostgreSQL-16"),
    user_name=_NAME,
    password=_PASSWORD,
    node_type=Text(required=True, pattern=r"(?i)db-[a-z0-9-]+", message="must be a node type, such as db-dev-s"),
    is_ha_cluster=Boolean(),
    disable_backup=Boolean(),
    tags=_TAGS,
    init_settings=Array(of=Field()),
    volume_type=_VOLUME,
    volume_size=Integer(),
    init_endpoints=Array(of=Field()),
    backup_same_region=Boolean(),
    encryption=Nested(body=Body(enabled=Boolean()), default={"enabled": False}),
)
INSTANCE_CHANGE = Body(
    name=Text(max_length=255),
    tags=_TAGS,
    backup_schedule_frequency=Integer(maximum=BACKUP_HOURS.most),
    backup_schedule_retention=Integer(maximum=BACKUP_DAYS.most),
    is_backup_schedule_disabled=Boolean(),
    logs_policy=Field(),
    backup_same_region=Boolean(),
    backup_schedule_start_hour=Integer(maximum=23),
)
UPGRADE = Body(
    node_type=INSTANCE.fields["node_type"],
    enable_ha=Boolean(),
    volume_size=Integer(),
    volume_type=EnumField(values=_VOLUME.values),
    enable_encryption=Boolean(),
)
SETTING = Body(name=Text(required=True), value=Text(required=True))
DATABASE = Body(name=_NAME)
USER = Body(name=_NAME, password=_PASSWORD, is_admin=Boolean())
USER_CHANGE = Body(password=_PASSWORD, is_admin=Boolean())
PRIVILEGE = Body(
    database_name=_NAME,
    user_name=_NAME,
    permission=EnumField(required=True, values=("readonly", "readwrite", "all", "custom", "none")),
)
ACL_RULE = Body(ip=Text(required=True), description=Text())
ACL_RULE_IPS = Body(acl_rule_ips=Array(of=Text()))
