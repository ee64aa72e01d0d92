"""Determines whether a configuration was read from the stack file."""

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from infra.settings.problems import top_level_key
from pulumi_state.errors import PulumiError
from pulumi_state.stack_file import StackFile, is_secure
from pulumi_state.yaml_file import KeyPath


def source_of(config: Mapping[str, str], path: Path) -> StackFile | None:
    """The stack file, if Pulumi read this configuration from it; otherwise None.

    Returns None if the file is missing, or if its values differ from the configuration (as with `--config-file`).
    """
    try:
        file = StackFile.read_with_problems(path)
    except PulumiError:
        return None
    if not file.config:
        return None
    invalid = {problem.path for problem in file.document.problems}
    for key, value in file.config.items():
        given = config.get(top_level_key(key))
        if given is None or not (value == given or _agree(value, from_json(given), ("config", key), invalid)):
            return None
    return file


def _agree(written: Any, given: Any, path: KeyPath, invalid: Set[KeyPath]) -> bool:
    """Whether a value in the file equals Pulumi's. Invalid and encrypted values are not compared."""
    if path in invalid or is_secure(written):
        return True
    if isinstance(written, dict):
        names = [name for name in written if (*path, name) not in invalid]
        return isinstance(given, dict) and all(
            name in given and _agree(written[name], given[name], (*path, name), invalid) for name in names
        )
    if isinstance(written, list):
        return (
            isinstance(given, list)
            and len(given) == len(written)
            and all(
                _agree(*pair, (*path, index), invalid) for index, pair in enumerate(zip(written, given, strict=True))
            )
        )
    return bool(written == given)


def from_json(text: str) -> Any:
    """Parses a configuration value as JSON; returns the string itself if it is not valid JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
