"""Canonical JSON, used to compute digests.

Pulumi's engines can write the same value as different JSON: the key order varies, integers appear as ``1`` or
``1.0``, and empty values may be omitted.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pulumi_state.values import SECRET_SIGNATURE, SIGNATURE_KEY

Decrypt = Callable[[str], Any]

_SETS = frozenset({"dependencies", "additionalSecretOutputs", "aliases"})


def canonical(value: Any) -> str:
    """Serialize a value as canonical JSON. Raises TypeError for values that JSON cannot represent."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(value: Any, key: bytes | None = None) -> str:
    """SHA-256 of the canonical JSON in hexadecimal. With a key, an HMAC, which is safe to publish."""
    text = canonical(value).encode()
    if key is None:
        return hashlib.sha256(text).hexdigest()
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def in_order(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource or goal with its unordered lists sorted and empty property dependencies removed."""
    ordered = {
        key: sorted(value, key=canonical) if key in _SETS and value else value for key, value in resource.items()
    }
    by_property = resource.get("propertyDependencies")
    if isinstance(by_property, dict):
        ordered["propertyDependencies"] = {key: sorted(urns) for key, urns in by_property.items() if urns}
    return ordered


def is_secret(value: Any) -> bool:
    """Whether the value is an encoded secret, either encrypted or in plaintext."""
    return isinstance(value, dict) and value.get(SIGNATURE_KEY) == SECRET_SIGNATURE


def with_clear_secrets(value: Any, decrypt: Decrypt) -> Any:
    """Replace each encoded secret with ``{"secret": <content>}``. The result is only used for digests, never stored.

    ``decrypt`` returns a ciphertext's content, which may itself contain secrets.
    """
    if isinstance(value, list):
        return [with_clear_secrets(item, decrypt) for item in value]
    if not isinstance(value, dict):
        return value
    if is_secret(value):
        content = json.loads(value["plaintext"]) if "plaintext" in value else decrypt(value["ciphertext"])
        return {"secret": with_clear_secrets(content, decrypt)}
    return {key: with_clear_secrets(item, decrypt) for key, item in value.items()}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaf values with their paths, such as ``environmentVariables.CLE`` or ``tags[0]``."""
    if isinstance(value, dict) and value and set(value) != {"secret"}:
        for key in sorted(value):
            yield from leaves(value[key], f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value
