"""Former identities of resources (Pulumi's ``aliases`` resource option)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pulumi_state import urn as urns


@dataclass(frozen=True)
class Alias:
    """A former identity of a resource; empty fields have not changed."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


class Aliases:
    """Resolves former URNs of resources as ``generateAliases`` does in Pulumi's step generator."""

    def __init__(self, stack: str, project: str) -> None:
        """Start without any aliases in use."""
        self._stack = stack
        self._project = project
        self._former_by_current: dict[str, str] = {}
        """Former URNs by current URN for resources found under an alias."""
        self._current_by_former: dict[str, str] = {}

    def record(self, urn: str, former: str) -> None:
        """Record that a resource was found under the alias ``former``."""
        self._former_by_current[urn] = former
        self._current_by_former[former] = urn

    def used_urns(self) -> set[str]:
        """Return the former URNs under which resources were found."""
        return set(self._current_by_former)

    def current_urn_of(self, former: str) -> str | None:
        """Return the current URN of the resource found under this alias."""
        return self._current_by_former.get(former)

    def former_urns(self, type_: str, name: str, parent: str, aliases: Iterable[Alias]) -> list[str]:
        """Return a resource's possible former URNs, preferred ones first.

        ``parent`` is the parent's URN, or empty if there is no parent.
        """
        candidates = [self._urn_of(type_, name, parent, alias) for alias in aliases]
        former_parent = self._former_by_current.get(parent)
        if former_parent:
            inherited = [self._inherited(type_, name, parent, former_parent)]
            for urn in candidates:
                inherited.append(self._inherited(urns.type_of(urn), urns.name_of(urn), parent, former_parent))
            candidates += inherited
        return list(dict.fromkeys(candidates))

    def _urn_of(self, type_: str, name: str, parent: str, alias: Alias) -> str:
        if alias.urn:
            return alias.urn
        if alias.parent:
            parent = self._former_by_current.get(alias.parent, alias.parent)
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
