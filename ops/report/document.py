"""JSON documents on standard output, for ``--json``: see the section on them in docs/reference/commands.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

VERSION = 1
"""Version of all documents. Adding a key keeps it; removing, renaming or retyping one increments it."""


def print_document(command: str, content: Mapping[str, object]) -> None:
    """Print the document of a command, such as ``state show``: its schema, then its content."""
    document = {"schema": f"snu.{command.replace(' ', '-')}/{VERSION}", **content}
    print(json.dumps(document, indent=2, ensure_ascii=False, default=_json_value))


def print_list(items: list[object]) -> None:
    """Print the document of a command whose document is a list."""
    print(json.dumps(items, indent=2, ensure_ascii=False, default=_json_value))


def utc(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _json_value(value: object) -> str:
    return utc(value) if isinstance(value, datetime) else str(value)
