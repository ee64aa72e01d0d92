"""Records requests and the structure of their responses, without secrets, for contract tests.

Each line is a JSON object: ``method``, ``path``, ``query``, ``request`` (the body), ``status``, ``response`` (its
structure). Headers are never recorded. Values that may be secret (secret fields, all variables of containers and jobs)
are masked before anything is written. In responses, ids are kept and other values are replaced by their types, such as
``<str>``.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

MASK = "Masked-0!"
"""Replacement for clients' secrets. It satisfies the password rules."""
_MASK_BASE64 = base64.b64encode(b'{"masked":"masked"}').decode()

_SECRET = frozenset({"password", "secret_key", "token", "plaintext", "ciphertext", "passphrase"})
_VALUES_SECRET = frozenset({"environment_variables", "secret_environment_variables", "headers"})
"""Maps whose values are masked. Their keys, and whether a value is empty, are part of the contract."""
_BASE64 = "data"
_BASE64_PATHS = "/secret-manager/"

_ID = re.compile(r"([a-z]{2}-[a-z]{3}/)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|SCW[A-Z0-9]{17}")


class Recorder:
    """Appends requests to a file. Each line is complete before the client receives its response."""

    def __init__(self, path: Path) -> None:
        """Raises ``OSError`` if the file cannot be written."""
        self._file = path.open("a", encoding="utf-8")

    def record(self, method: str, path: str, query: str, body: bytes, status: int, response: bytes) -> None:
        """Record a request and the structure of its response."""
        line: dict[str, Any] = {"method": method, "path": path}
        if query:
            line["query"] = query
        if body.strip():
            line["request"] = masked(_json(body), path)
        line["status"] = status
        if response:
            line["response"] = shape(_json(response))
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def masked(value: Any, path: str, name: str = "") -> Any:
    """A request body in which potentially secret values are masked."""
    if isinstance(value, dict):
        if name in _VALUES_SECRET:
            return {key: MASK if item else item for key, item in value.items()}
        return {key: masked(item, path, key) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, path, name) for item in value]
    if value and name in _SECRET:
        return MASK
    if value and name == _BASE64 and path.startswith(_BASE64_PATHS):
        return _MASK_BASE64
    return value


def shape(value: Any, name: str = "") -> Any:
    """A response in which all values except ids are replaced by their types."""
    if isinstance(value, dict):
        return {key: shape(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item, name) for item in value]
    if value is None:
        return None
    if isinstance(value, str) and name not in _SECRET and _ID.fullmatch(value):
        return value
    return f"<{type(value).__name__}>"


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return "<no JSON>"
