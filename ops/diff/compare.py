"""Compares a stack's resources at two revisions and expresses the changes as engine steps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ops.operation_record import OperationRecord
from ops.program.evaluate import Evaluated, Resource
from ops.steps import Step
from pulumi_state import schema
from pulumi_state.aliases import Alias, Aliases
from pulumi_state.urn import ROOT_STACK_TYPE

PROVIDER_TYPE = "scaleway:config"
_TOP_LEVEL = re.compile(r"[^.\[]+")


@dataclass(frozen=True)
class _Pair:
    """A resource at both revisions."""

    old: Resource
    new: Resource

    def step(self) -> Step:
        """The step that turns one into the other: ``same``, ``update`` or ``replace``."""
        ignored = {_top_level(path) for path in self.new.ignored}
        old = {key: value for key, value in self.old.inputs.items() if key not in ignored}
        new = {key: value for key, value in self.new.inputs.items() if key not in ignored}
        diff_keys = tuple(key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key))
        replace_keys = tuple(key for key in diff_keys if self._replaces(key)) if self.new.custom else ()
        op = "replace" if replace_keys else "update" if diff_keys else "same"
        states = (_state(self.old, old), _state(self.new, new))
        return Step(op, self.new.urn, self.new.type, *states, diff_keys, replace_keys, None)

    def _replaces(self, key: str) -> bool:
        replacing = {_top_level(path) for path in self.new.replacing}
        return bool(schema.outputs_of(self.new.type).get(key, {}).get("replaces")) or not replacing.isdisjoint(
            {key, "*"}
        )


def compare(base: Evaluated | None, head: Evaluated | None) -> OperationRecord:
    """The record that a preview of HEAD would produce if BASE were deployed.

    Both revisions must have been evaluated. Pass None if the stack does not exist at a revision.
    """
    if base is None or head is None:
        return _one_sided(base, head)
    olds, news = _with_configuration(base), _with_configuration(head)
    former = _former(head, {resource.urn for resource in olds})
    by_urn = {resource.urn: resource for resource in olds}
    pairs = [_Pair(by_urn[former[new.urn]], new) for new in news if new.urn in former]
    created = [new for new in news if new.urn not in former]
    deleted = [old for old in olds if old.urn not in former.values()]
    steps = _steps(pairs, {new.name for new in created} & {old.name for old in deleted})
    root = _root(base, head)
    return OperationRecord.of([root, *steps, *map(_created, created), *map(_deleted, deleted)])


def _one_sided(base: Evaluated | None, head: Evaluated | None) -> OperationRecord:
    """The creation or deletion of the whole stack."""
    side = head or base
    if side is None:
        return OperationRecord.of([])
    step = _created if head else _deleted
    root = Resource(side.urn, ROOT_STACK_TYPE, side.urn.rpartition("::")[2], "", False, False, {})
    return OperationRecord.of([step(root), *map(step, _sorted(side.resources))])


def _sorted(resources: Iterable[Resource]) -> list[Resource]:
    """Sort resources, which programs register in no fixed order, so that equal changes give equal reports."""
    return sorted(resources, key=lambda resource: (resource.name, resource.urn))


def _with_configuration(side: Evaluated) -> list[Resource]:
    """The resources at one revision, plus the provider configuration as an additional resource."""
    provider = Resource(_provider_urn(side), PROVIDER_TYPE, "provider", side.urn, False, False, side.provider)
    return [provider, *_sorted(side.resources)]


def _provider_urn(side: Evaluated) -> str:
    return f"{side.urn.split('::pulumi:', 1)[0]}::{PROVIDER_TYPE}::provider"


def _state(resource: Resource, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "urn": resource.urn,
        "type": resource.type,
        "parent": resource.parent,
        "custom": resource.custom,
        "protect": resource.protect,
        "inputs": inputs,
    }


def _created(resource: Resource) -> Step:
    return Step("create", resource.urn, resource.type, {}, _state(resource, resource.inputs), (), (), None)


def _deleted(resource: Resource) -> Step:
    return Step("delete", resource.urn, resource.type, _state(resource, resource.inputs), {}, (), (), None)


def _root(base: Evaluated, head: Evaluated) -> Step:
    old, new = ({"urn": side.urn, "type": ROOT_STACK_TYPE, "outputs": side.outputs} for side in (base, head))
    return Step("same", head.urn, ROOT_STACK_TYPE, old, new, (), (), None)


def _former(head: Evaluated, existing: set[str]) -> dict[str, str]:
    """Map each URN at HEAD to the URN at BASE, which is either the same or an alias."""
    former = {urn: urn for urn in [*(each.urn for each in head.resources), _provider_urn(head)] if urn in existing}
    if not any(resource.aliases for resource in head.resources):
        return former
    stack = head.urn.split(":")[2]
    aliases = Aliases(stack, head.project)
    for resource in head.resources:
        if resource.urn in former:
            continue
        for urn in aliases.former_urns(
            resource.type, resource.name, resource.parent, [Alias(**each) for each in resource.aliases]
        ):
            if urn in existing and urn not in former.values():
                aliases.record(resource.urn, urn)
                former[resource.urn] = urn
                break
    return former


def _steps(pairs: list[_Pair], replaced: set[str]) -> list[Step]:
    """The steps for resources that exist at both revisions.

    Replaced resources get new ids wherever they are used.
    """
    while True:
        steps = [replace(pair, new=_with_new_ids(pair.new, replaced)).step() for pair in pairs]
        more = {step.name for step in steps if step.op == "replace"} - replaced
        if not more:
            return steps
        replaced |= more


def _with_new_ids(resource: Resource, replaced: Iterable[str]) -> Resource:
    names = "|".join(re.escape(name) for name in sorted(replaced) if name != resource.name)
    if not names:
        return resource
    text = re.sub(rf"<(\w+(?: of \w+)* of (?:{names})>)", r"<new \1", json.dumps(resource.inputs), flags=re.IGNORECASE)
    return replace(resource, inputs=json.loads(text))


def _top_level(path: str) -> str:
    match = _TOP_LEVEL.match(path)
    return match[0] if match else path
