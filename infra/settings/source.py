"""Finds out whether Pulumi has read a configuration from the stack's file."""

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from infra.settings.problems import top_level_key
from pulumi_state.errors import PulumiError
from pulumi_state.stack_file import StackFile, is_secure
from pulumi_state.yaml_file import KeyPath


def source_of(config: Mapping[str, str], path: Path) -> StackFile | None:
    """The stack's file, if Pulumi has read this configuration from it.

    It has not if the file is missing, or if `--config-file` named another one: then their values differ.
    """
    try:
        file = StackFile.read_with_problems(path)
    except PulumiError:
        return None
    if not file.config:
        return None
    flawed = {problem.path for problem in file.document.problems}
    for key, value in file.config.items():
        given = config.get(top_level_key(key))
        if given is None or not (value == given or _agree(value, from_json(given), ("config", key), flawed)):
            return None
    return file


def _agree(written: Any, given: Any, path: KeyPath, flawed: Set[KeyPath]) -> bool:
    """Whether a value is what Pulumi has read, as far as that can be told: not of flawed and of encrypted values."""
    if path in flawed or is_secure(written):
        return True
    if isinstance(written, dict):
        names = [name for name in written if (*path, name) not in flawed]
        return isinstance(given, dict) and all(
            name in given and _agree(written[name], given[name], (*path, name), flawed) for name in names
        )
    if isinstance(written, list):
        return (
            isinstance(given, list)
            and len(given) == len(written)
            and all(
                _agree(*pair, (*path, index), flawed) for index, pair in enumerate(zip(written, given, strict=True))
            )
        )
    return bool(written == given)


def from_json(text: str) -> Any:
    """A configuration value of Pulumi's: JSON, or a string that stands for itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
