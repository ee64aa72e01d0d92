"""``GET /_local/containers/<id>/logs``: what a container's instances wrote, as lines of JSON.

``?tail=N``: the last lines only; ``?follow=true``: go on until the client goes. A line is an object with ``time``,
``instance``, ``stream`` (stdout or stderr) and ``text``; or with ``error`` alone, and then it is the last.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from localcloud.api.cloud import Cloud
from localcloud.api.errors import ApiError, not_found
from localcloud.api.paging import number
from localcloud.runtime.engine import EngineError

if TYPE_CHECKING:
    from localcloud.runtime.runtime import Runtime

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PATH = re.compile(r"/_local/containers/([^/]+)/logs")
_DEFAULT_TAIL = 100
_MOST = 100_000


def logs_of(method: str, path: str) -> str | None:
    """The id of the container whose logs are asked for."""
    match = _PATH.fullmatch(path)
    return match[1] if match and method == "GET" else None


async def serve_logs(
    cloud: Cloud, runtime: Runtime, container_id: str, query_string: bytes, receive: Receive, send: Send
) -> tuple[int, str]:
    """Gives the status and, for the log, why it is an error."""
    query = parse_qs(query_string.decode("latin-1"))
    try:
        if cloud.store.get("containers.container", container_id) is None:
            raise not_found("container", container_id)
        tail = number(query, "tail", default=_DEFAULT_TAIL, least=0, most=_MOST)
    except ApiError as error:
        await _start(send, error.status, b"application/json")
        await send({"type": "http.response.body", "body": json.dumps(error.body).encode()})
        return error.status, error.reason
    follow = query.get("follow", ["false"])[0] == "true"
    writing = asyncio.create_task(_write(runtime, container_id, tail, follow, send))
    leaving = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await writing if writing.done() else (200, "")
    finally:
        for task in (writing, leaving):
            task.cancel()
        await asyncio.wait({writing, leaving})


async def _write(runtime: Runtime, container_id: str, tail: int, follow: bool, send: Send) -> tuple[int, str]:
    await _start(send, 200, b"application/x-ndjson")
    try:
        async with aclosing(runtime.logs.lines(container_id, tail=tail, follow=follow)) as lines:
            async for line in lines:
                shown = {"time": line.time, "instance": line.instance, "stream": line.stream, "text": line.text}
                await send(
                    {"type": "http.response.body", "body": json.dumps(shown).encode() + b"\n", "more_body": True}
                )
    except EngineError as error:
        shown = {"error": str(error)}
        await send({"type": "http.response.body", "body": json.dumps(shown).encode() + b"\n", "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    return 200, ""


async def _start(send: Send, status: int, content_type: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type)]})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
