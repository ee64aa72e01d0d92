"""What the deployment needs of a provider: as much of Pulumi's ``proto/pulumi/provider.proto`` as is used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from engine.errors import ProviderError
from pulumi_state.values import PropertyMap

ADD, DELETE, UPDATE = "add", "delete", "update"
REPLACE_SUFFIX = "-replace"


@dataclass(frozen=True)
class Diff:
    """What would change, by property path: ``add``, ``delete`` or ``update``, with ``-replace`` where it replaces."""

    detailed: dict[str, str] = field(default_factory=dict)
    delete_before_replace: bool = False
    forced: bool = False
    """Changed, though no single property says how."""
    forced_replace_keys: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.forced or bool(self.detailed) or bool(self.forced_replace_keys)

    @property
    def replaces(self) -> bool:
        return bool(self.replace_keys)

    @property
    def changed_keys(self) -> list[str]:
        return sorted({top_level(path) for path in self.detailed})

    @property
    def replace_keys(self) -> list[str]:
        replacing = {top_level(path) for path, kind in self.detailed.items() if kind.endswith(REPLACE_SUFFIX)}
        return sorted(replacing | set(self.forced_replace_keys))


NO_DIFF = Diff()


def top_level(path: str) -> str:
    """The property that a path such as ``rules[0].projectIds`` is below."""
    return path.split(".", 1)[0].split("[", 1)[0]


class PartialFailureError(ProviderError):
    """The resource exists, but did not become what was asked for; it is kept in the state with the reasons."""

    def __init__(self, message: str, resource_id: str, outputs: PropertyMap) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.outputs = outputs


class Provider(Protocol):
    """Operations on one package's resources; the resource type's token comes first everywhere.

    ``check`` and ``diff`` work on the given values alone; the others reach the cloud and raise ProviderError.
    """

    def check(self, type_: str, news: PropertyMap) -> tuple[PropertyMap, list[str]]:
        """The inputs with the provider's defaults, and what is wrong with them."""
        ...

    def diff(self, type_: str, olds: PropertyMap, news: PropertyMap, ignore: list[str]) -> Diff:
        """``olds`` are the outputs in the state, ``news`` the checked inputs; ``ignore`` are property paths."""
        ...

    def planned(self, type_: str, olds: PropertyMap | None, news: PropertyMap) -> PropertyMap:
        """What a preview expects as outputs after a create (``olds`` None) or an update."""
        ...

    async def create(self, type_: str, news: PropertyMap) -> tuple[str, PropertyMap]: ...

    async def read(
        self, type_: str, resource_id: str, inputs: PropertyMap, outputs: PropertyMap
    ) -> tuple[PropertyMap, PropertyMap] | None:
        """Inputs and outputs as the cloud has them, or None when the resource is gone."""
        ...

    async def update(self, type_: str, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap: ...

    async def delete(self, type_: str, resource_id: str, outputs: PropertyMap) -> None: ...

    async def invoke(self, token: str, arguments: PropertyMap) -> PropertyMap: ...

    async def close(self) -> None:
        """Give back connections."""
        ...
