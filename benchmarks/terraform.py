"""Terraform with a configuration of the shape of a stack: the same resources, properties and dependencies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from localcloud.engine.snapshot import ResourceState
from localcloud.engine.values import unwrap
from tests.support.terraform import SOURCE

_TYPES = {
    "scaleway:containers/namespace:Namespace": "scaleway_container_namespace",
    "scaleway:containers/container:Container": "scaleway_container",
    "scaleway:containers/domain:Domain": "scaleway_container_domain",
}
_BLOCKS = {"scaling_options": "scaling_option"}
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
        blocks.setdefault(_TYPES[item.type], {})[_label(item)] = {
            _BLOCKS.get(name, name): _value(value, {**places, **keys})
            for name, value in _properties(unwrap(item.inputs)).items()
        }
    return {
        "terraform": {"required_providers": {"scaleway": {"source": SOURCE}}},
        "provider": {"scaleway": dict(provider)},
        "data": {"scaleway_secret_version": {"document": {"secret_id": secret_id, "revision": "latest_enabled"}}},
        "locals": {"document": f"${{jsondecode(base64decode({_DOCUMENT}.data))}}"},
        "resource": blocks,
    }


def _label(item: ResourceState) -> str:
    return item.urn.rpartition("::")[2]


def _properties(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """With Terraform's names, and without what Pulumi notes about them."""
    return {re.sub(r"(?=[A-Z])", "_", name).lower(): value for name, value in inputs.items() if name[:2] != "__"}


def _value(value: Any, expressions: Mapping[str, str]) -> Any:
    """Ids of other resources and values of the document become references; names inside maps of variables stay."""
    match value:
        case str():
            return expressions.get(value, value)
        case dict():
            block = _properties(value) if "__defaults" in value else value
            return {name: _value(item, expressions) for name, item in block.items()}
        case list():
            return [_value(_properties(item), expressions) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
