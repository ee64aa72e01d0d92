"""Loki's range queries: https://grafana.com/docs/loki/latest/reference/loki-http-api/#query-logs-within-a-range-of-time."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.client import RETRY_SECONDS

if TYPE_CHECKING:
    import httpx

    from ops.logs.access import LogsAccess

SECOND = 1_000_000_000
"""One second in nanoseconds, the unit of all times here."""
MAX_ENTRIES = 5_000
"""Maximum number of entries that Scaleway returns per query. Source: Cockpit's documentation, "Query your logs"."""
_MAX_BYTES = 64_000_000
"""A larger response is abandoned, and the query is repeated for fewer entries."""
_CLOCK_TOLERANCE = 2 * SECOND
_SHOWN_ERROR = 500
_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY_REQUESTS = 401, 403, 429
_TOO_LARGE = ("larger than max", "max bytes", "resourceexhausted")
"""Parts of Loki's errors about the size of a response, in lower case."""


@dataclass(frozen=True)
class Entry:
    """A line with the labels of its stream."""

    time: int
    """Nanoseconds since the epoch."""
    labels: Mapping[str, str] = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True)
class LogQuery:
    """A stream selector and line filters."""

    matchers: tuple[str, ...]
    filters: tuple[str, ...] = ()

    @classmethod
    def of(cls, resource_type: str, resource_ids: tuple[str, ...], filters: tuple[str, ...] = ()) -> Self:
        """Selects the streams of containers or job runs."""
        ids = f"resource_id=~{quoted('|'.join(resource_ids))}"
        return cls((f"resource_type={quoted(resource_type)}", ids), filters)

    def matching(self, *matchers: str) -> LogQuery:
        return replace(self, matchers=(*self.matchers, *matchers))

    def filtered(self, *filters: str) -> LogQuery:
        return replace(self, filters=(*self.filters, *filters))

    def __str__(self) -> str:
        return " ".join([f"{{{', '.join(self.matchers)}}}", *self.filters])


def quoted(text: str) -> str:
    """A LogQL string literal. LogQL uses Go's escapes, which include all of JSON's except ``\\/``."""
    return json.dumps(text, ensure_ascii=False)


class LokiError(OpsError):
    """Loki refused a query or did not respond."""

    def __init__(self, message: str, status: int, code: ExitCode, *, retry_after: float = 0.0) -> None:
        """``status``: the HTTP status; 0 if there was no response. ``retry_after``: seconds."""
        super().__init__(message, code)
        self.status = status
        self.retry_after = retry_after

    @property
    def is_transient(self) -> bool:
        """Whether the same query may succeed later."""
        return self.status in (0, _TOO_MANY_REQUESTS) or self.status >= 500


class TooLargeError(LokiError):
    """The response to a query is too large; fewer entries may fit."""


class Loki:
    """Queries one data source. Queries raise LokiError if they still fail after the retries."""

    def __init__(self, access: LogsAccess, transport: httpx.BaseTransport | None = None) -> None:
        self._access = access
        self._http = access.http_client(transport)
        self._skew = 0

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def now(self) -> int:
        """The current time according to Loki's clock, once it has responded. Nanoseconds since the epoch."""
        return time.time_ns() + self._skew

    def query(
        self, query: LogQuery, start: int, end: int, limit: int, *, forward: bool = True
    ) -> tuple[list[Entry], int]:
        """The first ``limit`` entries with ``start`` <= time < ``end``, and the size of the response in bytes.

        ``forward``: oldest first, otherwise newest first. Raises TooLargeError if the response exceeds 64 MB.
        """
        parameters = {
            "query": str(query),
            "start": str(start),
            "end": str(end),
            "limit": str(limit),
            "direction": "forward" if forward else "backward",
        }
        delays = iter(RETRY_SECONDS)
        while True:
            try:
                content = self._get(parameters)
                return self._entries(content, forward), len(content)
            except LokiError as error:
                delay = None if isinstance(error, TooLargeError) or not error.is_transient else next(delays, None)
                if delay is None:
                    raise
                delay = max(delay, min(error.retry_after, RETRY_SECONDS[-1]))
            time.sleep(delay)

    def _get(self, parameters: Mapping[str, str]) -> bytes:
        import httpx

        content = bytearray()
        try:
            with self._http.stream("GET", "loki/api/v1/query_range", params=parameters) as response:
                self._adjust_clock(response.headers.get("date", ""))
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > _MAX_BYTES:
                        raise TooLargeError("The logs could not be read: a line is too long", 200, ExitCode.FAILED)
        except httpx.RequestError as error:
            # The error's own text may repeat a header.
            raise LokiError(
                f"The logs could not be read: {self._access.host} did not respond ({type(error).__name__})",
                0,
                ExitCode.FAILED,
            ) from None
        if response.is_success:
            return bytes(content)
        raise self._error(response, content[:_SHOWN_ERROR].decode(errors="replace").strip())

    def _adjust_clock(self, date: str) -> None:
        """Follow the server's clock if this machine's is wrong. The header is in whole seconds."""
        with suppress(ValueError):
            skew = int(parsedate_to_datetime(date).timestamp()) * SECOND - time.time_ns()
            self._skew = skew if abs(skew) > _CLOCK_TOLERANCE else 0

    def _entries(self, content: bytes, forward: bool) -> list[Entry]:
        try:
            streams: list[dict[str, Any]] = json.loads(content)["data"]["result"]
            entries = [
                Entry(int(moment), stream["stream"], text)
                for stream in streams
                for moment, text, *_ in stream["values"]
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise LokiError(
                f"The logs could not be read: {self._access.host} did not return Loki's JSON "
                f"({type(error).__name__}). Check the URL in {self._access.source}.",
                200,
                ExitCode.FAILED,
            ) from None
        entries.sort(key=attrgetter("time"), reverse=not forward)
        return entries

    def _error(self, response: httpx.Response, text: str) -> LokiError:
        status = response.status_code
        if any(part in text.lower() for part in _TOO_LARGE):
            return TooLargeError(f"The logs could not be read: Loki returned {status}: {text}", status, ExitCode.FAILED)
        if status in (_UNAUTHORIZED, _FORBIDDEN):
            return LokiError(self._access.rejected(status), status, ExitCode.ENVIRONMENT)
        return LokiError(
            f"The logs could not be read: Loki returned {status}" + (f": {text}" if text else ""),
            status,
            ExitCode.USAGE if status == 400 else ExitCode.FAILED,
            retry_after=_seconds(response.headers.get("retry-after", "")),
        )


def _seconds(retry_after: str) -> float:
    with suppress(ValueError):
        return float(retry_after) if retry_after.isdigit() else _until(parsedate_to_datetime(retry_after))
    return 0.0


def _until(moment: datetime) -> float:
    return max(0.0, moment.timestamp() - time.time())
