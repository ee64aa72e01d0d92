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
    """A line of a process. Scaleway wraps each line in a JSON object; other lines are displayed as they are."""

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
    """A pattern for Scaleway's JSON object that matches where ``pattern`` matches the message.

    ``^`` at the start and ``$`` at the end refer to the message, and a quote also matches an escaped quote.
    """
    anchored = re.sub(r"^\^", '"message":\\\\s*"', pattern.replace('"', r'\\?"'))
    return re.sub(r"(?<!\\)((?:\\\\)*)\$$", r'\1"\\s*[,}]', anchored)
