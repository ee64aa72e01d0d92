"""Reads new log lines as they arrive, each exactly once.

Lines arrive later than their timestamps, and not in order. Each poll therefore overlaps the previous one slightly, and
at intervals, a poll reaches back far enough to find lines that arrived late. Lines that were already read are
recognized by their time, stream and text; only those that a later poll can return again are remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ops.logs.loki import SECOND, Entry, LogQuery
from ops.logs.pages import PageReader

POLL_SECONDS = 1.0
LATEST_SECONDS = 30
"""Maximum delay of a line in seconds. Scaleway documents no limit; the crash alerts make the same assumption."""
_OVERLAP = 2 * SECOND
_SWEEP_INTERVAL = 10 * SECOND
"""Interval between polls that look for late lines, in nanoseconds."""
_AHEAD = 300 * SECOND
"""Maximum time by which a container's clock may be ahead, in nanoseconds."""


class Follower:
    """Reads the lines that arrive after the initial lines were printed."""

    def __init__(self, reader: PageReader, floor: int, read_until: int) -> None:
        """``floor``: the earliest time to read; ``read_until``: when the initial lines were read. In nanoseconds."""
        self._reader = reader
        self._floor = floor
        self._polled = self._swept = read_until
        self._seen: Counter[int] = Counter()

    def remember(self, entries: list[Entry]) -> None:
        """Do not return these lines again."""
        oldest = self._swept - LATEST_SECONDS * SECOND
        self._seen.update(_key(entry) for entry in entries if entry.time >= oldest)

    def poll(self, query: LogQuery, *, late: bool = False) -> Iterator[list[Entry]]:
        """The new lines. ``late``: look for late ones now. Raises LokiError; the next poll continues."""
        now = self._reader.loki.now()
        sweeps = late or now - self._swept >= _SWEEP_INTERVAL
        start = self._swept - LATEST_SECONDS * SECOND if sweeps else self._polled - _OVERLAP
        found: Counter[int] = Counter()
        for page in self._reader.read(query, max(start, self._floor), now + _AHEAD):
            new = []
            for entry in page:
                key = _key(entry)
                found[key] += 1
                # Loki may contain several identical lines.
                if found[key] > self._seen[key]:
                    self._seen[key] = found[key]
                    new.append(entry)
            if new:
                yield new
        self._polled = now
        if sweeps:
            self._swept = now
            self._seen = found


def _key(entry: Entry) -> int:
    """A hash, because 50,000 lines may have to be remembered."""
    return hash((entry.time, entry.text, *entry.labels.values()))
