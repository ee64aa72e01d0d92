"""JSON documents on standard output for ``--json``; see the JSON section of docs/reference/commands.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

VERSION = 1
"""Version of all documents. Removing, renaming or retyping a key increments it; adding one does not."""


def print_document(command: str, content: Mapping[str, object]) -> None:
    """Print the document of a command, such as ``state show``: see ``document_text``."""
    print(document_text(command, content))


def document_text(command: str, content: Mapping[str, object]) -> str:
    """The document of a command, such as ``state show``: its schema, then its content.

    A dataclass becomes an object whose keys are its fields' names in camel case.
    """
    document = {"schema": f"snu.{command.replace(' ', '-')}/{VERSION}", **content}
    return json.dumps(document, indent=2, ensure_ascii=False, default=_json_value)


def utc(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def values_of(item: DataclassInstance) -> dict[str, object]:
    """A dataclass's values by its fields' names in camel case."""
    return {to_camel(field.name): getattr(item, field.name) for field in fields(item)}


def _json_value(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return values_of(value)
    return utc(value) if isinstance(value, datetime) else str(value)
