"""A stack's file, ``Pulumi.<stack>.yaml``: its configuration as received by programs, with positions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pulumi_state import yaml_file
from pulumi_state.yaml_file import Document, KeyPath, YamlProblem

_KEYS = ("config", "encryptedkey", "encryptionsalt", "environment", "secretsprovider")
_PASSPHRASE = "passphrase"  # noqa: S105 - a provider's name


@dataclass(frozen=True)
class StackFile:
    """A stack's file with its secure values encrypted."""

    document: Document
    config: Mapping[str, Any]
    """Values by key as written: ``snu:apps``, or ``apps`` in the project's own namespace."""

    @classmethod
    def read(cls, path: Path) -> StackFile:
        """Read a valid file. Raises PulumiError if it cannot be read, or YamlError, which lists all its problems."""
        return cls.read_with_problems(path).checked()

    @classmethod
    def parse(cls, content: bytes | str, name: str) -> StackFile:
        """Parse valid content; ``name`` is used in messages. Raises YamlError, which lists all problems."""
        return cls._of(yaml_file.parse(content, name)).checked()

    @classmethod
    def read_with_problems(cls, path: Path) -> StackFile:
        """Read a file that may have problems (see ``yaml_file.read``). Raises PulumiError if it cannot be read."""
        return cls._of(yaml_file.read(path))

    @classmethod
    def _of(cls, document: Document) -> StackFile:
        config = document.values.get("config")
        document = replace(document, problems=[*document.problems, *_problems(document)])
        return cls(document, config if isinstance(config, dict) else {})

    def checked(self) -> StackFile:
        """Return the file if it is valid. Raises YamlError otherwise."""
        self.document.checked()
        return self

    @property
    def secrets_provider(self) -> str:
        """The stack's secrets provider; ``passphrase`` if the file does not specify one."""
        return self.document.values.get("secretsprovider") or _PASSPHRASE

    @property
    def salt(self) -> str | None:
        """The encryption salt of the passphrase provider."""
        return self.document.values.get("encryptionsalt")

    def full_config(self, project: str) -> dict[str, Any]:
        """Return the configuration by full key; secure values stay encrypted."""
        return {full_key(key, project): value for key, value in self.config.items()}


def full_key(key: str, project: str) -> str:
    """Return a configuration key with its namespace, by default the project's name."""
    return key if ":" in key else f"{project}:{key}"


def as_text(value: Any) -> str:
    """Encode a configuration value as the CLI does for programs: everything except strings as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def is_secure(value: Any) -> bool:
    """Return whether a value is encrypted: ``{secure: v1:…}``."""
    return isinstance(value, dict) and value.keys() == {"secure"}


def _problems(document: Document) -> Iterator[YamlProblem]:
    """Yield the problems with a file's content, as opposed to its syntax."""
    values = document.values
    for key in values:
        if key not in _KEYS:
            yield _problem(document, (key,), "an unknown key", f"expected one of {', '.join(_KEYS)}")
    for key in ("encryptedkey", "encryptionsalt", "secretsprovider"):
        if not isinstance(values.get(key), str | None):
            yield _problem(document, (key,), f"`{json.dumps(values[key])}`", f"{key} must be a string")
    config = values.get("config")
    if config is None:
        return
    if not isinstance(config, dict):
        yield _problem(
            document, ("config",), "no mapping", "write the stack's settings below `config`, as `key: value` lines"
        )
        return
    for key, value in config.items():
        if value is None:
            # The CLI passes an empty string and warns that it will pass null in future.
            yield _problem(
                document, ("config", key), "no value", 'add a value (`""` for an empty string) or remove the line'
            )


def _problem(document: Document, path: KeyPath, found: str, remedy: str) -> YamlProblem:
    position = document.positions[path]
    return YamlProblem(position.key or position.value, path, found, remedy)
