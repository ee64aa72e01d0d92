"""A Pulumi project on disk: Pulumi.yaml, and a stack's configuration as Pulumi hands it to programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi_state import yaml_file
from pulumi_state.errors import PulumiError
from pulumi_state.passphrase import Crypter


@dataclass(frozen=True)
class StackConfig:
    """A stack's configuration, in clear: kept in memory only."""

    values: dict[str, str]
    """By full key, such as ``snu:apps``; objects and lists are JSON texts."""
    secret_keys: list[str]


@dataclass(frozen=True)
class StackFile:
    """``Pulumi.<stack>.yaml`` before its secure values are decrypted."""

    path: Path
    config: dict[str, Any]
    salt: str | None

    @classmethod
    def read(cls, path: Path) -> StackFile:
        """Raises PulumiError when the file is missing or not what Pulumi writes."""
        document = yaml_file.read(path)
        if document.get("secretsprovider", "passphrase") != "passphrase":
            raise PulumiError(
                f"{path.name} names the secrets provider {document['secretsprovider']}; the embedded engine knows "
                "passphrase only"
            )
        config = document.get("config") or {}
        if not isinstance(config, dict):
            raise PulumiError(f"{path.name}: config is a {type(config).__name__}; expected a mapping")
        salt = document.get("encryptionsalt")
        return cls(path, config, None if salt is None else str(salt))

    def keyed(self, project: str) -> dict[str, Any]:
        """The configuration as it stands in the file, by full key: secure values stay encrypted."""
        return {key if ":" in key else f"{project}:{key}": value for key, value in self.config.items()}

    def resolve(self, crypter: Crypter, project: str) -> StackConfig:
        """The configuration as programs get it (``pkg/workspace`` and ``sdk/go/common/resource/config``)."""
        values: dict[str, str] = {}
        secret_keys: list[str] = []
        for key, value in self.keyed(project).items():
            clear, secret = _decrypted(value, crypter)
            values[key] = _as_text(clear)
            if secret:
                secret_keys.append(key)
        return StackConfig(values, secret_keys)


def project_name(directory: Path) -> str:
    """Raises PulumiError when there is no Python project in the folder."""
    document = yaml_file.read(directory / "Pulumi.yaml")
    name = document.get("name")
    runtime = document.get("runtime")
    language = runtime.get("name") if isinstance(runtime, dict) else runtime
    if not isinstance(name, str) or language != "python":
        raise PulumiError(f"{directory / 'Pulumi.yaml'} describes no Python project")
    return name


def _is_secure(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"secure"}


def _decrypted(value: Any, crypter: Crypter) -> tuple[Any, bool]:
    if _is_secure(value):
        return crypter.decrypt_text(str(value["secure"])), True
    if isinstance(value, dict):
        items = {key: _decrypted(item, crypter) for key, item in value.items()}
        return {key: item for key, (item, _) in items.items()}, any(secret for _, secret in items.values())
    if isinstance(value, list):
        listed = [_decrypted(item, crypter) for item in value]
        return [item for item, _ in listed], any(secret for _, secret in listed)
    return value, False


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str)
