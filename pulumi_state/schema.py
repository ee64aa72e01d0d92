"""Properties of the provider's resource types, from ``schema.json`` (an extract of pulumiverse-scaleway's schema)."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def _document() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@cache
def inputs_of(token: str) -> dict[str, dict[str, Any]]:
    """Return a resource type's inputs by name.

    Each input has a ``type`` (a string, ``{"map of": …}`` or a list) and, where applicable, ``required`` and
    ``replaces``. Raises KeyError if the type is unknown.
    """
    inputs: dict[str, dict[str, Any]] = _document()["resources"][token]["inputs"]
    return inputs


def mark_objects(type_: Any, value: Any) -> Any:
    """Add ``__defaults`` to objects of a declared type, as the provider's Check does."""
    if isinstance(type_, list) and isinstance(value, list):
        return [mark_objects(type_[0], item) for item in value]
    if isinstance(type_, str) and ":" in type_ and isinstance(value, dict):
        types = fields_of(type_)
        return {
            "__defaults": [],
            **{key: mark_objects(types.get(key, {}).get("type"), item) for key, item in value.items()},
        }
    return value


def zero_value(type_: Any) -> Any:
    """Return the value that the provider assumes for a missing property of the type."""
    if isinstance(type_, list):
        return []
    if isinstance(type_, dict):
        return {}
    return {"string": "", "integer": 0, "number": 0, "boolean": False}.get(type_)


def outputs_of(token: str) -> dict[str, dict[str, Any]]:
    """Return all properties of an existing resource, including inputs, by name; empty if the type is unknown."""
    facts = _document()["resources"].get(token, {})
    return {**facts.get("inputs", {}), **facts.get("outputsOnly", {})}


def fields_of(type_: str) -> dict[str, dict[str, Any]]:
    """Return the fields of an object type by name; empty if the type is unknown."""
    fields: dict[str, dict[str, Any]] = _document()["types"].get(type_, {})
    return fields


def modules() -> set[str]:
    """Return the package's modules that contain resource types, such as ``containers``."""
    return {token.split(":")[1].partition("/")[0] for token in _document()["resources"]}
