"""``/_local/containers/<id>/logs``, ``/_local/job-runs/<id>/logs``: logs of a container or job run.

``GET``: one JSON object per line with ``time``, ``instance``, ``stream`` (stdout or stderr) and ``text``. If reading
fails, the last object contains only ``error``. ``?tail=N`` returns only the last N lines. ``?follow=true`` continues
until the client disconnects.

``POST``: adds lines as if an instance had written them: ``{"lines": [{"text", "stream", "time", "instance"}]}``. Only
``text`` is required. ``time`` is in RFC 3339 format or in nanoseconds since the epoch.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from localcloud.api.asgi import Receive, Send
from localcloud.api.cloud import Cloud
from localcloud.api.containers.schemas import CONTAINERS
from localcloud.api.errors import ApiError, EngineError, not_found
from localcloud.api.logs.lines import LogLine
from localcloud.api.logs.reader import LogReader
from localcloud.api.paging import number
from localcloud.api.serverless_jobs.runs import RUNS
from localcloud.api.timestamps import SECOND, nanotime, parse_nanotime
from localcloud.api.validation import Body, EnumField, Field, Problems, Text, objects

_PATH = re.compile(r"/_local/(containers|job-runs)/([^/]+)/logs")
_DEFAULT_TAIL = 100
_MAX_TAIL = 100_000
_ADDED = "added"
"""Default instance of an added line."""


@dataclass(frozen=True)
class LogOwner:
    """The container or job run that owns the logs."""

    kind: str
    noun: str
    id: str

    def check(self, cloud: Cloud) -> None:
        """Raises 404 if the container or job run does not exist."""
        if cloud.store.get(self.kind, self.id) is None:
            raise not_found(self.noun, self.id)


LINE = Body(
    text=Text(default=None, max_length=1_000_000),
    stream=EnumField(values=("stdout", "stderr"), default="stderr"),
    time=Field(),
    instance=Text(default=_ADDED, max_length=255),
)


def logs_of(path: str) -> LogOwner | None:
    """The owner of the logs at a control API path. None for other paths."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    return (
        LogOwner(CONTAINERS, "container", match[2]) if match[1] == "containers" else LogOwner(RUNS, "job_run", match[2])
    )


def add_lines(cloud: Cloud, logs: LogReader, owner: LogOwner, body: dict[str, Any]) -> dict[str, Any]:
    """Add the lines in a request body. Raises 404 or 400 without adding any lines."""
    owner.check(cloud)
    problems, now = Problems(), int(cloud.now() * SECOND)
    lines = []
    for index, item in enumerate(objects(body, "lines")):
        place = f"lines[{index}]."
        values = LINE.create(item, problems, place)
        if item.get("text") is None:
            problems.add(f"{place}text", reason="required")
        time = _time(values.get("time"), now + index, f"{place}time", problems)
        lines.append((time, values))
    problems.raise_if_any()
    logs.added.keep_only({resource["id"] for kind in (CONTAINERS, RUNS) for resource in cloud.store.all(kind)})
    logs.added.add(
        owner.id, [LogLine(time, values["instance"], values["stream"], values["text"]) for time, values in lines]
    )
    return {"added": len(lines)}


def _time(value: Any, default: int, name: str, problems: Problems) -> str:
    try:
        if value is None:
            return nanotime(default)
        if isinstance(value, str) and not value.isdecimal():
            return nanotime(parse_nanotime(value))
        if isinstance(value, str | int) and not isinstance(value, bool):
            return nanotime(int(value))
    except ValueError:
        pass
    problems.add(name, "must be a time in RFC 3339 format, or nanoseconds since the epoch", "format")
    return ""


async def serve_logs(
    cloud: Cloud, logs: LogReader, owner: LogOwner, query_string: bytes, receive: Receive, send: Send
) -> tuple[int, str]:
    """Send the logs. Returns the status and, for errors, the reason to log."""
    query = parse_qs(query_string.decode("latin-1"))
    try:
        owner.check(cloud)
        tail = number(query, "tail", default=_DEFAULT_TAIL, minimum=0, maximum=_MAX_TAIL)
    except ApiError as error:
        await _start(send, error.status, b"application/json")
        await send({"type": "http.response.body", "body": json.dumps(error.body).encode()})
        return error.status, error.reason
    follow = query.get("follow", ["false"])[0] == "true"
    writing = asyncio.create_task(_write(logs, owner.id, tail, follow, send))
    disconnected = asyncio.create_task(_wait_for_disconnect(receive))
    try:
        await asyncio.wait({writing, disconnected}, return_when=asyncio.FIRST_COMPLETED)
        return await writing if writing.done() else (200, "")
    finally:
        for task in (writing, disconnected):
            task.cancel()
        await asyncio.wait({writing, disconnected})


async def _write(logs: LogReader, container_id: str, tail: int, follow: bool, send: Send) -> tuple[int, str]:
    await _start(send, 200, b"application/x-ndjson")
    try:
        async with aclosing(logs.lines(container_id, tail=tail, follow=follow)) as lines:
            async for line in lines:
                document = {"time": line.time, "instance": line.instance, "stream": line.stream, "text": line.text}
                await send(
                    {"type": "http.response.body", "body": json.dumps(document).encode() + b"\n", "more_body": True}
                )
    except EngineError as error:
        document = {"error": str(error)}
        await send({"type": "http.response.body", "body": json.dumps(document).encode() + b"\n", "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    return 200, ""


async def _start(send: Send, status: int, content_type: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type)]})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
