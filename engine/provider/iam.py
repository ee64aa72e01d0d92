"""Applications, policies and API keys, ``/iam/v1alpha1``."""

from __future__ import annotations

from typing import Any

from engine.provider.client import Client
from engine.provider.fields import Field, none_if_empty
from engine.provider.resource import CREATED_AT, UPDATED_AT, Object, ResourceType, SecretKeyResource
from pulumi_state.values import PropertyMap

_ORGANIZATION = Field("organizationId", computed=True)
_EDITABLE = Field("editable", sent=False)


class Application(ResourceType):
    """An application that policies and API keys refer to."""

    token = "scaleway:iam/application:Application"  # noqa: S105 - a type token
    path = "/iam/v1alpha1/applications"
    fields = (
        Field("name"),
        Field("description"),
        Field("tags", read=none_if_empty),
        _ORGANIZATION,
        _EDITABLE,
        CREATED_AT,
        UPDATED_AT,
    )


def _write_rule(rule: PropertyMap) -> Object:
    body: Object = {
        "permission_set_names": rule["permissionSetNames"],
        "condition": rule.get("condition", ""),
    }
    if rule.get("organizationId"):
        body["organization_id"] = rule["organizationId"]
    else:
        body["project_ids"] = rule.get("projectIds", [])
    return body


def _write_rules(rules: list[PropertyMap]) -> list[Object]:
    return [_write_rule(rule) for rule in rules]


def _read_rules(rules: list[Object]) -> list[PropertyMap]:
    return [
        {
            "condition": rule.get("condition") or "",
            "organizationId": rule.get("organization_id") or "",
            "permissionSetNames": sorted(rule.get("permission_set_names") or []),
            "projectIds": rule.get("project_ids") or [],
        }
        for rule in rules
    ]


def _normal_rules(rules: list[PropertyMap]) -> list[PropertyMap]:
    """Normalize rules as in the state, but keep the program's order of permission sets, as the provider does."""
    return [
        {**read, "permissionSetNames": rule["permissionSetNames"]}
        for read, rule in zip(_read_rules(_write_rules(rules)), rules, strict=True)
    ]


def _same_rules(old: list[PropertyMap], new: list[PropertyMap]) -> bool:
    """Compare rules, ignoring the order of their permission sets."""

    def normal(rules: list[PropertyMap]) -> list[Any]:
        return [{**body, "permission_set_names": sorted(body["permission_set_names"])} for body in _write_rules(rules)]

    return normal(old) == normal(new)


class Policy(ResourceType):
    """A policy. The rules are created with the policy but are read and replaced separately."""

    token = "scaleway:iam/policy:Policy"  # noqa: S105 - a type token
    path = "/iam/v1alpha1/policies"
    fields = (
        Field("name"),
        Field("description"),
        Field("tags", read=none_if_empty),
        Field("applicationId"),
        Field("userId"),
        Field("groupId"),
        Field("noPrincipal", empty=False),
        Field(
            "rules",
            write=_write_rules,
            read=_read_rules,
            equal=_same_rules,
            normal=_normal_rules,
            sets=("permissionSetNames",),
        ),
        _ORGANIZATION,
        _EDITABLE,
        CREATED_AT,
        UPDATED_AT,
    )

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        response = await client.post(self.path, self.body(client, news))
        resource_id = str(response["id"])
        return resource_id, self.outputs(client, resource_id, await self.fetch(client, resource_id, {}), news)

    async def update(self, client: Client, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        body = self.changes(olds, news)
        rules = body.pop("rules", None)
        if body:
            await client.patch(self.item(client, resource_id, olds), body)
        if rules is not None:
            await client.put("/iam/v1alpha1/rules", {"policy_id": resource_id, "rules": rules})
        return self.outputs(client, resource_id, await self.fetch(client, resource_id, olds), news)

    async def fetch(self, client: Client, resource_id: str, outputs: PropertyMap) -> Object:
        policy: Object = await client.get(self.item(client, resource_id, outputs))
        rules = await client.get("/iam/v1alpha1/rules", policy_id=resource_id)
        return {**policy, "rules": rules["rules"]}


class ApiKey(SecretKeyResource):
    """An API key. Its ID is the access key."""

    token = "scaleway:iam/apiKey:ApiKey"  # noqa: S105 - a type token
    path = "/iam/v1alpha1/api-keys"
    fields = (
        Field("applicationId"),
        Field("userId"),
        Field("defaultProjectId", computed=True),
        Field("description"),
        Field("expiresAt", empty=""),
        Field("accessKey", sent=False),
        Field("secretKey", sent=False, answered=False),
        Field("creationIp", sent=False),
        _EDITABLE,
        CREATED_AT,
        UPDATED_AT,
    )

    def resource_id(self, client: Client, region: str, response: Object) -> str:
        return str(response["access_key"])


TYPES = (Application(), Policy(), ApiKey())
