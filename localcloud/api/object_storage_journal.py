"""The object storage journal: all write requests, from which the state is restored.

Each line is a JSON object, written before the request is handled.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from werkzeug.test import create_environ

READ_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Entry:
    """One request, with everything that its result depends on."""

    environ: dict[str, str]
    """The string values of the WSGI environment."""
    body: str
    """The base64-encoded body."""
    time: float = field(default_factory=time.time)
    """Seconds since the epoch."""
    seed: int = field(default_factory=lambda: secrets.randbits(64))
    """Random seed for version ids and other generated values."""

    @classmethod
    def of(cls, environ: dict[str, Any], body: bytes) -> Entry:
        strings = {name: value for name, value in environ.items() if isinstance(value, str)}
        if strings.pop("HTTP_TRANSFER_ENCODING", None) is not None:
            strings["CONTENT_LENGTH"] = str(len(body))
        return cls(strings, base64.b64encode(body).decode())


class Journal:
    def __init__(self, path: Path) -> None:
        """Open or create the file. Removes an incomplete last line left by a killed process."""
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b", buffering=0)
        size = 0
        with path.open("rb") as lines:
            for line in lines:
                size += len(line) if line.endswith(b"\n") else 0
        self._path = path
        self._file.truncate(size)
        self._size = size

    def entries(self) -> Iterator[Entry]:
        with self._path.open("rb") as lines:
            for line in lines:
                yield Entry(**json.loads(line))

    def append(self, entry: Entry) -> int:
        """Write an entry and return the previous size for ``truncate``. Raises OSError without writing anything."""
        line = json.dumps(asdict(entry), separators=(",", ":")).encode() + b"\n"
        before = self._size
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self.truncate(before)
            raise
        self._size += len(line)
        return before

    def truncate(self, size: int) -> None:
        """Truncate the journal to this size."""
        self._file.truncate(size)
        self._size = size


def convert_recording(recording: Path, journal: Path) -> None:
    """Convert a recording written by an earlier version, if one exists.

    Recorded requests to other services become requests to S3, which rejects them.
    """
    if journal.exists() or not recording.exists():
        return
    draft = journal.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    converted = Journal(draft)
    for line in recording.read_bytes().splitlines(keepends=True):
        request = json.loads(line) if line.endswith(b"\n") else {"method": READ_METHODS[0]}
        if request["method"] in READ_METHODS:
            continue
        url = urlsplit(request["url"])
        body = base64.b64decode(request["body"]) if request["body_encoded"] else (request["body"] or "").encode()
        environ = create_environ(
            url.path, method=request["method"], query_string=url.query, headers=request["headers"], data=body
        )
        converted.append(Entry.of(environ | {"HTTP_HOST": "127.0.0.1"}, body))
    draft.replace(journal)
    recording.unlink()
