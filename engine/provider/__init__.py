"""The provider layer, a reimplementation of pulumiverse-scaleway for the resource types that the program uses.

Each product has a module that lists the fields of its types. Requests and waits follow recorded traffic of the real
provider.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.plugin import Diff
from engine.provider import (
    account,
    cockpit,
    containers,
    databases,
    domain,
    iam,
    registry,
    secret_manager,
    serverless_jobs,
)
from engine.provider.client import Client, check_config
from engine.provider.resource import ResourceType
from pulumi_state.errors import UnsupportedError
from pulumi_state.values import PropertyMap, contains_unknown, unwrap

_PRODUCTS = (
    account,
    cockpit,
    containers,
    databases,
    domain,
    iam,
    registry,
    secret_manager,
    serverless_jobs,
)
_TYPES: dict[str, ResourceType] = {type_.token: type_ for product in _PRODUCTS for type_ in product.TYPES}
KNOWN_TYPES = frozenset(_TYPES)
"""Supported resource types; any other type raises UnsupportedError."""
_FUNCTIONS = {
    "scaleway:containers/getContainer:getContainer": containers.get_container,
    "scaleway:observability/getSource:getSource": cockpit.get_source,
    "scaleway:secrets/getSecret:getSecret": secret_manager.get_secret,
    "scaleway:secrets/getVersion:getVersion": secret_manager.get_version,
}
KNOWN_FUNCTIONS = frozenset(_FUNCTIONS)
"""Supported functions; any other function raises UnsupportedError."""


class ScalewayProvider:
    """The package ``scaleway``. Raises UnsupportedError for types and functions that the program does not use."""

    def __init__(self, config: Mapping[str, str]) -> None:
        self._client = Client(config)

    @staticmethod
    def _type(token: str) -> ResourceType:
        try:
            return _TYPES[token]
        except KeyError:
            raise UnsupportedError(f"the resource type {token}") from None

    def check(self, type_: str, news: PropertyMap) -> tuple[PropertyMap, list[str]]:
        resource_type = self._type(type_)
        failures = resource_type.check(news)
        return (news if failures else resource_type.with_defaults(news)), failures

    def diff(self, type_: str, olds: PropertyMap, news: PropertyMap, ignore: list[str]) -> Diff:
        return self._type(type_).diff(olds, news, ignore)

    def planned(self, type_: str, olds: PropertyMap | None, news: PropertyMap) -> PropertyMap:
        return self._type(type_).planned(olds, news)

    async def create(self, type_: str, news: PropertyMap) -> tuple[str, PropertyMap]:
        with self._client.marking_uncertain():
            return await self._type(type_).create(self._client, news)

    async def read(
        self, type_: str, resource_id: str, inputs: PropertyMap, outputs: PropertyMap
    ) -> tuple[PropertyMap, PropertyMap] | None:
        current = await self._type(type_).read(self._client, resource_id, inputs, outputs)
        if current is None:
            return None
        return _refreshed(inputs, unwrap(outputs), unwrap(current)), current

    async def update(self, type_: str, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        return await self._type(type_).update(self._client, resource_id, olds, news)

    async def delete(self, type_: str, resource_id: str, outputs: PropertyMap) -> None:
        await self._type(type_).delete(self._client, resource_id, outputs)

    async def invoke(self, token: str, arguments: PropertyMap) -> PropertyMap:
        function = _FUNCTIONS.get(token)
        if function is None:
            raise UnsupportedError(f"the function {token}")
        if contains_unknown(arguments):
            return {}
        return await function(self._client, arguments)

    async def close(self) -> None:
        await self._client.close()


def _refreshed(inputs: PropertyMap, before: PropertyMap, after: PropertyMap) -> PropertyMap:
    """Return the inputs after a refresh: changed properties have their live values, all others the program's."""
    return {
        key: after[key] if key in after and before.get(key) != after[key] else value for key, value in inputs.items()
    }


__all__ = ["KNOWN_FUNCTIONS", "KNOWN_TYPES", "ScalewayProvider", "check_config"]
