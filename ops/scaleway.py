"""Scaleway's HTTP API: where it is for a stack, whom it is asked as, and how its answers are read."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from ops.stacks import Stack

if TYPE_CHECKING:
    import httpx

REAL_API = "https://api.scaleway.com"
REQUEST_SECONDS = 30.0
_PAGE_SIZE = 100
_AT_ONCE = 8

Object = dict[str, Any]
_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


def address(stack: Stack, environ: Mapping[str, str]) -> str:
    """Of the API that the stack's resources are made with."""
    return stack.api_url or environ.get("SCW_API_URL") or REAL_API


def connect(stack: Stack, environ: Mapping[str, str], key: str) -> httpx.Client:
    """A client for the paths of that API. A local one is never asked through a proxy."""
    import httpx

    return httpx.Client(
        base_url=address(stack, environ),
        headers={"X-Auth-Token": key},
        timeout=REQUEST_SECONDS,
        trust_env=not stack.is_local,
        # A local one speaks plain HTTP: a context that trusts nobody takes no time to make.
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if stack.is_local else True,
    )


def asked_at_once(ask: Callable[[_Item], _Answer], items: Iterable[_Item]) -> list[_Answer]:
    """The answers in the order of the items: a request for each, a few of them under way at the same time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [*pool.map(ask, items)]


def pages(get: Callable[[dict[str, str]], Object], items: str) -> Iterator[Object]:
    """All that a list has, page by page. ``get`` answers a query; ``items`` is the key of what is listed."""
    seen, page = 0, 0
    while True:
        page += 1
        answer = get({"page": str(page), "page_size": str(_PAGE_SIZE)})
        found = answer.get(items) or []
        yield from found
        seen += len(found)
        if not found or seen >= int(answer.get("total_count") or 0):
            return


def message(response: httpx.Response) -> str:
    """What an answer that is an error says."""
    try:
        body: Any = response.json()
    except ValueError:
        return "no message"
    return str(body.get("message", "no message")) if isinstance(body, dict) else "no message"
