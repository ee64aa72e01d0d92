"""Finds the other stacks that declare live resources, because one Terraform state may cover several stacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ops.adopt.mapping import MappedResource
from ops.adopt.terraform import TerraformResource
from ops.program.evaluate import evaluate
from ops.scaleway import catalogue
from ops.scaleway.catalogue import ResourceKind, kind_of
from ops.stacks import Stack, stack_names


def owners(stack: Stack, rest: Sequence[TerraformResource]) -> dict[tuple[str, str], str]:
    """Names of other stacks, by the keys of the live resources that they declare.

    Leaves out resources that no stack declares, and stacks with an invalid file.
    """
    declared: dict[tuple[ResourceKind, Any], str] = {}
    evaluated = evaluate(stack.project_dir)
    for name in stack_names(stack.project_dir):
        if name != stack.name and name in evaluated:
            for resource in evaluated[name].resources:
                kind = kind_of(resource.type)
                if kind is not None and (label := _name_of(kind, resource.inputs)) is not None:
                    declared[kind, label] = name
    candidates = (candidate for live in rest if (candidate := MappedResource.of(live)) is not None)
    stacks = {each.live.key: declared.get((each.kind, _name_of(each.kind, each.properties))) for each in candidates}
    return {key: owner for key, owner in stacks.items() if owner is not None}


def _name_of(kind: ResourceKind, properties: Mapping[str, Any]) -> Any:
    """The name of a resource; None for a kind without names."""
    if kind is catalogue.ZONE:
        return f"{properties.get('subdomain')}.{properties.get('domain')}"
    if kind is catalogue.RECORD:
        return f"{properties.get('name')}.{properties.get('dnsZone')}"
    return properties.get("hostname") or properties.get("name")
