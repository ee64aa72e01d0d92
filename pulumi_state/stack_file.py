"""A stack's file, ``Pulumi.<stack>.yaml``: its configuration as the CLI hands it to programs, with positions."""

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
    """A stack's file before its secure values are decrypted."""

    document: Document
    config: Mapping[str, Any]
    """By key as written: ``snu:apps``, or ``apps`` for the project's own namespace."""

    @classmethod
    def read(cls, path: Path) -> StackFile:
        """Raises PulumiError where the file is missing, YamlError with every flaw that it has."""
        return cls.scan(path).checked()

    @classmethod
    def parse(cls, content: bytes | str, name: str) -> StackFile:
        """``name`` is for messages. Raises YamlError with every flaw."""
        return cls._of(yaml_file.parse(content, name)).checked()

    @classmethod
    def scan(cls, path: Path) -> StackFile:
        """Reads a file with its flaws. Raises PulumiError where there is nothing to be read."""
        return cls._of(yaml_file.read(path))

    @classmethod
    def _of(cls, document: Document) -> StackFile:
        config = document.values.get("config")
        document = replace(document, flaws=[*document.flaws, *_flaws(document)])
        return cls(document, config if isinstance(config, dict) else {})

    def checked(self) -> StackFile:
        """Raises YamlError where the file has flaws."""
        self.document.checked()
        return self

    @property
    def secrets_provider(self) -> str:
        """The stack's secrets provider, ``passphrase`` where the file names none."""
        return self.document.values.get("secretsprovider") or _PASSPHRASE

    @property
    def salt(self) -> str | None:
        return self.document.values.get("encryptionsalt")

    def keyed(self, project: str) -> dict[str, Any]:
        """The configuration by full key; secure values stay encrypted."""
        return {full_key(key, project): value for key, value in self.config.items()}


def full_key(key: str, project: str) -> str:
    """A configuration key with its namespace, which is the project's name where none is written."""
    return key if ":" in key else f"{project}:{key}"


def as_text(value: Any) -> str:
    """A configuration value as the CLI hands it over: objects, lists, numbers and booleans as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def is_secure(value: Any) -> bool:
    """Whether a value is encrypted: ``{secure: v1:…}``."""
    return isinstance(value, dict) and value.keys() == {"secure"}


def _flaws(document: Document) -> Iterator[YamlProblem]:
    """What is wrong with a file beside its syntax."""
    values = document.values
    for key in values:
        if key not in _KEYS:
            yield _flaw(document, (key,), "an unknown key", f"a stack's file has the keys {', '.join(_KEYS)}")
    for key in ("encryptedkey", "encryptionsalt", "secretsprovider"):
        if not isinstance(values.get(key), str | None):
            yield _flaw(document, (key,), f"`{json.dumps(values[key])}`", f"{key} is a string")
    config = values.get("config")
    if config is None:
        return
    if not isinstance(config, dict):
        yield _flaw(document, ("config",), "no mapping", "write a stack's settings below it, as `key: value` lines")
        return
    for key, value in config.items():
        if value is None:
            # The CLI hands over an empty string, and announces that it will hand over null.
            yield _flaw(document, ("config", key), "no value", 'write one, `""` for an empty one, or remove the line')


def _flaw(document: Document, path: KeyPath, found: str, remedy: str) -> YamlProblem:
    place = document.places[path]
    return YamlProblem(place.key or place.value, path, found, remedy)
