"""A Pulumi project on disk: ``Pulumi.yaml``, and a stack's configuration as received by programs."""

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
    """A stack's decrypted configuration, kept only in memory."""

    values: dict[str, str]
    """Values by full key, such as ``snu:apps``; objects and lists are JSON strings."""
    secret_keys: list[str]

    @classmethod
    def decrypt(cls, file: StackFile, crypter: Crypter, project: str) -> StackConfig:
        """Decrypt a stack's file as ``pkg/workspace`` and ``sdk/go/common/resource/config`` do. Raises StateError."""
        values: dict[str, str] = {}
        secret_keys: list[str] = []
        for key, value in file.full_config(project).items():
            clear, secret = _decrypted(value, crypter)
            values[key] = as_text(clear)
            if secret:
                secret_keys.append(key)
        return cls(values, secret_keys)


def read_stack_file(path: Path) -> StackFile:
    """Read the file of a stack with the passphrase provider, the only one that the embedded engine supports.

    Raises PulumiError if the file is missing, invalid, or specifies another secrets provider.
    """
    file = StackFile.read(path)
    if file.secrets_provider != "passphrase":
        raise PulumiError(
            f"{path.name}: found secrets provider {file.secrets_provider}; the embedded engine supports only passphrase"
        )
    return file


def project_name(directory: Path) -> str:
    """Return the project name in a folder's ``Pulumi.yaml``. Raises PulumiError if it is not a Python project."""
    document = yaml_file.read(directory / "Pulumi.yaml").checked().values
    name = document.get("name")
    runtime = document.get("runtime")
    language = runtime.get("name") if isinstance(runtime, dict) else runtime
    if not isinstance(name, str) or language != "python":
        raise PulumiError(f"{directory / 'Pulumi.yaml'} does not describe a Python project")
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
