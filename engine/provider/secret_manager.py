"""Secret Manager, ``/secret-manager/v1beta1``."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from engine.errors import EngineError
from engine.provider.client import ApiError, Client
from engine.provider.fields import Field, bare_id, none_if_empty, read_duration, same_id, write_duration
from engine.provider.resource import CREATED_AT, PROJECT, UPDATED_AT, Object, ResourceType
from pulumi_state.values import PropertyMap, make_secret, unwrap

_REGION = "/secret-manager/v1beta1/regions/{region}"


def _read_versions(versions: list[Object]) -> list[PropertyMap]:
    return [
        {
            "createdAt": version.get("created_at") or "",
            "description": version.get("description") or "",
            "latest": bool(version.get("latest")),
            "revision": str(version.get("revision", "")),
            "secretId": version.get("secret_id", ""),
            "status": version.get("status", ""),
            "updatedAt": version.get("updated_at") or "",
        }
        for version in versions
    ]


def _write_policies(policies: list[PropertyMap]) -> Object | None:
    """Convert a list that contains at most one policy."""
    if not policies:
        return None
    policy = policies[0]
    body = {"action": policy["action"], "expires_once_accessed": bool(policy.get("expiresOnceAccessed"))}
    return body | ({"time_to_live": write_duration(policy["ttl"])} if policy.get("ttl") else {})


def _read_policies(policy: Object | None) -> list[PropertyMap]:
    if not policy:
        return []
    return [
        {
            "action": policy.get("action", ""),
            "expiresOnceAccessed": bool(policy.get("expires_once_accessed")),
            "ttl": read_duration(policy.get("time_to_live")) or "",
        }
    ]


def _same_policies(old: list[PropertyMap], new: list[PropertyMap]) -> bool:
    return _write_policies(old) == _write_policies(new)


class Secret(ResourceType):
    """A secret without its value."""

    token = "scaleway:secrets/secret:Secret"  # noqa: S105 - a type token
    path = f"{_REGION}/secrets"
    fields = (
        Field("name"),
        Field("description"),
        Field("tags", read=none_if_empty),
        Field("path", default="/", checked_default=True),
        Field("type", default="opaque"),
        Field("protected"),
        Field(
            "ephemeralPolicies",
            "ephemeral_policy",
            write=_write_policies,
            read=_read_policies,
            equal=_same_policies,
        ),
        Field("status", sent=False),
        Field("versionCount", sent=False),
        Field("versions", sent=False, read=_read_versions),
        PROJECT,
        CREATED_AT,
        UPDATED_AT,
    )

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        region = self.region(client, news)
        response = await client.post(self.collection(client, region, news), self.body(client, news))
        resource_id = self.resource_id(client, region, response)
        return resource_id, self.outputs(client, resource_id, await self.fetch(client, resource_id, {}), news)

    async def update(self, client: Client, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        item = self.item(client, resource_id, olds)
        body = self.changes(olds, news)
        protected = body.pop("protected", None)
        if body:
            await client.patch(item, body)
        if protected is not None:
            await client.post(f"{item}/{'protect' if protected else 'unprotect'}", {})
        return self.outputs(client, resource_id, await self.fetch(client, resource_id, olds), news)

    async def fetch(self, client: Client, resource_id: str, outputs: PropertyMap) -> Object:
        item = self.item(client, resource_id, outputs)
        response: Object = await client.get(item)
        versions = await client.get(f"{item}/versions")
        return {**response, "versions": versions["versions"]}


def _encoded(data: Any) -> str:
    """Encode data as the provider does (``Base64Encoded``), unless it is already base64."""
    text = str(data)
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return base64.b64encode(text.encode()).decode()
    return text


def _same_data(old: Any, new: Any) -> bool:
    return _encoded(old) == _encoded(new)


class Version(ResourceType):
    """A version of a secret, including its value. A new value is created before the old one is deleted."""

    token = "scaleway:secrets/version:Version"  # noqa: S105 - a type token
    path = f"{_REGION}/secrets"
    fields = (
        Field("secretId", sent=False, answered=False, equal=same_id),
        Field("data", answered=False, equal=_same_data),
        Field("description"),
        Field("revision", sent=False, read=str),
        Field("status", sent=False),
        CREATED_AT,
        UPDATED_AT,
    )

    def item(self, client: Client, resource_id: str, outputs: PropertyMap) -> str:
        """Return the path of a version with the ID ``<region>/<secret>/<revision>``."""
        region, secret, revision = resource_id.split("/")
        return f"{self.path.format(region=region)}/{secret}/versions/{revision}"

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        region = self.region(client, news)
        secret = bare_id(unwrap(news["secretId"]))
        data = base64.b64encode(str(unwrap(news.get("data", ""))).encode()).decode()
        response = await client.post(
            f"{self.path.format(region=region)}/{secret}/versions",
            {"data": data, "description": unwrap(news.get("description", ""))},
        )
        resource_id = f"{region}/{secret}/{response['revision']}"
        return resource_id, self.outputs(client, resource_id, response, news)

    def outputs(self, client: Client, resource_id: str, response: Object, given: PropertyMap) -> PropertyMap:
        outputs = super().outputs(client, resource_id, response, given)
        outputs["region"] = resource_id.partition("/")[0]
        outputs["secretId"] = "/".join(resource_id.split("/")[:2])
        if "data" in outputs:
            outputs["data"] = make_secret(_encoded(unwrap(outputs["data"])))
        return outputs


async def get_version(client: Client, arguments: PropertyMap) -> PropertyMap:
    """Implement ``scaleway:secrets/getVersion:getVersion``: return a secret version with its data in base64.

    Raises EngineError if the secret or the version does not exist.
    """
    plain = unwrap(arguments)
    region = plain.get("region") or client.region
    revision = str(plain.get("revision") or "latest")
    secrets = f"{_REGION.format(region=region)}/secrets"
    secret_id = bare_id(plain.get("secretId"))
    if not secret_id:
        name = plain.get("secretName")
        project_id = plain.get("projectId") or client.project_id
        listed = (await client.get(secrets, name=str(name), project_id=project_id))["secrets"]
        matching = [secret for secret in listed if secret["name"] == name]
        if len(matching) != 1:
            raise EngineError(f"found {len(matching)} secrets named {name} in project {project_id}; expected 1")
        secret_id = matching[0]["id"]
    try:
        path = f"{secrets}/{secret_id}/versions"
        access, version = await asyncio.gather(
            client.get(f"{path}/{revision}/access"), client.get(f"{path}/{revision}")
        )
        if version["revision"] != access["revision"]:  # a newer version was created between the two requests
            version = await client.get(f"{path}/{access['revision']}")
    except ApiError as error:
        raise EngineError(
            f"version {revision} of the secret {plain.get('secretName') or secret_id} cannot be read: {error}"
        ) from error
    return {
        "id": f"{region}/{secret_id}/{revision}",
        "secretId": f"{region}/{secret_id}",
        "secretName": plain.get("secretName", ""),
        "revision": revision,
        "data": access["data"],
        "description": version.get("description") or "",
        "status": version["status"],
        "createdAt": version.get("created_at") or "",
        "updatedAt": version.get("updated_at") or "",
        "region": region,
        "projectId": plain.get("projectId") or client.project_id,
        "organizationId": client.organization_id,
    }


async def get_secret(client: Client, arguments: PropertyMap) -> PropertyMap:
    """Implement ``scaleway:secrets/getSecret:getSecret``: return a secret by ID, with its versions but not their data.

    Raises EngineError if the secret does not exist.
    """
    secret_id = str(unwrap(arguments)["secretId"])
    region, _, bare = secret_id.rpartition("/")
    resource_id = f"{region or client.region}/{bare}"
    try:
        found = await _SECRET.fetch(client, resource_id, {})
    except ApiError as error:
        raise EngineError(f"the secret {secret_id} cannot be read: {error}") from error
    return {**_SECRET.outputs(client, resource_id, found, {}), "id": resource_id, "secretId": resource_id}


_SECRET = Secret()
TYPES = (_SECRET, Version())
