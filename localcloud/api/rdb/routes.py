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
from localcloud.api.routing import Answer, Routes
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
def create_instance(call: ApiRequest) -> Answer:
    """With its first user, an administrator, and the database ``rdb``."""
    values = INSTANCE.create(call.body)
    project = call.project(values["project_id"])
    settings = {**_SETTINGS, **_settings(values, "init_settings")}
    host, _, port = call.cloud.sql_server.partition(":")
    endpoint = {
        "id": str(uuid4()),
        "ip": host or "127.0.0.1",
        "port": int(port or PORT),
        "name": None,
        "load_balancer": {},
    }
    instance = instances.add(
        call,
        {
            "name": values["name"],
            "project_id": project,
            "organization_id": call.organization_id,
            "region": call.region,
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
    _add_user(call, instance, values["user_name"], values["password"], is_admin=True)
    _add_part(call, databases, instance, "rdb", {"name": "rdb", "owner": SUPERUSER, "managed": False, "size": 0})
    return instances.show(call, instance)


@routes("GET", "", "instance")
def list_instances(call: ApiRequest) -> Answer:
    return instances.list(call)


@routes("GET", "/{id}", "instance")
def get_instance(call: ApiRequest) -> Answer:
    return instances.show(call, instances.find(call, call.id))


@routes("PATCH", "/{id}", "instance")
def update_instance(call: ApiRequest) -> Answer:
    instance = instances.find_stable(call, call.id)
    given = INSTANCE_CHANGE.update(call.body)
    backups = {
        "disabled": "is_backup_schedule_disabled",
        "frequency": "backup_schedule_frequency",
        "retention": "backup_schedule_retention",
    }
    changed = {name: given[source] for name, source in backups.items() if source in given}
    changes: dict[str, Any] = {
        name: given[name] for name in ("name", "tags", "logs_policy", "backup_same_region") if name in given
    }
    changes["backup_schedule"] = {**instance["backup_schedule"], **changed}
    return instances.show(call, instances.change(call, instance, changes))


@routes("POST", "/{id}/upgrade", "instance")
def upgrade_instance(call: ApiRequest) -> Answer:
    """Encryption at rest can be switched on, never off."""
    instance = instances.find_stable(call, call.id)
    given = UPGRADE.update(call.body)
    changes: dict[str, Any] = {}
    if "node_type" in given:
        changes["node_type"] = given["node_type"]
    if given.get("enable_ha"):
        changes["is_ha_cluster"] = True
    if given.get("enable_encryption"):
        changes["encryption"] = {"enabled": True}
    size = given.get("volume_size") or instance["volume"]["size"]
    if size < instance["volume"]["size"]:
        raise invalid("volume_size", "a volume cannot be made smaller")
    changes["volume"] = _volume(given.get("volume_type", instance["volume"]["type"]), size)
    return instances.show(call, instances.change(call, instance, changes, transient="configuring"))


@routes("DELETE", "/{id}", "instance")
def delete_instance(call: ApiRequest) -> Answer:
    instance = instances.find(call, call.id)
    for part in (databases, users, privileges):
        for resource in list(part.every(call, instance_id=instance["id"])):
            part.remove(call, resource)
            call.store.delete(PASSWORDS, resource["id"])
    return instances.show(call, instances.retire(call, instance))


@routes("GET", "/{id}/certificate", "instance")
def get_certificate(call: ApiRequest) -> Answer:
    instances.find(call, call.id)
    certificate = call.cloud.sql_certificate or _CERTIFICATE
    return {
        "name": "ssl_certificate",
        "content_type": "application/x-pem-file",
        "content": base64.b64encode(certificate.encode()).decode(),
    }


@routes("PUT", "/{id}/settings", "instance")
def set_settings(call: ApiRequest) -> Answer:
    instance = instances.find_stable(call, call.id)
    settings = _setting_list({**_SETTINGS, **_settings(call.body, "settings")})
    instances.change(call, instance, {"settings": settings})
    return {"settings": settings}


# Databases


@routes("POST", "/{id}/databases", "database")
def create_database(call: ApiRequest) -> Answer:
    instance = instances.find_stable(call, call.id)
    name = DATABASE.create(call.body)["name"]
    values = {"name": name, "owner": SUPERUSER, "managed": True, "size": 0}
    return databases.show(call, _add_part(call, databases, instance, name, values))


@routes("GET", "/{id}/databases", "database")
def list_databases(call: ApiRequest) -> Answer:
    return databases.list(call, instance_id=instances.find(call, call.id)["id"])


@routes("DELETE", "/{id}/databases/{name}", "database")
def delete_database(call: ApiRequest) -> Answer:
    database = _find_part(call, databases, call.params["name"])
    for privilege in list(privileges.every(call, instance_id=call.id, database_name=database["name"])):
        privileges.remove(call, privilege)
    databases.remove(call, database)
    return None


# Users and privileges


@routes("POST", "/{id}/users", "user")
def create_user(call: ApiRequest) -> Answer:
    instance = instances.find_stable(call, call.id)
    values = USER.create(call.body)
    return users.show(call, _add_user(call, instance, values["name"], values["password"], values["is_admin"]))


@routes("GET", "/{id}/users", "user")
def list_users(call: ApiRequest) -> Answer:
    return users.list(call, instance_id=instances.find(call, call.id)["id"])


@routes("PATCH", "/{id}/users/{name}", "user")
def update_user(call: ApiRequest) -> Answer:
    user = _find_part(call, users, call.params["name"])
    changes = USER_CHANGE.update(call.body)
    if "password" in changes:
        call.store.put(PASSWORDS, user["id"], {"id": user["id"], "password": changes.pop("password")})
    return users.show(call, users.change(call, user, changes))


@routes("DELETE", "/{id}/users/{name}", "user")
def delete_user(call: ApiRequest) -> Answer:
    user = _find_part(call, users, call.params["name"])
    for privilege in list(privileges.every(call, instance_id=call.id, user_name=user["name"])):
        privileges.remove(call, privilege)
    call.store.delete(PASSWORDS, user["id"])
    users.remove(call, user)
    return None


@routes("PUT", "/{id}/privileges", "privilege")
def set_privilege(call: ApiRequest) -> Answer:
    """``none`` takes the privilege away."""
    instance = instances.find_stable(call, call.id)
    values = PRIVILEGE.create(call.body)
    _find_part(call, databases, values["database_name"])
    _find_part(call, users, values["user_name"])
    id = f"{instance['id']}/{values['database_name']}/{values['user_name']}"
    if values["permission"] == "none":
        call.store.delete(privileges.kind, id)
        return values
    privilege = {"id": id, "instance_id": instance["id"], **values}
    return privileges.show(call, privileges.add(call, privilege, project=instance["_project"]))


@routes("GET", "/{id}/privileges", "privilege")
def list_privileges(call: ApiRequest) -> Answer:
    return privileges.list(call, instance_id=instances.find(call, call.id)["id"])


# Rules of access (ACL)


@routes("GET", "/{id}/acls", "acl")
def list_acls(call: ApiRequest) -> Answer:
    return paging.page(instances.find(call, call.id)["_acl"], call.query, "rules")


@routes("POST", "/{id}/acls", "acl")
def add_acls(call: ApiRequest) -> Answer:
    instance = instances.find_stable(call, call.id)
    added = _acl_rules(call)
    known = {rule["ip"] for rule in added}
    rules = [rule for rule in instance["_acl"] if rule["ip"] not in known] + added
    instances.change(call, instance, {"_acl": rules})
    return {"rules": rules}


@routes("PUT", "/{id}/acls", "acl")
def set_acls(call: ApiRequest) -> Answer:
    instance = instances.find_stable(call, call.id)
    rules = _acl_rules(call)
    instances.change(call, instance, {"_acl": rules})
    return {"rules": rules}


@routes("DELETE", "/{id}/acls", "acl")
def delete_acls(call: ApiRequest) -> Answer:
    instance = instances.find_stable(call, call.id)
    unwanted = ACL_RULE_IPS.create(call.body)["acl_rule_ips"]
    removed = [rule for rule in instance["_acl"] if rule["ip"] in unwanted]
    instances.change(call, instance, {"_acl": [rule for rule in instance["_acl"] if rule not in removed]})
    return {"rules": removed}


def _add_user(call: ApiRequest, instance: Resource, name: str, password: str, is_admin: bool) -> Resource:
    user = _add_part(call, users, instance, name, {"name": name, "is_admin": is_admin})
    call.store.put(PASSWORDS, user["id"], {"id": user["id"], "password": password})
    return user


def _add_part(call: ApiRequest, kind: Collection, instance: Resource, name: str, values: dict[str, Any]) -> Resource:
    id = f"{instance['id']}/{name}"
    if call.store.get(kind.kind, id) is not None:
        raise already_exists(kind.noun, name, "the name is taken in this instance")
    return kind.add(call, {"id": id, "instance_id": instance["id"], **values}, project=instance["_project"])


def _find_part(call: ApiRequest, kind: Collection, name: str) -> Resource:
    instance = instances.find_stable(call, call.id)
    resource = call.store.get(kind.kind, f"{instance['id']}/{name}")
    if resource is None:
        raise not_found(kind.noun, name)
    return resource


def _settings(body: Mapping[str, Any], name: str) -> dict[str, str]:
    problems = Problems()
    found = [SETTING.create(item, problems, f"{name}[{index}].") for index, item in enumerate(objects(body, name))]
    problems.raise_if_any()
    return {item["name"]: item["value"] for item in found}


def _setting_list(settings: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(settings.items())]


def _volume(kind: str, size: int) -> dict[str, Any]:
    """Size in bytes."""
    return {"type": kind, "class": kind.split("_")[0], "size": size}


def _acl_rules(call: ApiRequest) -> list[dict[str, Any]]:
    problems = Problems()
    rules = [
        _acl_rule(ACL_RULE.create(rule, problems, f"rules[{index}]."), problems)
        for index, rule in enumerate(objects(call.body, "rules"))
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
