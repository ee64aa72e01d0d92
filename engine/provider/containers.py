"""Serverless Containers, ``/containers/v1``."""

from __future__ import annotations

from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from engine.errors import EngineError
from engine.plugin import ADD, DELETE, UPDATE, Diff
from engine.provider.client import ApiError, Client
from engine.provider.fields import (
    Field,
    bare_id,
    from_seconds,
    read_duration,
    same_duration,
    same_id,
    seconds,
    write_duration,
)
from engine.provider.resource import ORGANIZATION, PROJECT, Object, ResourceType
from pulumi_state.errors import UnsupportedError
from pulumi_state.values import UNKNOWN, PropertyMap, Secret, make_secret, unwrap

_HASH_PREFIX = "$argon2id$"
_HASHER = PasswordHasher()
_SECRETS = "secretEnvironmentVariables"


def _matches(hashed: Any, plain: Any) -> bool:
    """Return whether a secret matches the hash returned by the API."""
    if hashed == plain:
        return True
    if not isinstance(hashed, str) or not hashed.startswith(_HASH_PREFIX):
        return False
    try:
        return _HASHER.verify(hashed, plain)
    except (Argon2Error, InvalidHashError):
        return False


def _compare_secrets(olds: PropertyMap, news: PropertyMap) -> dict[str, str]:
    old = unwrap(olds.get(_SECRETS)) or {}
    new = unwrap(news.get(_SECRETS)) or {}
    if new is UNKNOWN:
        return {_SECRETS: UPDATE}
    if new and not old:
        return {_SECRETS: ADD}
    changes = {f"{_SECRETS}.{name}": DELETE for name in old if name not in new}
    for name, value in new.items():
        if name not in old:
            changes[f"{_SECRETS}.{name}"] = ADD
        elif value is UNKNOWN or not _matches(old[name], value):
            changes[f"{_SECRETS}.{name}"] = UPDATE
    return changes


class _SecretVariablesResource(ResourceType):
    """A namespace or container; the API receives secret variables in plain text and returns hashes."""

    def diff(self, olds: PropertyMap, news: PropertyMap, ignore: Any) -> Diff:
        diff = super().diff(olds, news, [*ignore, _SECRETS])
        if _SECRETS in ignore:
            return diff
        return Diff({**diff.detailed, **_compare_secrets(olds, news)}, diff.delete_before_replace)

    def changes(self, olds: PropertyMap, news: PropertyMap) -> Object:
        """Return the request body, with ``""`` for unchanged secrets and without removed secrets."""
        body = super().changes({**olds, _SECRETS: {}}, {**news, _SECRETS: {}})
        changed = _compare_secrets(olds, news)
        if changed:
            body["secret_environment_variables"] = {
                name: value if changed.keys() & {_SECRETS, f"{_SECRETS}.{name}"} else ""
                for name, value in (unwrap(news.get(_SECRETS)) or {}).items()
            }
        return body

    def outputs(self, client: Client, resource_id: str, response: Object, given: PropertyMap) -> PropertyMap:
        outputs = super().outputs(client, resource_id, response, given)
        outputs[_SECRETS] = make_secret(outputs.get(_SECRETS) or {})
        return outputs

    def planned(self, olds: PropertyMap | None, news: PropertyMap) -> PropertyMap:
        outputs = super().planned(olds, news)
        secrets = outputs.get(_SECRETS)
        if secrets is not None and not isinstance(secrets, Secret):
            outputs[_SECRETS] = make_secret(unwrap(secrets))
        return outputs


_NAMESPACE_TRANSIENT = frozenset({"creating", "updating", "upgrading", "deleting"})
_TRANSIENT = _NAMESPACE_TRANSIENT | {"locking"}


class Namespace(_SecretVariablesResource):
    """A container namespace."""

    token = "scaleway:containers/namespace:Namespace"  # noqa: S105 - a type token
    path = "/containers/v1/regions/{region}/namespaces"
    transient = _NAMESPACE_TRANSIENT
    waits_until_gone = True
    fields = (
        Field("name"),
        Field("description"),
        Field("tags"),
        Field("environmentVariables"),
        Field(_SECRETS),
        Field("destroyRegistry", sent=False, answered=False),
        ORGANIZATION,
        PROJECT,
    )

    def outputs(self, client: Client, resource_id: str, response: Object, given: PropertyMap) -> PropertyMap:
        return {**super().outputs(client, resource_id, response, given), "destroyRegistry": False}


def _write_probe(probe: dict[str, Any]) -> Object:
    body: Object = {
        "failure_threshold": probe["failureThreshold"],
        "interval": write_duration(probe["interval"]),
        "timeout": write_duration(probe["timeout"]),
    }
    if probe.get("http"):
        body["http"] = {"path": probe["http"]["path"]}
    elif probe.get("tcp"):
        body["tcp"] = {}
    return body


def _read_probe(probe: Object) -> PropertyMap:
    properties: PropertyMap = {
        "failureThreshold": probe.get("failure_threshold", 0),
        "interval": read_duration(probe.get("interval")),
        "timeout": read_duration(probe.get("timeout")),
        "tcp": probe.get("tcp") is not None,
    }
    if properties["tcp"]:
        properties["http"] = None
    elif probe.get("http"):
        properties["http"] = {"path": probe["http"].get("path", "")}
    return properties


def _normal_probe(probe: PropertyMap) -> PropertyMap:
    durations = {key: read_duration(write_duration(probe[key])) for key in ("interval", "timeout") if probe.get(key)}
    return {**probe, **durations, "tcp": bool(probe.get("tcp"))}


