"""Terraform with a configuration of the shape of a stack: the same resources, properties and dependencies.

Types and names follow from the Pulumi provider's schema, which is made of the Terraform provider's by rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ops.scaleway.catalogue import KINDS
from pulumi_state import schema
from pulumi_state.snapshot import ResourceState
from pulumi_state.values import unwrap
from tests.support.terraform import SOURCE

_TYPES = {kind.token: kind.terraform for kind in KINDS}
_DOCUMENT = "data.scaleway_secret_version.document"


def configuration(
    resources: list[ResourceState], provider: Mapping[str, str], secret_id: str, document: Mapping[str, str]
) -> dict[str, Any]:
    """A configuration in Terraform's JSON of a stack's resources.

    What the stack reads from the secret document, the configuration reads there too: ``document`` has its keys
    and values, each value once. Raises KeyError for a type of resource that is not known here.
    """
    custom = [item for item in resources if item.custom and not item.type.startswith("pulumi:")]
    places = {item.id: f"${{{_TYPES[item.type]}.{_label(item)}.id}}" for item in custom}
    keys = {value: f'${{local.document["{key}"]}}' for key, value in document.items()}
    blocks: dict[str, dict[str, Any]] = {}
    for item in custom:
        blocks.setdefault(_TYPES[item.type], {})[_label(item)] = _attributes(
            schema.inputs_of(item.type), unwrap(item.inputs), {**places, **keys}
        )
    return {
        "terraform": {"required_providers": {"scaleway": {"source": SOURCE}}},
        "provider": {"scaleway": dict(provider)},
        "data": {"scaleway_secret_version": {"document": {"secret_id": secret_id, "revision": "latest_enabled"}}},
        "locals": {"document": f"${{jsondecode(base64decode({_DOCUMENT}.data))}}"},
        "resource": blocks,
    }


def _label(item: ResourceState) -> str:
    return item.urn.rpartition("::")[2]


def _attributes(
    fields: Mapping[str, Mapping[str, Any]], properties: Mapping[str, Any], expressions: Mapping[str, str]
) -> dict[str, Any]:
    """With Terraform's names, and without what Pulumi notes about the properties (``__defaults``)."""
    return {
        _name(name, fields[name]["type"]): _value(fields[name]["type"], value, expressions)
        for name, value in properties.items()
        if not name.startswith("__")
    }


def _name(name: str, type_: Any) -> str:
    """Blocks that may be repeated have a singular name in Terraform."""
    snake = re.sub(r"(?=[A-Z])", "_", name).lower()
    return snake.removesuffix("s") if isinstance(type_, list) and _is_object(type_[0]) else snake


def _is_object(type_: Any) -> bool:
    return isinstance(type_, str) and ":" in type_


def _value(type_: Any, value: Any, expressions: Mapping[str, str]) -> Any:
    """Ids of other resources and values of the document become references; keys of maps stay as they are."""
    match value:
        case str():
            return expressions.get(value, value)
        case dict() if _is_object(type_):
            return _attributes(schema.fields_of(type_), value, expressions)
        case dict():
            return {key: _value(None, item, expressions) for key, item in value.items()}
        case list():
            return [_value(type_[0], item, expressions) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
