"""Reads ``Pulumi.yaml`` and ``Pulumi.<stack>.yaml`` as mappings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pulumi_state.errors import PulumiError


def read(path: Path) -> dict[str, Any]:
    """The mapping in a file, empty for an empty file. Raises PulumiError where it is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PulumiError(f"{path} does not exist") from error
    except OSError as error:
        raise PulumiError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PulumiError(f"{path} is not valid YAML: {error}") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> dict[str, Any]:
    """``name``: what the text is called in messages. Raises PulumiError where it is no mapping."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with it
    try:
        document = yaml.load(text, Loader=loader)  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise PulumiError(f"{name} is not valid YAML: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise PulumiError(f"{name} is a {type(document).__name__}, not a mapping")
    return document
