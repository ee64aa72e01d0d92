"""Managed databases: Serverless SQL (``/serverless-sqldb/v1alpha1``) and instances (``/rdb/v1``)."""

from __future__ import annotations

import base64

from engine.plugin import Diff
from engine.provider.client import ApiError, Client
from engine.provider.fields import Field, same_id
from engine.provider.resource import ORGANIZATION, PROJECT, Object, ResourceType
from pulumi_state.values import PropertyMap, make_secret, unwrap


class ServerlessDatabase(ResourceType):
    """A Serverless SQL database."""

    token = "scaleway:databases/serverlessDatabase:ServerlessDatabase"  # noqa: S105 - a type token
    path = "/serverless-sqldb/v1alpha1/regions/{region}/databases"
    transient = frozenset({"creating", "deleting", "restoring"})
    waits_until_gone = True
    gone = frozenset({403, 404})  # 403 immediately after the deletion, 404 later
    fields = (
        Field("name"),
        Field("minCpu", "cpu_min", default=0),
        Field("maxCpu", "cpu_max", default=15),
        Field("endpoint", sent=False),
        PROJECT,
    )


_INSTANCE_TRANSIENT = frozenset(
    {
        "provisioning",
        "configuring",
        "deleting",
        "autohealing",
        "initializing",
        "backuping",
        "snapshotting",
        "restarting",
    }
)


