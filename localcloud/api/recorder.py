"""Writes what clients send and what shape the answers have, without any secret: what contract tests are made from.

One JSON object a line: ``method``, ``path``, ``query``, ``request`` (the body), ``status``, ``response`` (the answer's
shape). Headers are never written. Values that may be secret are replaced where they are read, not later: those of
secret fields and of all variables of containers and jobs. Of an answer only ids are kept; other values stand as
their type, such as ``<str>``.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

MASK = "Masked-0!"
"""In place of a secret that a client sent; good enough for the rules on passwords."""
_MASK_BASE64 = base64.b64encode(b'{"masked":"masked"}').decode()

_SECRET = frozenset({"password", "secret_key", "token", "plaintext", "ciphertext", "passphrase"})
_VALUES_SECRET = frozenset({"environment_variables", "secret_environment_variables", "headers"})
"""Maps whose values are masked; their keys, and whether a value is empty, are part of the contract."""
_BASE64 = "data"
_BASE64_PATHS = "/secret-manager/"

_ID = re.compile(r"([a-z]{2}-[a-z]{3}/)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|SCW[A-Z0-9]{17}")


class Recorder:
    """Appends to a file; each line is complete when the client has its answer."""

    def __init__(self, path: Path) -> None:
        """Raises ``OSError`` when the file cannot be written."""
        self._file = path.open("a", encoding="utf-8")

    def keep(self, method: str, path: str, query: str, body: bytes, status: int, answer: bytes) -> None:
        """One request and its answer."""
        line: dict[str, Any] = {"method": method, "path": path}
        if query:
            line["query"] = query
        if body.strip():
            line["request"] = masked(_json(body), path)
        line["status"] = status
        if answer:
            line["response"] = shape(_json(answer))
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def masked(value: Any, path: str, name: str = "") -> Any:
    """A request's body without the values that may be secret."""
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
    """An answer with the types of its values; ids are kept."""
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
