"""Log lines as they are displayed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ops.logs.loki import SECOND, Entry
from ops.report.text import safe

_SCHEMA = "snu.log-line/1"
_JOB = "serverless_job"


@dataclass(frozen=True)
class LogLine:
    """A line of a process. Scaleway wraps lines in JSON objects; any other content is displayed as it is."""

    time: int
    """Nanoseconds since the epoch."""
    resource_id: str
    """Id of the container or job run."""
    instance: str
    """Name of the container's instance, without the container's name; for a job, the id of the run."""
    stream: str
    """``stdout``, ``stderr`` or empty."""
    message: str = field(repr=False)

    @classmethod
    def of(cls, entry: Entry) -> LogLine:
        labels = entry.labels
        resource_id = labels.get("resource_id", "")
        try:
            content = json.loads(entry.text)
        except ValueError:
            content = None
        if not isinstance(content, dict) or "message" not in content:
            content = {"message": entry.text}
        message = content["message"]
        instance = str(content.get("resource_instance") or labels.get("resource_instance") or "")
        if labels.get("resource_type") == _JOB:
            instance = resource_id
        return cls(
            entry.time,
            resource_id,
            instance.removeprefix(f"{labels.get('resource_name', '')}-"),
            str(content.get("stream") or labels.get("stream") or ""),
            message if isinstance(message, str) else json.dumps(message, ensure_ascii=False),
        )

    @property
    def text(self) -> str:
        """The line as plain text, with the time in milliseconds."""
        moment = datetime.fromtimestamp(self.time // SECOND, UTC)
        milliseconds = self.time % SECOND // 1_000_000
        return safe(
            f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z {self.instance or '-'} {self.stream or '-'} {self.message}"
        )

    @property
    def json(self) -> str:
        """The line as a JSON object without line breaks, with the time in nanoseconds."""
        moment = datetime.fromtimestamp(self.time // SECOND, UTC)
        return json.dumps(
            {
                "schema": _SCHEMA,
                "time": f"{moment:%Y-%m-%dT%H:%M:%S}.{self.time % SECOND:09}Z",
                "resourceId": self.resource_id,
                "instance": self.instance,
                "stream": self.stream,
                "message": self.message,
            },
            ensure_ascii=False,
        )


def message_pattern(pattern: str) -> str:
    """A pattern that matches Scaleway's JSON object if, and only if, ``pattern`` matches its message.

    In each alternative, ``^`` at the start and ``$`` at the end refer to the message. Lines that are not JSON objects
    are matched as they are.
    """
    flags = found[0] if (found := _FLAGS.match(pattern)) else ""
    alternatives = _alternatives(pattern[len(flags) :])
    return flags + "|".join([*map(_in_message, alternatives), *map(_in_other_line, alternatives)])


_FLAGS = re.compile(r"\(\?[a-zA-Z]+\)")
"""Flags for the whole pattern. They must be at its start."""
_CHARACTER = r'(?:[^"\\]|\\.)'
"""A character of a JSON string, which may be escaped."""
_TOKEN = re.compile(r"\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|.", re.DOTALL)
"""An escape, a character class or a single character of a regular expression."""
_ESCAPED = {'"': r'\\"', r"\"": r'\\"', r"\\": r"\\\\", ".": _CHARACTER, **{rf"\{e}": rf"\\{e}" for e in "fnrt"}}
"""Tokens that match a character which JSON escapes, or any character, and how they match it inside a JSON string."""


def _alternatives(pattern: str) -> list[list[str]]:
    """The tokens of each alternative of a pattern."""
    found: list[list[str]] = [[]]
    depth = 0
    for each in _TOKEN.findall(pattern):
        depth += {"(": 1, ")": -1}.get(each, 0)
        if each == "|" and depth == 0:
            found.append([])
        else:
            found[-1].append(each)
    return found


def _in_message(tokens: list[str]) -> str:
    """A pattern that matches one alternative inside the JSON object's message."""
    begin, end = tokens[:1] == ["^"], tokens[-1:] == ["$"]
    tokens = tokens[begin : len(tokens) - end]
    if not begin and tokens[:2] == [".", "*"]:
        tokens = tokens[2:]  # Two adjacent wildcards would take quadratic time.
    content = "".join(map(_in_string, tokens))
    before = "" if begin else f"{_CHARACTER}*"
    after = r'"\s*[,}]' if end else ""
    return rf'"message":\s*"{before}(?:{content}){after}'


def _in_other_line(tokens: list[str]) -> str:
    """A pattern that matches one alternative in a line that is not a JSON object."""
    begin = tokens[:1] == ["^"]
    content = "".join(tokens[begin:])
    # Any token except a literal could match the brace that starts an object.
    if "".join(tokens[begin : begin + 1]).isalnum():
        return rf"^(?:{content})" if begin else rf"^(?:[^{{].*)?(?:{content})"
    return rf"^[^{{].*(?:{content})"


def _in_string(token: str) -> str:
    """A token that matches inside a JSON string."""
    if token.startswith("[^"):
        # Without this, it would match the quote that ends the message.
        return rf'(?:{token[:-1]}"\\]|\\{token if chr(34) in token else "."})'
    if token.startswith("[") and '"' in token:
        return rf"\\?{token}"
    return _ESCAPED.get(token, token)
