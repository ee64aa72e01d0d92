"""Filters, order and pages of lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from localcloud.api.errors import invalid

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 100

_ORDER = re.compile(r"(\w+)_(asc|desc)")

Query = Mapping[str, list[str]]


def wanted(query: Query, name: str) -> list[str]:
    """The values of a filter; empty = no filter (so are ``""`` and ``unknown…``, which clients send for "any")."""
    return [value for value in query.get(name, ()) if value and not value.startswith("unknown")]


def first(query: Query, name: str) -> str | None:
    values = wanted(query, name)
    return values[0] if values else None


def ordered(items: Iterable[dict[str, Any]], query: Query) -> list[dict[str, Any]]:
    """``items`` as ``order_by`` asks (``<field>_asc|desc``); they come oldest first, which is the default."""
    found = list(items)
    order = first(query, "order_by")
    if order is None or order == "created_at_asc":
        return found
    match = _ORDER.fullmatch(order)
    if match is None:
        raise invalid("order_by", "must be a field and _asc or _desc")
    name, direction = match.groups()
    return sorted(found, key=lambda item: str(item.get(name, "")), reverse=direction == "desc")


def page(items: list[dict[str, Any]], query: Query, key: str) -> dict[str, Any]:
    """One page of ``items`` under ``key``, with ``total_count`` of all pages."""
    size = number(query, "page_size", default=DEFAULT_PAGE_SIZE, most=MAX_PAGE_SIZE)
    start = (number(query, "page", default=1) - 1) * size
    return {key: items[start : start + size], "total_count": len(items)}


def number(query: Query, name: str, *, default: int, least: int = 1, most: int = 2**31) -> int:
    """A query parameter that is a number; ``default`` where it is absent or empty. Raises ``invalid_arguments``."""
    text = query.get(name, [""])[0]
    if not text:
        return default
    if len(text) > 10 or not text.isdecimal() or not least <= int(text) <= most:
        raise invalid(name, f"must be between {least} and {most}")
    return int(text)
