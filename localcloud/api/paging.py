"""Filtering, sorting and paging of lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from localcloud.api.errors import invalid

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 100

_ORDER = re.compile(r"(\w+)_(asc|desc)")

Query = Mapping[str, list[str]]


def filter_values(query: Query, name: str) -> list[str]:
    """The values of a filter. Empty: no filter. Clients send ``""`` or ``unknown…`` to mean "any"."""
    return [value for value in query.get(name, ()) if value and not value.startswith("unknown")]


def first(query: Query, name: str) -> str | None:
    values = filter_values(query, name)
    return values[0] if values else None


def ordered(items: Iterable[dict[str, Any]], query: Query) -> list[dict[str, Any]]:
    """``items`` sorted by ``order_by`` (``<field>_asc|desc``). ``items`` must be oldest first, the default order."""
    oldest_first = list(items)
    order = first(query, "order_by")
    if order is None or order == "created_at_asc":
        return oldest_first
    match = _ORDER.fullmatch(order)
    if match is None:
        raise invalid("order_by", "must be a field name followed by _asc or _desc")
    name, direction = match.groups()
    return sorted(oldest_first, key=lambda item: str(item.get(name, "")), reverse=direction == "desc")


def page(items: list[dict[str, Any]], query: Query, key: str) -> dict[str, Any]:
    """One page of ``items`` under ``key``, with the ``total_count`` across all pages."""
    size = number(query, "page_size", default=DEFAULT_PAGE_SIZE, maximum=MAX_PAGE_SIZE)
    start = (number(query, "page", default=1) - 1) * size
    return {key: items[start : start + size], "total_count": len(items)}


def number(query: Query, name: str, *, default: int, minimum: int = 1, maximum: int = 2**31) -> int:
    """A numeric query parameter; ``default`` if absent or empty. Raises ``invalid_arguments``."""
    text = query.get(name, [""])[0]
    if not text:
        return default
    if len(text) > 10 or not text.isdecimal() or not minimum <= int(text) <= maximum:
        raise invalid(name, f"must be between {minimum} and {maximum}")
    return int(text)
