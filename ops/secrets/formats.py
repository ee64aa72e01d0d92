"""Reads keys and values that a user has written: a JSON object, or lines in dotenv format.

Messages contain line numbers and keys, never values.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ops.report.text import safe

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=[ \t]*")
_QUOTED = {
    "'": re.compile(r"'([^']*)'"),
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL),
}
_REST = re.compile(r"[ \t]*(?:#.*)?$", re.MULTILINE)
"""Whitespace and a comment, which may follow a quoted value on its line."""
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


class FormatError(Exception):
    """The content is not in the expected format; the message contains the position and the reason."""


def text_of(content: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark. Raises FormatError."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"not UTF-8 (byte {error.start + 1})") from None


def keys_and_values(text: str) -> dict[str, Any]:
    """Parse a JSON object if the text starts with one, and otherwise dotenv lines. Raises FormatError."""
    return json_object(text) if text.lstrip().startswith(("{", "[")) else dotenv(text)


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object whose keys are all different. Raises FormatError."""
    if not text.strip():
        raise FormatError("empty")
    try:
        found = json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise FormatError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise FormatError("nested too deeply") from None
    if not isinstance(found, dict):
        raise FormatError("not a JSON object")
    return found


def dotenv(text: str) -> dict[str, str]:
    """Parse lines such as ``KEY=value``, with comments, ``export``, and single or double quotes.

    Quoted values may span lines. Double quotes allow escapes such as ``\\n``; variables are not expanded. Raises
    FormatError.
    """
    values: dict[str, str] = {}
    position = 0
    text = text.replace("\r\n", "\n")
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        end = text.find("\n", position) if "\n" in text[position:] else len(text)
        content = text[position:end].strip()
        if not content or content.startswith("#"):
            position = end + 1
            continue
        start = position + len(text[position:end]) - len(text[position:end].lstrip())
        assignment = _ASSIGNMENT.match(text, start, end)
        if assignment is None:
            raise FormatError(f"line {line}: expected KEY=VALUE")
        key, begin = assignment[1], assignment.end()
        if key in values:
            raise FormatError(f"line {line}: {key} is listed twice")
        values[key], position = _value(text, begin, end, line)
    if not values:
        raise FormatError("no keys")
    return values


def _value(text: str, begin: int, end: int, line: int) -> tuple[str, int]:
    """The value that begins at a position, and the start of the next line."""
    quote = text[begin:end][:1]
    if quote not in _QUOTED:
        return _COMMENT.sub("", text[begin:end]).strip(), end + 1
    quoted = _QUOTED[quote].match(text, begin)
    rest = _REST.match(text, quoted.end()) if quoted else None
    if quoted is None or rest is None:
        raise FormatError(f"line {line}: the closing {quote} is missing or followed by text")
    value = quoted[1]
    if quote == '"':
        value = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), value)
    return value, rest.end() + 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise FormatError(f"{safe(key)} is listed twice")
        values[key] = value
    return values
