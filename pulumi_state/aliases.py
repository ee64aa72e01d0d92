"""Former identities of resources (Pulumi's resource option ``aliases``)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pulumi_state import urn as urns


@dataclass(frozen=True)
class Alias:
    """A former identity; what is empty is as it is now."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


class Aliases:
    """Finds the former URNs of resources, as ``generateAliases`` of Pulumi's step generator does."""

    def __init__(self, stack: str, project: str) -> None:
        self._stack = stack
        self._project = project
        self._former: dict[str, str] = {}
        """Former URN by today's, for resources that were found under an alias."""
        self._heirs: dict[str, str] = {}
        """The reverse."""

    def use(self, urn: str, former: str) -> None:
        """The resource was found under an alias."""
        self._former[urn] = former
        self._heirs[former] = urn

    def used(self) -> set[str]:
        """Former URNs of what was found under an alias."""
        return set(self._heirs)

    def heir_of(self, former: str) -> str | None:
        """The URN of the resource that was found under this alias."""
        return self._heirs.get(former)

    def of(self, type_: str, name: str, parent: str, aliases: Iterable[Alias]) -> list[str]:
        """Of a resource, the most wanted first; ``parent`` is its parent's URN, empty for none."""
        found = [self._collapse(type_, name, parent, alias) for alias in aliases]
        former_parent = self._former.get(parent)
        if former_parent:
            inherited = [self._inherited(type_, name, parent, former_parent)]
            for alias in found:
                inherited.append(self._inherited(urns.type_of(alias), urns.name_of(alias), parent, former_parent))
            found += inherited
        return list(dict.fromkeys(found))

    def _collapse(self, type_: str, name: str, parent: str, alias: Alias) -> str:
        if alias.urn:
            return alias.urn
        if alias.parent:
            parent = self._former.get(alias.parent, alias.parent)
        if alias.no_parent:
            parent = ""
        return urns.new_urn(
            alias.stack or self._stack,
            alias.project or self._project,
            parent,
            alias.type or type_,
            alias.name or name,
        )

    def _inherited(self, type_: str, name: str, parent: str, former_parent: str) -> str:
        parent_name = urns.name_of(parent)
        if name.startswith(parent_name):
            name = urns.name_of(former_parent) + name.removeprefix(parent_name)
        return urns.new_urn(self._stack, self._project, former_parent, type_, name)
