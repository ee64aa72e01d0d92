"""A Pulumi project on disk: Pulumi.yaml, and a stack's configuration as Pulumi hands it to programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulumi_state import yaml_file
from pulumi_state.errors import PulumiError
from pulumi_state.stack_file import StackFile, as_text, is_secure

if TYPE_CHECKING:
    from pulumi_state.passphrase import Crypter


@dataclass(frozen=True)
class StackConfig:
    """A stack's configuration, in clear: kept in memory only."""

    values: dict[str, str]
    """By full key, such as ``snu:apps``; objects and lists are JSON texts."""
    secret_keys: list[str]

    @classmethod
    def of(cls, file: StackFile, crypter: Crypter, project: str) -> StackConfig:
        """The configuration as programs get it (``pkg/workspace`` and ``sdk/go/common/resource/config``)."""
        values: dict[str, str] = {}
        secret_keys: list[str] = []
        for key, value in file.keyed(project).items():
            clear, secret = _decrypted(value, crypter)
            values[key] = as_text(clear)
            if secret:
                secret_keys.append(key)
        return cls(values, secret_keys)


def read_for_passphrase(path: Path) -> StackFile:
    """A stack's file whose secrets a passphrase opens, the only way the embedded engine knows.

    Raises PulumiError where the file is missing, has flaws or names another secrets provider.
    """
    file = StackFile.read(path)
    if file.secrets_provider != "passphrase":
        raise PulumiError(
            f"{path.name} names the secrets provider {file.secrets_provider}; the embedded engine knows passphrase only"
        )
    return file


def project_name(directory: Path) -> str:
    """Raises PulumiError when there is no Python project in the folder."""
    document = yaml_file.read(directory / "Pulumi.yaml").checked().values
    name = document.get("name")
    runtime = document.get("runtime")
    language = runtime.get("name") if isinstance(runtime, dict) else runtime
    if not isinstance(name, str) or language != "python":
        raise PulumiError(f"{directory / 'Pulumi.yaml'} describes no Python project")
    return name


def _decrypted(value: Any, crypter: Crypter) -> tuple[Any, bool]:
    if is_secure(value):
        return crypter.decrypt_text(str(value["secure"])), True
    if isinstance(value, dict):
        items = {key: _decrypted(item, crypter) for key, item in value.items()}
        return {key: item for key, (item, _) in items.items()}, any(secret for _, secret in items.values())
    if isinstance(value, list):
        listed = [_decrypted(item, crypter) for item in value]
        return [item for item, _ in listed], any(secret for _, secret in listed)
    return value, False
