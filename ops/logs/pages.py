"""Reads all lines of a time range from Loki, each exactly once.

A full page may end in the middle of a nanosecond, whose remaining lines cannot be requested by time. The lines of a
full page's last nanosecond are therefore left to the next page, which starts with that nanosecond. A nanosecond with
more lines than a page is divided by mutually exclusive filters, such as ``|= "a"`` and ``!= "a"``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, takewhile

from ops.logs.loki import MAX_ENTRIES, Entry, LogQuery, Loki, TooLargeError, quoted

_FIRST_PAGE = 500
"""Small, so that the first lines are shown soon."""
_TARGET_BYTES = 8_000_000
"""Target size of a response in bytes. Pages contain fewer lines if the lines are long."""
_SAMPLE = 500
_CANDIDATES = 200
_LENGTHS = (1, 2, 4)
_PART_LENGTH = 1_000
"""Maximum length of a filter's string in characters; Loki limits the length of a query."""

Gap = Callable[[int, int], None]
"""Called with the time of a nanosecond that cannot be read completely, and the number of lines that were read."""


class PageReader:
    """Reads time ranges. Each read raises LokiError."""

    def __init__(self, loki: Loki, on_gap: Gap = lambda _moment, _count: None) -> None:
        """``on_gap`` is called if lines of a nanosecond are indistinguishable, so that some may be missing."""
        self.loki = loki
        self._on_gap = on_gap
        self._limit = _FIRST_PAGE

    def read(self, query: LogQuery, start: int, end: int, *, forward: bool = True) -> Iterator[list[Entry]]:
        """All lines with ``start`` <= time < ``end``, oldest first, or newest first unless ``forward``."""
        while start < end:
            page, limit = self._page(query, start, end, forward=forward)
            if len(page) < limit:
                if page:
                    yield page
                return
            last = page[-1].time
            complete = [entry for entry in page if entry.time != last]
            if complete:
                yield complete
                start, end = (last, end) if forward else (start, last + 1)
            else:
                yield from self._nanosecond(query, last)
                start, end = (last + 1, end) if forward else (start, last)

    def last(
        self, query: LogQuery, start: int, end: int, count: int, accepts: Callable[[Entry], bool] = lambda _: True
    ) -> list[Entry]:
        """The last ``count`` accepted lines of a range, oldest first."""
        if count == 0:
            return []
        self._limit = min(MAX_ENTRIES, count + 1)
        pages = self.read(query, start, end, forward=False)
        newest = islice((entry for page in pages for entry in page if accepts(entry)), count)
        return [*newest][::-1]

    def _page(self, query: LogQuery, start: int, end: int, *, forward: bool) -> tuple[list[Entry], int]:
        """A page and the number of lines that it is limited to, which depends on the length of recent lines."""
        while True:
            limit = self._limit
            try:
                page, size = self.loki.query(query, start, end, limit, forward=forward)
            except TooLargeError:
                if limit == 1:
                    raise
                self._limit = max(1, limit // 4)
                continue
            fitting = limit * 4 if size == 0 else limit * _TARGET_BYTES // size
            self._limit = max(1, min(MAX_ENTRIES, limit * 10, fitting))
            return page, limit

    def _nanosecond(self, query: LogQuery, moment: int) -> Iterator[list[Entry]]:
        """All lines of one nanosecond."""
        try:
            page, _ = self.loki.query(query, moment, moment + 1, MAX_ENTRIES)
            is_full = len(page) >= MAX_ENTRIES
        except TooLargeError:
            page, _ = self._page(query, moment, moment + 1, forward=True)
            is_full = True
        if not is_full:
            yield page
        elif halves := _divided(query, page):
            for half in halves:
                yield from self._nanosecond(half, moment)
        else:
            part = "".join(takewhile(str.isprintable, page[0].text[:_PART_LENGTH]))
            same = [entry for entry in page if part in entry.text]
            yield same
            self._on_gap(moment, len(same))
            yield from self._nanosecond(query.filtered(f"!= {quoted(part)}"), moment)


def _divided(query: LogQuery, page: Sequence[Entry]) -> tuple[LogQuery, LogQuery] | None:
    """Two queries that together select the same lines as ``query``, and none twice. None if the lines are identical."""
    first = page[0]
    for entry in page:
        for label, value in entry.labels.items():
            if first.labels.get(label) != value:
                return query.matching(f"{label}={quoted(value)}"), query.matching(f"{label}!={quoted(value)}")
    texts = [*dict.fromkeys(entry.text for entry in page)][:_SAMPLE]
    parts = _parts(texts)
    if not parts:
        return None
    best = min(parts, key=lambda part: abs(2 * sum(part in text for text in texts) - len(texts)))
    return query.filtered(f"|= {quoted(best)}"), query.filtered(f"!= {quoted(best)}")


def _parts(texts: Sequence[str]) -> list[str]:
    """Strings that some of the ``texts`` contain and others do not."""
    different = (index for index, characters in enumerate(zip(*texts, strict=False)) if len({*characters}) > 1)
    start = next(different, min(map(len, texts)))
    chance = random.Random(start)  # noqa: S311 - only the number of requests depends on it
    parts = {max(texts, key=len)[start : start + _PART_LENGTH]}
    for text in chance.choices(texts, k=_CANDIDATES):
        if len(text) > start:
            at = chance.randrange(start, min(len(text), start + _PART_LENGTH))
            parts.add(text[at : at + chance.choice(_LENGTHS)])
    return sorted(part for part in parts if part.isprintable() and 0 < sum(part in it for it in texts) < len(texts))