def _same_probe(old: PropertyMap, new: PropertyMap) -> bool:
    return (
        old.get("failureThreshold") == new.get("failureThreshold")
        and same_duration(old.get("interval"), new.get("interval"))
        and same_duration(old.get("timeout"), new.get("timeout"))
        and (old.get("http") or {}).get("path") == (new.get("http") or {}).get("path")
        and bool(old.get("tcp")) == bool(new.get("tcp"))
    )


_SCALING = (
    ("concurrentRequestsThreshold", "concurrent_requests_threshold"),
    ("cpuUsageThreshold", "cpu_usage_threshold"),
    ("memoryUsageThreshold", "memory_usage_threshold"),
)


def _write_scaling(options: list[PropertyMap]) -> Object:
    given = options[0] if options else {}
    return {api: given[name] for name, api in _SCALING if given.get(name)}


def _read_scaling(option: Object) -> list[PropertyMap]:
    return [{name: option.get(api) or 0 for name, api in _SCALING}]


def _same_scaling(old: list[PropertyMap], new: list[PropertyMap]) -> bool:
    return _write_scaling(old) == _write_scaling(new)


def _megabytes(value: Any) -> int:
    return int(value) // 1_000_000


class Container(_SecretVariablesResource):
    """A container."""

    token = "scaleway:containers/container:Container"  # noqa: S105 - a type token
    path = "/containers/v1/regions/{region}/containers"
    transient = _TRANSIENT
    fields = (
        Field("name"),
        Field("description"),
        Field("namespaceId", write=bare_id, equal=same_id),
        Field("tags"),
        Field("environmentVariables", computed=True),
        Field(_SECRETS),
        Field("minScale", computed=True),
        Field("maxScale", computed=True),
        Field("memoryLimitBytes", computed=True),
        Field("cpuLimit", "mvcpu_limit", computed=True),
        Field("timeout", write=seconds, read=from_seconds, computed=True),
        Field("privacy", default="public"),
        Field("image", computed=True),
        Field("protocol", default="http1"),
        Field("port", computed=True),
        Field("httpsConnectionsOnly", update="https_connection_only", computed=True),
        Field("sandbox", computed=True),
        Field(
            "livenessProbe",
            write=_write_probe,
            read=_read_probe,
            equal=_same_probe,
            normal=_normal_probe,
            computed=True,
        ),
        Field("startupProbe", write=_write_probe, read=_read_probe, equal=_same_probe, normal=_normal_probe),
        Field(
            "scalingOptions",
            "scaling_option",
            write=_write_scaling,
            read=_read_scaling,
            equal=_same_scaling,
            is_set=True,
            computed=True,
        ),
        Field("localStorageLimitBytes", computed=True),
        Field("commands", "command"),
        Field("args"),
        Field("publicEndpoint", sent=False),
        Field("status", sent=False),
        Field("errorMessage", sent=False),
    )

    def outputs(self, client: Client, resource_id: str, response: Object, given: PropertyMap) -> PropertyMap:
        """Return the outputs, including the deprecated ones that the provider derives."""
        outputs = super().outputs(client, resource_id, response, given)
        outputs["namespaceId"] = f"{outputs['region']}/{response['namespace_id']}"
        outputs["domainName"] = outputs.get("publicEndpoint", "").removeprefix("https://")
        outputs["registryImage"] = outputs.get("image", "")
        outputs["memoryLimit"] = _megabytes(outputs.get("memoryLimitBytes", 0))
        outputs["localStorageLimit"] = _megabytes(outputs.get("localStorageLimitBytes", 0))
        outputs["httpOption"] = "redirected" if outputs.get("httpsConnectionsOnly") else "enabled"
        probe = outputs.get("livenessProbe")
        if probe:
            check = {key: probe[key] for key in ("failureThreshold", "interval") if key in probe}
            if "http" in probe:
                outputs["healthChecks"] = [{**check, "https": [probe["http"]], "tcp": False}]
            else:
                outputs["healthChecks"] = [{**check, "https": [], "tcp": True}]
        return outputs

    async def delete(self, client: Client, resource_id: str, outputs: PropertyMap) -> None:
        """Delete a container once its status is final, as the provider does; it may already be gone."""
        try:
            await client.wait(self.item(client, resource_id, outputs), self.transient)
        except ApiError as error:
            if error.status == 404:
                return
            raise
        await super().delete(client, resource_id, outputs)


class Domain(ResourceType):
    """A container's custom domain."""

    token = "scaleway:containers/domain:Domain"  # noqa: S105 - a type token
    path = "/containers/v1/regions/{region}/domains"
    transient = _TRANSIENT
    fields = (
        Field("hostname"),
        Field("containerId", write=bare_id, equal=same_id),
    )

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        region = self.region(client, news)
        parent = Container()
        await client.wait(
            parent.item(client, f"{region}/{bare_id(unwrap(news['containerId']))}", news), parent.transient
        )
        return await super().create(client, news)


async def get_container(client: Client, arguments: PropertyMap) -> PropertyMap:
    """Implement ``scaleway:containers/getContainer:getContainer``: return a container by ID.

    Raises EngineError if the container does not exist, and UnsupportedError for a lookup by name.
    """
    container_id = str(unwrap(arguments).get("containerId") or "")
    if not container_id:
        raise UnsupportedError("looking up a container by its name")
    region, _, bare = container_id.rpartition("/")
    resource_id = f"{region or client.region}/{bare}"
    try:
        found = await _CONTAINER.fetch(client, resource_id, {})
    except ApiError as error:
        raise EngineError(f"the container {container_id} cannot be read: {error}") from error
    return {**_CONTAINER.outputs(client, resource_id, found, {}), "id": resource_id, "containerId": resource_id}


_CONTAINER = Container()
TYPES = (Namespace(), _CONTAINER, Domain())
