"""The provider interface: the subset of Pulumi's ``proto/pulumi/provider.proto`` that the engine uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from engine.errors import ProviderError
from pulumi_state.values import PropertyMap

ADD, DELETE, UPDATE = "add", "delete", "update"
REPLACE_SUFFIX = "-replace"


@dataclass(frozen=True)
class Diff:
    """A resource's changes by property path: ``add``, ``delete`` or ``update``, plus ``-replace`` for replacements."""

    detailed: dict[str, str] = field(default_factory=dict)
    delete_before_replace: bool = False
    forced: bool = False
    """Whether the resource has changed even though no changed property path is known."""
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
    """Return the top-level property of a path such as ``rules[0].projectIds``."""
    return path.split(".", 1)[0].split("[", 1)[0]


class PartialFailureError(ProviderError):
    """The resource exists but does not match the request. It is kept in the state with the error."""

    def __init__(self, message: str, resource_id: str, outputs: PropertyMap) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.outputs = outputs


class Provider(Protocol):
    """Operations on one package's resources; ``type_`` is the resource type token.

    ``check``, ``diff`` and ``planned`` use only their arguments. The others call the API and raise ProviderError.
    """

    def check(self, type_: str, news: PropertyMap) -> tuple[PropertyMap, list[str]]:
        """Return the inputs with the provider's defaults, and any problems with the inputs."""
        ...

    def diff(self, type_: str, olds: PropertyMap, news: PropertyMap, ignore: list[str]) -> Diff:
        """Compare the outputs in the state with the checked inputs; ``ignore`` lists property paths to skip."""
        ...

    def planned(self, type_: str, olds: PropertyMap | None, news: PropertyMap) -> PropertyMap:
        """Return the outputs that a preview expects from a creation (``olds`` is None) or an update."""
        ...

    async def create(self, type_: str, news: PropertyMap) -> tuple[str, PropertyMap]: ...

    async def read(
        self, type_: str, resource_id: str, inputs: PropertyMap, outputs: PropertyMap
    ) -> tuple[PropertyMap, PropertyMap] | None:
        """Return the actual inputs and outputs, or None if the resource no longer exists."""
        ...

    async def update(self, type_: str, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap: ...

    async def delete(self, type_: str, resource_id: str, outputs: PropertyMap) -> None: ...

    async def invoke(self, token: str, arguments: PropertyMap) -> PropertyMap: ...

    async def close(self) -> None:
        """Close connections."""
        ...
