"""Converts attributes in a Terraform state to Pulumi properties.

The Pulumi provider is bridged from the Terraform provider: names become camel case, list names become plural, and a
list of at most one item becomes an object. ``schema.json`` contains the resulting names and types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ops.report.values import is_secret, is_unknown
from pulumi_state import schema
from pulumi_state.values import PropertyMap, make_secret


def properties_of(token: str, attributes: Mapping[str, Any]) -> PropertyMap:
    """The properties of the Pulumi type ``token`` that have a value; secrets are not marked."""
    return _converted_fields(schema.outputs_of(token), attributes)


def _converted_fields(fields: Mapping[str, Mapping[str, Any]], attributes: Mapping[str, Any]) -> PropertyMap:
    converted = {name: _converted(facts["type"], _attribute(name, attributes)) for name, facts in fields.items()}
    return {name: value for name, value in converted.items() if value is not None}


def _attribute(name: str, attributes: Mapping[str, Any]) -> Any:
    plural = re.sub(r"(?=[A-Z])", "_", name).lower()
    for candidate in (plural, plural.removesuffix("s"), re.sub("ies$", "y", plural)):
        if candidate in attributes:
            return attributes[candidate]
    return None


def _converted(type_: Any, value: Any) -> Any:
    if isinstance(type_, list) and isinstance(value, list):
        return [_converted(type_[0], item) for item in value]
    if isinstance(type_, str) and ":" in type_:
        single = (value[0] if value else None) if isinstance(value, list) else value
        return _converted_fields(schema.fields_of(type_), single) if isinstance(single, dict) else None
    return value


def with_secrets(token: str, properties: PropertyMap, desired: Mapping[str, Any]) -> PropertyMap:
    """Mark the properties that are secret in the schema or the program, and all unknown variables.

    A variable that the program does not set in plain text may be a password set by another tool. ``desired``: the
    program's inputs, in the form used in engine events.
    """
    known = schema.outputs_of(token)
    return {
        name: make_secret(value)
        if known.get(name, {}).get("secret")
        else _marked_like(value, desired.get(name), known.get(name, {}).get("type"))
        for name, value in properties.items()
    }


def _marked_like(value: Any, desired: Any, type_: Any) -> Any:
    if is_secret(desired):
        return make_secret(value)
    if isinstance(value, dict) and isinstance(type_, dict):
        variables = desired if isinstance(desired, dict) else {}
        return {key: item if _is_plain(variables.get(key)) else make_secret(item) for key, item in value.items()}
    return value


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and not is_secret(value) and not is_unknown(value)
