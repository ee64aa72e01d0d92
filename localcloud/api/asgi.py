"""ASGI types, and a reader for request bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Service = Callable[[Scope, Receive, Send], Awaitable[tuple[int, str]]]
"""Handles a request. Returns the status and, for errors, the reason to log."""


class ClientDisconnected(Exception):
    """The client closed the connection."""


async def body_chunks(receive: Receive) -> AsyncIterator[bytes]:
    """The chunks of a request body as they arrive. Raises ``ClientDisconnected``."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        if chunk := message.get("body", b""):
            yield chunk
        if not message.get("more_body"):
            return
