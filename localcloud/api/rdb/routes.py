"""``/rdb/v1``."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from localcloud.api import paging
from localcloud.api.collection import Collection
from localcloud.api.errors import already_exists, invalid, not_found
from localcloud.api.rdb.schemas import (
    ACL_RULE,
    ACL_RULE_IPS,
    DATABASE,
    INSTANCE,
    INSTANCE_CHANGE,
    PASSWORDS,
    PORT,
    PRIVILEGE,
    SETTING,
    SUPERUSER,
    UPGRADE,
    USER,
    USER_CHANGE,
    databases,
    instances,
    privileges,
    users,
)
from localcloud.api.request import ApiRequest
from localcloud.api.routing import ResponseBody, Routes
from localcloud.api.store import Resource
from localcloud.api.validation import Problems, objects

routes = Routes("/rdb/v1/regions/{region}/instances", product="rdb")

_SETTINGS = {
    "effective_cache_size": "1300",
    "maintenance_work_mem": "150",
    "max_connections": "100",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "work_mem": "4",
}
_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nFAKE\n-----END CERTIFICATE-----\n"

# Instances


@routes("POST", "", "instance")
def create_instance(request: ApiRequest) -> ResponseBody:
    """Create an instance, its first user (an administrator) and the database ``rdb``."""
    values = INSTANCE.create(request.body)
    project = request.project(values["project_id"])
    settings = {**_SETTINGS, **_settings(values, "init_settings")}
    host, _, port = request.cloud.sql_server.partition(":")
    endpoint = {
        "id": str(uuid4()),
        "ip": host or "127.0.0.1",
        "port": int(port or PORT),
        "name": None,
        "load_balancer": {},
    }
    instance = instances.add(
        request,
        {
            "name": values["name"],
            "project_id": project,
            "organization_id": request.organization_id,
            "region": request.region,
            "engine": values["engine"],
            "node_type": values["node_type"],
            "is_ha_cluster": values["is_ha_cluster"],
            "tags": values["tags"],
            "volume": _volume(values["volume_type"], values["volume_size"] or 5_000_000_000),
            "encryption": values["encryption"],
            "backup_same_region": values["backup_same_region"],
            "backup_schedule": {
                "disabled": values["disable_backup"],
                "frequency": 24,
                "retention": 7,
                "next_run_at": None,
            },
            "endpoint": endpoint,
            "endpoints": [endpoint],
            "settings": _setting_list(settings),
            "init_settings": values["init_settings"],
            "logs_policy": {"max_age_retention": 30, "total_disk_retention": None},
            "maintenances": [],
            "read_replicas": [],
            "upgradable_version": [],
            "_acl": [_acl_rule({"ip": "0.0.0.0/0", "description": ""})],
        },
        project=project,
        transient="provisioning",
    )
    _add_user(request, instance, values["user_name"], values["password"], is_admin=True)
    _add_part(request, databases, instance, "rdb", {"name": "rdb", "owner": SUPERUSER, "managed": False, "size": 0})
    return instances.show(request, instance)


@routes("GET", "", "instance")
def list_instances(request: ApiRequest) -> ResponseBody:
    return instances.list(request)


@routes("GET", "/{id}", "instance")
def get_instance(request: ApiRequest) -> ResponseBody:
    return instances.show(request, instances.find(request, request.id))


@routes("PATCH", "/{id}", "instance")
def update_instance(request: ApiRequest) -> ResponseBody:
    instance = instances.find_stable(request, request.id)
    values = INSTANCE_CHANGE.update(request.body)
    backups = {
        "disabled": "is_backup_schedule_disabled",
        "frequency": "backup_schedule_frequency",
        "retention": "backup_schedule_retention",
    }
    changed = {name: values[source] for name, source in backups.items() if source in values}
    changes: dict[str, Any] = {
        name: values[name] for name in ("name", "tags", "logs_policy", "backup_same_region") if name in values
    }
    changes["backup_schedule"] = {**instance["backup_schedule"], **changed}
    return instances.show(request, instances.change(request, instance, changes))


@routes("POST", "/{id}/upgrade", "instance")
def upgrade_instance(request: ApiRequest) -> ResponseBody:
    """Encryption at rest can be enabled but not disabled."""
    instance = instances.find_stable(request, request.id)
    values = UPGRADE.update(request.body)
    changes: dict[str, Any] = {}
    if "node_type" in values:
        changes["node_type"] = values["node_type"]
    if values.get("enable_ha"):
        changes["is_ha_cluster"] = True
    if values.get("enable_encryption"):
        changes["encryption"] = {"enabled": True}
    size = values.get("volume_size") or instance["volume"]["size"]
    if size < instance["volume"]["size"]:
        raise invalid("volume_size", "a volume cannot be shrunk")
    changes["volume"] = _volume(values.get("volume_type", instance["volume"]["type"]), size)
    return instances.show(request, instances.change(request, instance, changes, transient="configuring"))


@routes("DELETE", "/{id}", "instance")
def delete_instance(request: ApiRequest) -> ResponseBody:
    instance = instances.find(request, request.id)
    for part in (databases, users, privileges):
        for resource in list(part.matching(request, instance_id=instance["id"])):
            part.remove(request, resource)
            request.store.delete(PASSWORDS, resource["id"])
    return instances.show(request, instances.begin_deletion(request, instance))


@routes("GET", "/{id}/certificate", "instance")
def get_certificate(request: ApiRequest) -> ResponseBody:
    instances.find(request, request.id)
    certificate = request.cloud.sql_certificate or _CERTIFICATE
    return {
        "name": "ssl_certificate",
        "content_type": "application/x-pem-file",
        "content": base64.b64encode(certificate.encode()).decode(),
    }


@routes("PUT", "/{id}/settings", "instance")
def set_settings(request: ApiRequest) -> ResponseBody:
    instance = instances.find_stable(request, request.id)
    settings = _setting_list({**_SETTINGS, **_settings(request.body, "settings")})
    instances.change(request, instance, {"settings": settings})
    return {"settings": settings}


# Databases


@routes("POST", "/{id}/databases", "database")
def create_database(request: ApiRequest) -> ResponseBody:
    instance = instances.find_stable(request, request.id)
    name = DATABASE.create(request.body)["name"]
    values = {"name": name, "owner": SUPERUSER, "managed": True, "size": 0}
    return databases.show(request, _add_part(request, databases, instance, name, values))


@routes("GET", "/{id}/databases", "database")
def list_databases(request: ApiRequest) -> ResponseBody:
    return databases.list(request, instance_id=instances.find(request, request.id)["id"])


@routes("DELETE", "/{id}/databases/{name}", "database")
def delete_database(request: ApiRequest) -> ResponseBody:
    database = _find_part(request, databases, request.params["name"])
    for privilege in list(privileges.matching(request, instance_id=request.id, database_name=database["name"])):
        privileges.remove(request, privilege)
    databases.remove(request, database)
    return None


# Users and privileges


@routes("POST", "/{id}/users", "user")
def create_user(request: ApiRequest) -> ResponseBody:
    instance = instances.find_stable(request, request.id)
    values = USER.create(request.body)
    return users.show(request, _add_user(request, instance, values["name"], values["password"], values["is_admin"]))


@routes("GET", "/{id}/users", "user")
def list_users(request: ApiRequest) -> ResponseBody:
    return users.list(request, instance_id=instances.find(request, request.id)["id"])


@routes("PATCH", "/{id}/users/{name}", "user")
def update_user(request: ApiRequest) -> ResponseBody:
    user = _find_part(request, users, request.params["name"])
    changes = USER_CHANGE.update(request.body)
    if "password" in changes:
        request.store.put(PASSWORDS, user["id"], {"id": user["id"], "password": changes.pop("password")})
    return users.show(request, users.change(request, user, changes))


@routes("DELETE", "/{id}/users/{name}", "user")
def delete_user(request: ApiRequest) -> ResponseBody:
    user = _find_part(request, users, request.params["name"])
    for privilege in list(privileges.matching(request, instance_id=request.id, user_name=user["name"])):
        privileges.remove(request, privilege)
    request.store.delete(PASSWORDS, user["id"])
    users.remove(request, user)
    return None


@routes("PUT", "/{id}/privileges", "privilege")
def set_privilege(request: ApiRequest) -> ResponseBody:
    """Set a privilege. The permission ``none`` removes the privilege."""
    instance = instances.find_stable(request, request.id)
    values = PRIVILEGE.create(request.body)
    _find_part(request, databases, values["database_name"])
    _find_part(request, users, values["user_name"])
    id = f"{instance['id']}/{values['database_name']}/{values['user_name']}"
    if values["permission"] == "none":
        request.store.delete(privileges.kind, id)
        return values
    privilege = {"id": id, "instance_id": instance["id"], **values}
    return privileges.show(request, privileges.add(request, privilege, project=instance["_project"]))


@routes("GET", "/{id}/privileges", "privilege")
def list_privileges(request: ApiRequest) -> ResponseBody:
    return privileges.list(request, instance_id=instances.find(request, request.id)["id"])


# ACL rules


@routes("GET", "/{id}/acls", "acl")
def list_acls(request: ApiRequest) -> ResponseBody:
    return paging.page(instances.find(request, request.id)["_acl"], request.query, "rules")


@routes("POST", "/{id}/acls", "acl")
def add_acls(request: ApiRequest) -> ResponseBody:
    instance = instances.find_stable(request, request.id)
    added = _acl_rules(request)
    known = {rule["ip"] for rule in added}
    rules = [rule for rule in instance["_acl"] if rule["ip"] not in known] + added
    instances.change(request, instance, {"_acl": rules})
    return {"rules": rules}


@routes("PUT", "/{id}/acls", "acl")
def set_acls(request: ApiRequest) -> ResponseBody:
    instance = instances.find_stable(request, request.id)
    rules = _acl_rules(request)
    instances.change(request, instance, {"_acl": rules})
    return {"rules": rules}


@routes("DELETE", "/{id}/acls", "acl")
def delete_acls(request: ApiRequest) -> ResponseBody:
    instance = instances.find_stable(request, request.id)
    addresses = ACL_RULE_IPS.create(request.body)["acl_rule_ips"]
    removed = [rule for rule in instance["_acl"] if rule["ip"] in addresses]
    instances.change(request, instance, {"_acl": [rule for rule in instance["_acl"] if rule not in removed]})
    return {"rules": removed}


def _add_user(request: ApiRequest, instance: Resource, name: str, password: str, is_admin: bool) -> Resource:
    user = _add_part(request, users, instance, name, {"name": name, "is_admin": is_admin})
    request.store.put(PASSWORDS, user["id"], {"id": user["id"], "password": password})
    return user


def _add_part(request: ApiRequest, kind: Collection, instance: Resource, name: str, values: dict[str, Any]) -> Resource:
    id = f"{instance['id']}/{name}"
    if request.store.get(kind.kind, id) is not None:
        raise already_exists(kind.noun, name, "the name is already in use in this instance")
    return kind.add(request, {"id": id, "instance_id": instance["id"], **values}, project=instance["_project"])


def _find_part(request: ApiRequest, kind: Collection, name: str) -> Resource:
    instance = instances.find_stable(request, request.id)
    resource = request.store.get(kind.kind, f"{instance['id']}/{name}")
    if resource is None:
        raise not_found(kind.noun, name)
    return resource


def _settings(body: Mapping[str, Any], name: str) -> dict[str, str]:
    problems = Problems()
    settings = [SETTING.create(item, problems, f"{name}[{index}].") for index, item in enumerate(objects(body, name))]
    problems.raise_if_any()
    return {item["name"]: item["value"] for item in settings}


def _setting_list(settings: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(settings.items())]


def _volume(kind: str, size: int) -> dict[str, Any]:
    """Size in bytes."""
    return {"type": kind, "class": kind.split("_")[0], "size": size}


def _acl_rules(request: ApiRequest) -> list[dict[str, Any]]:
    problems = Problems()
    rules = [
        _acl_rule(ACL_RULE.create(rule, problems, f"rules[{index}]."), problems)
        for index, rule in enumerate(objects(request.body, "rules"))
    ]
    problems.raise_if_any()
    return rules


def _acl_rule(values: dict[str, Any], problems: Problems | None = None) -> dict[str, Any]:
    try:
        ipaddress.ip_network(str(values.get("ip", "")))
    except ValueError:
        if problems is not None:
            problems.add("ip", "must be a network in CIDR notation", "format")
    return {
        "ip": values.get("ip"),
        "description": values.get("description") or "IP allowed",
        "port": PORT,
        "protocol": "tcp",
        "direction": "inbound",
        "action": "allow",
    }
