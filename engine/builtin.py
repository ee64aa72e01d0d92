"""The built-in ``pulumi`` package: default providers as resources, and stack references."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from engine.plugin import ADD, DELETE, UPDATE, Diff
from pulumi_state.errors import UnsupportedError
from pulumi_state.values import PropertyMap, contains_secret, unwrap

STACK_REFERENCE = "pulumi:pulumi:StackReference"

StackOutputs = Callable[[str], PropertyMap]
"""Returns the outputs of the named stack; raises PulumiError if it does not exist."""


class BuiltinProvider:
    """Manages stack references and providers; a provider's inputs and outputs in the state are its configuration."""

    def __init__(
        self, stack_outputs: StackOutputs, check_config: Mapping[str, Callable[[PropertyMap], list[str]]]
    ) -> None:
        """``check_config`` maps packages to functions that return the problems in a provider's configuration."""
        self._stack_outputs = stack_outputs
        self._check_config = check_config

    def check(self, type_: str, news: PropertyMap) -> tuple[PropertyMap, list[str]]:
        check = self._check_config.get(type_.rpartition(":")[2])
        return news, check(news) if check else []

    def diff(self, type_: str, olds: PropertyMap, news: PropertyMap, ignore: list[str]) -> Diff:
        detailed = {}
        for key in sorted(olds.keys() | news.keys()):
            if key.startswith("__"):
                continue
            if key not in olds:
                detailed[key] = ADD
            elif key not in news:
                detailed[key] = DELETE
            elif unwrap(olds[key]) != unwrap(news[key]):
                detailed[key] = UPDATE
        return Diff(detailed)

    def planned(self, type_: str, olds: PropertyMap | None, news: PropertyMap) -> PropertyMap:
        return _provider_outputs(news)

    async def create(self, type_: str, news: PropertyMap) -> tuple[str, PropertyMap]:
        return str(uuid.uuid4()), _provider_outputs(news)

    async def update(self, type_: str, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        return _provider_outputs(news)

    async def delete(self, type_: str, resource_id: str, outputs: PropertyMap) -> None:
        return None

    async def read(
        self, type_: str, resource_id: str, inputs: PropertyMap, outputs: PropertyMap
    ) -> tuple[PropertyMap, PropertyMap] | None:
        if type_ != STACK_REFERENCE:
            return inputs, outputs
        name = inputs.get("name", resource_id)
        outputs = self._stack_outputs(name)
        return inputs, {
            "name": name,
            "outputs": outputs,
            "secretOutputNames": sorted(key for key, value in outputs.items() if contains_secret(value)),
        }

    async def invoke(self, token: str, arguments: PropertyMap) -> PropertyMap:
        raise UnsupportedError(f"the function {token}")

    async def close(self) -> None:
        return None


def _provider_outputs(inputs: PropertyMap) -> PropertyMap:
    return {key: value for key, value in inputs.items() if not key.startswith("__")}