class Instance(ResourceType):
    """A database instance."""

    token = "scaleway:databases/instance:Instance"  # noqa: S105 - a type token
    path = "/rdb/v1/regions/{region}/instances"
    transient = _INSTANCE_TRANSIENT
    waits_until_gone = True
    fields = (
        Field("name"),
        Field("nodeType"),
        Field("engine", computed=True),
        Field("isHaCluster", default=False),
        Field("disableBackup", default=False),
        Field("backupScheduleFrequency", sent=False, computed=True),
        Field("backupScheduleRetention", sent=False, computed=True),
        Field("backupSameRegion", computed=True),
        Field("userName", answered=False, computed=True),
        Field("password", answered=False),
        Field("tags"),
        Field("volumeType", default="lssd"),
        Field("volumeSizeInGb", sent=False, computed=True),
        Field("encryptionAtRest", sent=False),
        Field("endpointIp", sent=False),
        Field("endpointPort", sent=False),
        Field("certificate", sent=False),
        ORGANIZATION,
        PROJECT,
    )

    def body(self, client: Client, news: PropertyMap) -> Object:
        plain = unwrap(news)
        body = super().body(client, news)
        body["encryption"] = {"enabled": bool(plain.get("encryptionAtRest", False))}
        if plain.get("volumeSizeInGb"):
            body["volume_size"] = plain["volumeSizeInGb"] * 1_000_000_000
        return body

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        resource_id, outputs = await super().create(client, news)
        backups = self._backups(news)
        if backups:
            await client.patch(self.item(client, resource_id, outputs), backups)
        return resource_id, self.outputs(client, resource_id, await self.fetch(client, resource_id, outputs), news)

    @staticmethod
    def _backups(news: PropertyMap) -> Object:
        plain = unwrap(news)
        names = {
            "backupScheduleFrequency": "backup_schedule_frequency",
            "backupScheduleRetention": "backup_schedule_retention",
            "disableBackup": "is_backup_schedule_disabled",
        }
        return {api: plain[name] for name, api in names.items() if plain.get(name)}

    async def update(self, client: Client, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        """Update the size, the instance and its user in separate calls."""
        item = self.item(client, resource_id, olds)
        plain = unwrap(news)
        changed = set(self.diff(olds, news, ()).changed_keys)
        if "nodeType" in changed:
            await client.post(f"{item}/upgrade", {"node_type": plain["nodeType"]})
        if "volumeSizeInGb" in changed:
            await client.post(f"{item}/upgrade", {"volume_size": plain["volumeSizeInGb"] * 1_000_000_000})
        if "isHaCluster" in changed:
            await client.post(f"{item}/upgrade", {"enable_ha": plain["isHaCluster"]})
        await client.wait(item, self.transient)
        body: Object = {key: plain[key] for key in ("name", "tags") if key in changed and key in plain}
        if changed & {"backupScheduleFrequency", "backupScheduleRetention", "disableBackup"}:
            body |= self._backups(news)
        if "backupSameRegion" in changed:
            body["backup_same_region"] = plain["backupSameRegion"]
        if body:
            await client.patch(item, body)
        if "password" in changed:
            name = plain.get("userName") or unwrap(olds.get("userName"))
            await client.patch(f"{item}/users/{name}", {"password": plain["password"]})
        await client.wait(item, self.transient)
        return self.outputs(client, resource_id, await self.fetch(client, resource_id, olds), {**olds, **news})

    async def fetch(self, client: Client, resource_id: str, outputs: PropertyMap) -> Object:
        item = self.item(client, resource_id, outputs)
        response: Object = await client.wait(item, self.transient)
        certificate = await client.get(f"{item}/certificate")
        return {**response, "certificate": base64.b64decode(certificate["content"]).decode()}

    def outputs(self, client: Client, resource_id: str, response: Object, given: PropertyMap) -> PropertyMap:
        schedule = response["backup_schedule"]
        volume = response.get("volume") or {}
        endpoint: Object = next((item for item in response.get("endpoints") or [] if "load_balancer" in item), {})
        flat = {
            **response,
            "disable_backup": schedule.get("disabled"),
            "backup_schedule_frequency": schedule.get("frequency"),
            "backup_schedule_retention": schedule.get("retention"),
            "volume_type": volume.get("type"),
            "volume_size_in_gb": int(volume.get("size", 0)) // 1_000_000_000,
            "encryption_at_rest": bool((response.get("encryption") or {}).get("enabled")),
            "endpoint_ip": endpoint.get("ip") or endpoint.get("hostname") or "",
            "endpoint_port": endpoint.get("port") or 0,
        }
        outputs = super().outputs(client, resource_id, flat, given)
        if "password" in outputs:
            outputs["password"] = make_secret(unwrap(outputs["password"]))
        if endpoint:
            names = {"endpointId": "id", "hostname": "hostname", "ip": "ip", "name": "name", "port": "port"}
            outputs["loadBalancer"] = {name: endpoint.get(key) or "" for name, key in names.items()}
        # These are only outputs; without them the real provider would report a difference.
        outputs["settings"] = {setting["name"]: setting["value"] for setting in response.get("settings") or []}
        outputs |= {"maintenances": [], "readReplicas": [], "upgradableVersions": []}
        return outputs


class _InstanceChild(ResourceType):
    """A part of an instance that has no ID in the API."""

    path = "/rdb/v1/regions/{region}/instances"

    def instance_path(self, client: Client, properties: PropertyMap) -> str:
        region, _, bare = str(unwrap(properties["instanceId"])).rpartition("/")
        return f"{self.path.format(region=region or client.region)}/{bare}"

    async def ready(self, client: Client, properties: PropertyMap) -> str:
        """Wait until the instance accepts changes, and return its path."""
        path = self.instance_path(client, properties)
        await client.wait(path, _INSTANCE_TRANSIENT)
        return path

    def child_id(self, client: Client, news: PropertyMap, *parts: str) -> str:
        region, _, bare = str(unwrap(news["instanceId"])).rpartition("/")
        return "/".join((region or client.region, bare, *parts))


class _NamedInstanceChild(_InstanceChild):
    """An instance's database or user, identified by its name."""

    noun: str

    async def fetch(self, client: Client, resource_id: str, outputs: PropertyMap) -> Object:
        name = unwrap(outputs["name"])
        listed = await client.get(f"{self.instance_path(client, outputs)}/{self.noun}s", name=name)
        for item in listed[f"{self.noun}s"]:
            if item["name"] == name:
                return dict(item)
        raise ApiError(404, f"{self.noun} {name} not found")

    async def delete(self, client: Client, resource_id: str, outputs: PropertyMap) -> None:
        try:
            await client.delete(f"{await self.ready(client, outputs)}/{self.noun}s/{outputs['name']}")
        except ApiError as error:
            if error.status != 404:
                raise


class Database(_NamedInstanceChild):
    """A database on an instance."""

    token = "scaleway:databases/database:Database"  # noqa: S105 - a type token
    noun = "database"
    fields = (
        Field("instanceId", answered=False, equal=same_id),
        Field("name"),
        Field("owner", sent=False),
        Field("managed", sent=False),
        Field("size", sent=False, read=str),
    )

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        name = unwrap(news["name"])
        await client.post(f"{await self.ready(client, news)}/databases", {"name": name})
        resource_id = self.child_id(client, news, name)
        response = await self.fetch(client, resource_id, {**news, "name": name})
        return resource_id, self.outputs(client, resource_id, response, news)


class User(_NamedInstanceChild):
    """A user of an instance."""

    token = "scaleway:databases/user:User"  # noqa: S105 - a type token
    noun = "user"
    fields = (
        Field("instanceId", answered=False, equal=same_id),
        Field("name"),
        Field("password", answered=False),
        Field("isAdmin"),
    )

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        plain = unwrap(news)
        body = {
            "name": plain["name"],
            "password": plain.get("password", ""),
            "is_admin": plain.get("isAdmin", False),
        }
        await client.post(f"{await self.ready(client, news)}/users", body)
        resource_id = self.child_id(client, news, plain["name"])
        return resource_id, self.outputs(client, resource_id, await self.fetch(client, resource_id, news), news)

    async def update(self, client: Client, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        plain = unwrap(news)
        body = {"password": plain.get("password", ""), "is_admin": plain.get("isAdmin", False)}
        await client.patch(f"{await self.ready(client, olds)}/users/{plain['name']}", body)
        return self.outputs(client, resource_id, await self.fetch(client, resource_id, news), news)

    def outputs(self, client: Client, resource_id: str, response: Object, given: PropertyMap) -> PropertyMap:
        outputs = super().outputs(client, resource_id, response, given)
        if "password" in outputs:
            outputs["password"] = make_secret(unwrap(outputs["password"]))
        return outputs


class Privilege(_InstanceChild):
    """A user's permission on one of an instance's databases."""

    token = "scaleway:databases/privilege:Privilege"  # noqa: S105 - a type token
    fields = (
        Field("instanceId", answered=False, equal=same_id),
        Field("userName"),
        Field("databaseName"),
        Field("permission"),
        Field("effectivePermission", sent=False),
        Field("permissionStatus", sent=False),
    )

    async def _put(self, client: Client, news: PropertyMap, permission: str) -> None:
        plain = unwrap(news)
        await client.put(
            f"{await self.ready(client, news)}/privileges",
            {
                "database_name": plain["databaseName"],
                "user_name": plain["userName"],
                "permission": permission,
            },
        )

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        plain = unwrap(news)
        await self._put(client, news, plain["permission"])
        resource_id = self.child_id(client, news, plain["databaseName"], plain["userName"])
        return resource_id, self.outputs(client, resource_id, await self.fetch(client, resource_id, news), news)

    async def update(self, client: Client, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        await self._put(client, news, unwrap(news["permission"]))
        return self.outputs(client, resource_id, await self.fetch(client, resource_id, news), news)

    async def fetch(self, client: Client, resource_id: str, outputs: PropertyMap) -> Object:
        plain = unwrap(outputs)
        listed = await client.get(
            f"{self.instance_path(client, outputs)}/privileges",
            database_name=plain["databaseName"],
            user_name=plain["userName"],
        )
        if not listed["privileges"]:
            raise ApiError(404, f"{plain['userName']} has no privileges on {plain['databaseName']}")
        privilege = listed["privileges"][0]
        return {**privilege, "effective_permission": privilege["permission"], "permission_status": "synced"}

    async def delete(self, client: Client, resource_id: str, outputs: PropertyMap) -> None:
        try:
            await self._put(client, outputs, "none")
        except ApiError as error:
            if error.status != 404:
                raise

    def diff(self, olds: PropertyMap, news: PropertyMap, ignore: object) -> Diff:
        diff = super().diff(olds, news, ())
        return Diff(diff.detailed, delete_before_replace=False)


def _acl_rules(rules: list[Object]) -> list[Object]:
    return [{key: rule[key] for key in ("ip", "description")} for rule in rules]


class Acl(_InstanceChild):
    """An instance's access rules, read and replaced as a single list."""

    token = "scaleway:databases/acl:Acl"  # noqa: S105 - a type token
    fields = (
        Field("instanceId", answered=False, equal=same_id),
        Field("aclRules", "rules", read=_acl_rules),
    )

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        path = await self.ready(client, news)
        await client.put(f"{path}/acls", {"rules": unwrap(news["aclRules"])})
        await client.wait(path, _INSTANCE_TRANSIENT)
        resource_id = self.child_id(client, news)
        return resource_id, self.outputs(client, resource_id, await self.fetch(client, resource_id, news), news)

    async def update(self, client: Client, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        return (await self.create(client, news))[1]

    async def fetch(self, client: Client, resource_id: str, outputs: PropertyMap) -> Object:
        response: Object = await client.get(f"{self.instance_path(client, outputs)}/acls")
        return response

    async def delete(self, client: Client, resource_id: str, outputs: PropertyMap) -> None:
        body = {"acl_rule_ips": [rule["ip"] for rule in unwrap(outputs["aclRules"])]}
        try:
            await client.delete(f"{await self.ready(client, outputs)}/acls", body)
        except ApiError as error:
            if error.status != 404:
                raise


TYPES = (ServerlessDatabase(), Instance(), Database(), User(), Privilege(), Acl())
