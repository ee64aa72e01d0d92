"""Serverless Jobs, ``/serverless-jobs/v1alpha2``: job definitions and their secret references."""

from __future__ import annotations

from typing import Any

from engine.provider.client import Client
from engine.provider.fields import Field, bare_id, read_duration, same_duration, write_duration
from engine.provider.resource import PROJECT, Object, ResourceType
from pulumi_state.values import PropertyMap, unwrap

_SECRETS = "/serverless-jobs/v1alpha2/regions/{region}/secrets"


def _read_references(references: list[Object]) -> list[PropertyMap]:
    return [
        {
            "secretId": reference["secret_manager_id"],
            "secretReferenceId": reference["secret_id"],
            "secretVersion": reference["secret_manager_version"],
            "environment": (reference.get("env_var") or {}).get("name", ""),
            "file": (reference.get("file") or {}).get("path", ""),
        }
        for reference in references
    ]


def _reference_key(reference: PropertyMap) -> tuple[Any, ...]:
    return (
        bare_id(reference["secretId"]),
        str(reference.get("secretVersion") or "latest"),
        reference.get("environment") or "",
        reference.get("file") or "",
    )


def _same_references(old: list[PropertyMap], new: list[PropertyMap]) -> bool:
    return sorted(map(_reference_key, old)) == sorted(map(_reference_key, new))


class Definition(ResourceType):
    """A job definition."""

    token = "scaleway:job/definition:Definition"  # noqa: S105 - a type token
    path = "/serverless-jobs/v1alpha2/regions/{region}/job-definitions"
    fields = (
        Field("name"),
        Field("description"),
        Field("cpuLimit"),
        Field("memoryLimit"),
        Field("localStorageCapacity"),
        Field("imageUri"),
        Field("startupCommands", "startup_command"),
        Field("args"),
        Field("env", "environment_variables"),
        Field(
            "timeout",
            "job_timeout",
            write=write_duration,
            read=read_duration,
            equal=same_duration,
            computed=True,
        ),
        Field("cron", "cron_schedule"),
        Field("secretReferences", sent=False, read=_read_references, equal=_same_references),
        PROJECT,
    )

    def body(self, client: Client, news: PropertyMap) -> Object:
        """Return the request body, including the retry policy that the real provider always sends."""
        return {**super().body(client, news), "retry_policy": {"max_retries": 0}}

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        region = self.region(client, news)
        response = await client.post(self.collection(client, region, news), self.body(client, news))
        resource_id = self.resource_id(client, region, response)
        await self._add_references(client, resource_id, unwrap(news.get("secretReferences")) or [])
        return resource_id, self.outputs(client, resource_id, await self.fetch(client, resource_id, news), news)

    async def update(self, client: Client, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        old = unwrap(olds.get("secretReferences")) or []
        new = unwrap(news.get("secretReferences")) or []
        kept = {_reference_key(reference) for reference in new}
        known = {_reference_key(reference) for reference in old}
        region = resource_id.partition("/")[0]
        for reference in old:
            if _reference_key(reference) not in kept:
                await client.delete(f"{_SECRETS.format(region=region)}/{reference['secretReferenceId']}")
        await self._add_references(
            client, resource_id, [reference for reference in new if _reference_key(reference) not in known]
        )
        body = self.changes(olds, news)
        if "cron_schedule" in body and not body["cron_schedule"]:
            body["cron_schedule"] = {"schedule": None, "timezone": None}
        if body:
            await client.patch(self.item(client, resource_id, olds), body)
        return self.outputs(client, resource_id, await self.fetch(client, resource_id, news), news)

    async def _add_references(self, client: Client, resource_id: str, references: list[PropertyMap]) -> None:
        if not references:
            return
        region, _, bare = resource_id.rpartition("/")
        bodies = []
        for reference in references:
            body = {
                "secret_manager_id": bare_id(reference["secretId"]),
                "secret_manager_version": str(reference.get("secretVersion") or "latest"),
            }
            if reference.get("environment"):
                body["env_var_name"] = reference["environment"]
            else:
                body["path"] = reference.get("file", "")
            bodies.append(body)
        await client.post(_SECRETS.format(region=region), {"job_definition_id": bare, "secrets": bodies})

    async def fetch(self, client: Client, resource_id: str, outputs: PropertyMap) -> Object:
        region, _, bare = resource_id.rpartition("/")
        response: Object = await client.get(self.item(client, resource_id, outputs))
        secrets = await client.get(_SECRETS.format(region=region), job_definition_id=bare)
        return {**response, "secret_references": secrets["secrets"]}


TYPES = (Definition(),)
