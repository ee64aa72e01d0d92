"""``/_local/containers/<id>/logs``, ``/_local/job-runs/<id>/logs``: the lines of a container's, or of a run's, logs.

``GET``: as lines of JSON, objects with ``time``, ``instance``, ``stream`` (stdout or stderr) and ``text``; or with
``error`` alone, and then it is the last. ``?tail=N``: the last lines only; ``?follow=true``: go on until the client
goes.

``POST``: add lines, as if an instance had written them: ``{"lines": [{"text", "stream", "time", "instance"}]}``, of
which only ``text`` is needed. A ``time`` is RFC 3339, or nanoseconds since the epoch.
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
from localcloud.api.clock import SECOND, nanotime, parse_nanotime
from localcloud.api.cloud import Cloud
from localcloud.api.containers.schemas import CONTAINERS
from localcloud.api.errors import ApiError, EngineError, not_found
from localcloud.api.logs.lines import LogLine
from localcloud.api.logs.reader import LogReader
from localcloud.api.paging import number
from localcloud.api.serverless_jobs.runs import RUNS
from localcloud.api.validation import Body, EnumField, Field, Problems, Text, objects

_PATH = re.compile(r"/_local/(containers|job-runs)/([^/]+)/logs")
_DEFAULT_TAIL = 100
_MOST = 100_000
_ADDED = "added"
"""The instance of a line that names none."""


@dataclass(frozen=True)
class LogOwner:
    """Whose logs a path is about."""

    kind: str
    noun: str
    id: str

    def check(self, cloud: Cloud) -> None:
        """Raises 404 if there is none."""
        if cloud.store.get(self.kind, self.id) is None:
            raise not_found(self.noun, self.id)


LINE = Body(
    text=Text(default=None, longest=1_000_000),
    stream=EnumField(words=("stdout", "stderr"), default="stderr"),
    time=Field(),
    instance=Text(default=_ADDED, longest=255),
)


def logs_of(path: str) -> LogOwner | None:
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    return (
        LogOwner(CONTAINERS, "container", match[2]) if match[1] == "containers" else LogOwner(RUNS, "job_run", match[2])
    )


def add_lines(cloud: Cloud, logs: LogReader, writer: LogOwner, body: dict[str, Any]) -> dict[str, Any]:
    """Raises 404 and 400, and then nothing is added."""
    writer.check(cloud)
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
    logs.added.add(writer.id, [LogLine(time, it["instance"], it["stream"], it["text"]) for time, it in lines])
    return {"added": len(lines)}


def _time(given: Any, default: int, name: str, problems: Problems) -> str:
    try:
        if given is None:
            return nanotime(default)
        if isinstance(given, str) and not given.isdecimal():
            return nanotime(parse_nanotime(given))
        if isinstance(given, str | int) and not isinstance(given, bool):
            return nanotime(int(given))
    except ValueError:
        pass
    problems.add(name, "must be a time in RFC 3339, or nanoseconds since the epoch", "format")
    return ""


async def serve_logs(
    cloud: Cloud, logs: LogReader, writer: LogOwner, query_string: bytes, receive: Receive, send: Send
) -> tuple[int, str]:
    """Gives the status and, for the log, why it is an error."""
    query = parse_qs(query_string.decode("latin-1"))
    try:
        writer.check(cloud)
        tail = number(query, "tail", default=_DEFAULT_TAIL, least=0, most=_MOST)
    except ApiError as error:
        await _start(send, error.status, b"application/json")
        await send({"type": "http.response.body", "body": json.dumps(error.body).encode()})
        return error.status, error.reason
    follow = query.get("follow", ["false"])[0] == "true"
    writing = asyncio.create_task(_write(logs, writer.id, tail, follow, send))
    leaving = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await writing if writing.done() else (200, "")
    finally:
        for task in (writing, leaving):
            task.cancel()
        await asyncio.wait({writing, leaving})


async def _write(logs: LogReader, container_id: str, tail: int, follow: bool, send: Send) -> tuple[int, str]:
    await _start(send, 200, b"application/x-ndjson")
    try:
        async with aclosing(logs.lines(container_id, tail=tail, follow=follow)) as lines:
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
