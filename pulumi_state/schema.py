"""Facts on the provider's resource types: ``schema.json``, out of pulumiverse-scaleway's own schema."""

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
    """By name: ``type`` (a word, ``{"map of": …}`` or a list) and what is true of it: ``required``, ``replaces``."""
    inputs: dict[str, dict[str, Any]] = _document()["resources"][token]["inputs"]
    return inputs


def mark_objects(type_: Any, value: Any) -> Any:
    """Objects of a declared type carry the list of their defaults, as the provider's Check adds it."""
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
    """What the provider takes an absent property of the type for."""
    if isinstance(type_, list):
        return []
    if isinstance(type_, dict):
        return {}
    return {"string": "", "integer": 0, "number": 0, "boolean": False}.get(type_)


def outputs_of(token: str) -> dict[str, dict[str, Any]]:
    """By name, whatever a resource may have once it exists, inputs included; nothing for a type that is not known."""
    facts = _document()["resources"].get(token, {})
    return {**facts.get("inputs", {}), **facts.get("outputsOnly", {})}


def fields_of(type_: str) -> dict[str, dict[str, Any]]:
    """By name, the fields of an object's type; nothing for a type that is not known."""
    fields: dict[str, dict[str, Any]] = _document()["types"].get(type_, {})
    return fields


def modules() -> set[str]:
    """The package's modules that the resource types stand in: ``containers`` and so on."""
    return {token.split(":")[1].partition("/")[0] for token in _document()["resources"]}
