"""Scaleway API calls that list objects, and the properties that complete their paths."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Any


class Properties(dict[str, Any]):
    """A resource's properties by Pulumi name, with ids in bare form; missing properties are empty."""

    def __missing__(self, key: str) -> str:
        return ""


@dataclass(frozen=True, eq=False)
class ListCall:
    """A call that lists objects."""

    path: str
    """``{…}`` stands for the region or a property."""
    key: str
    """Key of the list in the response; empty if the response itself is the object."""
    query: tuple[str, ...] = ()
    """Properties that limit the list. Each query parameter is a property's name in snake case."""
    object_path: str = ""
    """Path of one object; by default, the list's path followed by ``/{id}``."""

    def at(self, **properties: str) -> str:
        """The path with these properties."""
        return self.path.format_map(Properties(properties))

    def object_at(self, **properties: str) -> str:
        """The path of one object, where ``id`` is the bare id."""
        return (self.object_path or f"{self.path}/{{id}}").format_map(Properties(properties))

    @property
    def path_properties(self) -> frozenset[str]:
        return frozenset(name for _, name, _, _ in string.Formatter().parse(self.path) if name)
