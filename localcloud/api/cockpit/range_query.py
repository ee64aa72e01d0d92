"""The parameters of Loki's range queries.

Sources: Grafana's Loki documentation, "HTTP API", and Loki's source code where the documentation is incomplete.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import parse_qs

from localcloud.api.cockpit.logql import LogQLError, LogQuery, parse
from localcloud.api.timestamps import SECOND, nanotime, parse_nanotime

MAX_ENTRIES = 5_000
_DEFAULT_ENTRIES = 100
_DEFAULT_SPAN = 3_600 * SECOND
_UNSUPPORTED = ("since", "interval")
"""Parameters that are rejected, because ignoring them would change the result."""
_WHOLE = re.compile(r"[0-9]{1,21}")
_FRACTION = re.compile(r"[0-9]{1,12}\.[0-9]*|\.[0-9]+")
_SECONDS_DIGITS = 10
"""Maximum length of an integer in seconds; longer integers are in nanoseconds."""


class QueryError(Exception):
    """An invalid query; the message is sent to the client."""


@dataclass(frozen=True)
class RangeQuery:
    query: LogQuery
    start: int
    end: int
    """Nanoseconds since the epoch; ``end`` is exclusive."""
    limit: int
    forward: bool


def parse_range(query_string: bytes, now: float) -> RangeQuery:
    """Parse the query string. Raises QueryError."""
    arguments = {name: values[0] for name, values in parse_qs(query_string.decode("latin-1")).items()}
    for name in _UNSUPPORTED:
        if name in arguments:
            raise QueryError(f"the local Scaleway does not implement the parameter {name}: use start and end")
    end = _moment("end", arguments["end"]) if "end" in arguments else int(now * SECOND)
    start = _moment("start", arguments["start"]) if "start" in arguments else end - _DEFAULT_SPAN
    if start >= end:
        raise QueryError("end timestamp must not be before or equal to start time")
    direction = arguments.get("direction", "backward").lower()
    if direction not in ("forward", "backward"):
        raise QueryError(f"invalid direction '{direction}'")
    try:
        return RangeQuery(parse(arguments.get("query", "")), start, end, _limit(arguments), direction == "forward")
    except LogQLError as error:
        raise QueryError(str(error)) from error


def _limit(arguments: dict[str, str]) -> int:
    text = arguments.get("limit", str(_DEFAULT_ENTRIES))
    if not _WHOLE.fullmatch(text) or int(text) == 0:
        raise QueryError("limit must be a positive value")
    if int(text) > MAX_ENTRIES:
        raise QueryError(
            f"max entries limit per query exceeded, limit > max_entries_limit_per_query ({text} > {MAX_ENTRIES})"
        )
    return int(text)


def _moment(name: str, text: str) -> int:
    """Convert nanoseconds, seconds (with milliseconds) or RFC 3339 to nanoseconds since the epoch."""
    try:
        if _FRACTION.fullmatch(text):
            moment = round(Decimal(text) * 1_000) * (SECOND // 1_000)
        elif _WHOLE.fullmatch(text):
            moment = int(text) * (SECOND if len(text) <= _SECONDS_DIGITS else 1)
        else:
            moment = parse_nanotime(text)
        nanotime(moment)
    except ValueError as error:
        raise QueryError(
            f"could not parse {name} '{text}': expected nanoseconds or seconds since the epoch, or RFC 3339"
        ) from error
    return moment
