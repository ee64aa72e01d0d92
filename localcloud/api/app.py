"""The ASGI application: reads a request, finds who answers it, writes the answer, the journal and one log line.

A handler runs without interruption in the event loop, and its changes are kept as a whole or not at all.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from localcloud.api import home_page
from localcloud.api.access import authenticate, scope_of
from localcloud.api.asgi import Message, Receive, Scope, Send, Service
from localcloud.api.browsers import is_loopback, refusal
from localcloud.api.clock import timestamp
from localcloud.api.cloud import REGIONS, Cloud
from localcloud.api.cockpit.loki import Loki, is_loki_path
from localcloud.api.container_runtime import ContainerRuntime, TruncatedResponse
from localcloud.api.control import Control
from localcloud.api.control_token import HEADER
from localcloud.api.errors import ApiError, invalid, not_implemented, origin, permissions_denied, plain
from localcloud.api.faults.book import NOTHING, FaultBook, FaultEffect
from localcloud.api.faults.kinds import InjectedResponse
from localcloud.api.faults.rule import Rule
from localcloud.api.host_pages import answer_host, container_of
from localcloud.api.logs.reader import LogReader
from localcloud.api.logs.routes import logs_of, serve_logs
from localcloud.api.oci.endpoints import is_registry_path
from localcloud.api.oci.service import Registry
from localcloud.api.page_layout import HTML, PAGE_HEADERS
from localcloud.api.products import ROUTES
from localcloud.api.recorder import Recorder
from localcloud.api.request import ApiRequest
from localcloud.api.routing import Route, Table
from localcloud.api.store import Resource

MAX_BODY_BYTES = 16 * 1024 * 1024

_READING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"
    reason: str = ""
    """Why it is an error, for the log."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    silent: bool = False
    """The connection is closed in its place."""


_GONE = Response(499, reason="connection closed", silent=True)


class App:
    """One instance serves one ``Cloud``."""

    def __init__(
        self,
        cloud: Cloud,
        control: Control,
        faults: FaultBook,
        logs: LogReader,
        images: Registry | None = None,
        recorder: Recorder | None = None,
        runtime: ContainerRuntime | None = None,
    ) -> None:
        self._cloud = cloud
        self._control = control
        self._faults = faults
        self._logs = logs
        self._loki = Loki(cloud, logs)
        self._recorder = recorder
        self._images = images
        self._runtime = runtime
        self._table = Table(ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        method, path = scope["method"], scope["path"]
        if (refused := self._refusal(method, path, headers)) is not None:
            await _read(receive)
            await _send(send, method, Response(403, _json(plain(403, refused).body)))
            _log(method, path, 403, begun, refused, NOTHING)
            return
        of_api = not path.startswith(Control.prefix) and _is_for_api(headers)
        service = self._service(path) if of_api else None
        if service is not None:
            strike = await self._strike(method, path, None, b"", None)
            status, reason = await self._serve(service, strike, scope, receive, send)
            self._tell_runtime(method)
            _log(method, path, status, begun, reason, strike)
            return
        if (served := await self._serve_running(scope, receive, send)) is not None:
            status, reason = served
            _log(method, path, status, begun, reason, NOTHING)
            return
        body = await _read(receive)
        found = self._table.find(method, path) if of_api else None
        strike = await self._strike(method, path, found, body or b"", receive) if of_api else NOTHING
        try:
            response = _blown(strike.before) or self._respond(scope, headers, body, found, strike)
        except ApiError as error:
            self._cloud.store.rollback()
            response = Response(error.status, _json(error.body), reason=error.reason)
        except Exception as error:
            self._cloud.store.rollback()
            response = Response(500, _json({"type": "internal", "message": "internal error"}), reason=origin(error))
        if method not in _READING and of_api:
            response = self._keep(method, path, response)
        if self._recorder is not None and of_api:
            query = scope["query_string"].decode("latin-1")
            self._recorder.keep(method, path, query, body or b"", response.status, response.body)
        self._tell_runtime(method)
        response = _blown(strike.after) or response
        if not await _cleared(strike.held_after, receive):
            response = _GONE
        await _send(send, method, response)
        _log(method, path, response.status, begun, response.reason, strike)

    async def _strike(
        self,
        method: str,
        path: str,
        found: tuple[Route, dict[str, str]] | None,
        body: bytes,
        receive: Receive | None,
    ) -> FaultEffect:
        """What the faults do to a request of the API; what keeps it from being looked at is over when this returns."""
        if not self._faults:
            return NOTHING
        strike = self._faults.strike(self._cloud.store, method, path, found, body)
        if strike.delay:
            await asyncio.sleep(strike.delay)
        if not await _cleared(strike.held_before, receive):
            return replace(strike, before=InjectedResponse(None))
        return strike

    async def _live(self, receive: Receive, send: Send) -> None:
        """The server's start and stop, which are the runtime's too."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                if self._runtime is not None:
                    await self._runtime.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self._runtime is not None:
                    await self._runtime.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _is_run(self, container: Resource) -> bool:
        """Whether a process answers for a container."""
        return self._runtime is not None and self._runtime.serves(container)

    def _tell_runtime(self, method: str) -> None:
        if self._runtime is not None and method not in _READING:
            self._runtime.wake()

    def _service(self, path: str) -> Service | None:
        """What answers in a way of its own, as its protocol says."""
        if is_registry_path(path):
            return self._images
        return self._loki if is_loki_path(path) else None

    async def _serve_running(self, scope: Scope, receive: Receive, send: Send) -> tuple[int, str] | None:
        """Answer what concerns running containers: their hosts, their logs. ``None`` for all other requests."""
        headers = dict(scope["headers"])
        if _is_for_api(headers):
            writer = logs_of(scope["path"])
            if writer is None or scope["method"] != "GET":
                return None
            if not self._logs.has_any(writer.id):
                return None
            return await serve_logs(self._cloud, self._logs, writer, scope["query_string"], receive, send)
        if self._runtime is None:
            return None
        container = container_of(self._cloud, headers.get(b"host", b"").decode("latin-1"))
        if container is None or not self._runtime.serves(container):
            return None
        try:
            return await self._runtime.serve(container, scope, receive, send)
        except TruncatedResponse as broken:
            await _hang_up(send)
            return broken.status, broken.why

    def _refusal(self, method: str, path: str, headers: dict[bytes, bytes]) -> str | None:
        """Why a request is refused before it is looked at; ``None`` if it is not.

        Hosts of containers are other sites, and theirs to protect. The page at ``/`` may be linked to from anywhere.
        """
        host, origin, site = (_header(headers, name) for name in (b"host", b"origin", b"sec-fetch-site"))
        if not _is_for_api(headers):
            if not path.startswith(Control.prefix) or container_of(self._cloud, host or "") is not None:
                return None
        elif home_page.is_at(method, path) and headers.get(b"sec-fetch-mode") == b"navigate":
            site = None
        return refusal(host, origin, site)

    @staticmethod
    async def _serve(
        service: Service, strike: FaultEffect, scope: Scope, receive: Receive, send: Send
    ) -> tuple[int, str]:
        """Status and, for the log, why it is an error."""
        blow = _blown(strike.before)
        if blow is None:
            answer = _held(send, strike.held_after) if strike.held_after else send
            served = await service(scope, receive, answer if strike.after is None else _swallow)
            blow = _blown(strike.after)
            if blow is None:
                return served
        await _send(send, scope["method"], blow)
        return blow.status, blow.reason

    def _keep(self, method: str, path: str, response: Response) -> Response:
        """Write what the request changed; if that fails, it has changed nothing and the client may try again."""
        try:
            self._cloud.store.commit((timestamp(self._cloud.now()), method, path, response.status))
        except sqlite3.Error as error:
            self._cloud.store.rollback()
            body = {"type": "temporarily_unavailable", "message": "the local Scaleway cannot write its state"}
            return Response(503, _json(body), reason=f"cannot write the state: {error}")
        if self._images is not None:
            self._images.collect()
        return response

    def _respond(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        body: bytes | None,
        found: tuple[Route, dict[str, str]] | None,
        strike: FaultEffect,
    ) -> Response:
        cloud, method, path = self._cloud, scope["method"], scope["path"]
        if cloud.store.sweep(cloud.now()):
            cloud.store.commit()
        if not _is_for_api(headers):
            status, text, content_type = answer_host(
                cloud,
                _header(headers, b"host") or "",
                b"text/html" in headers.get(b"accept", b""),
                self._runtime.standing if self._runtime is not None else None,
            )
            return Response(status, text.encode(), content_type, headers=PAGE_HEADERS)
        if home_page.is_at(method, path):
            text = home_page.render(
                cloud, self._is_run, self._control.runtime, self._control.storage, self._control.commands
            )
            return Response(200, text.encode(), HTML, headers=PAGE_HEADERS)
        if body is None:
            raise plain(413, f"the request's body has more than {MAX_BODY_BYTES} bytes")
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if path.startswith(Control.prefix):
            if method not in _READING:
                self._control.require(_header(headers, HEADER.lower().encode()))
            return Response(200, _json(self._control.answer(method, path, query, body)))
        if found is None:
            raise not_implemented(method, path)
        route, params = found
        if params.get("region", REGIONS[0]) not in REGIONS:
            raise invalid("region", f"must be one of {', '.join(REGIONS)}")
        token = headers.get(b"x-auth-token", b"").decode("latin-1")
        principal = authenticate(cloud.store, token, cloud.now())
        granted = scope_of(cloud.store, principal, route.permission)
        if not granted:
            raise permissions_denied(route.permission.resource, route.permission.action)
        answer = route.handler(
            ApiRequest(cloud, params, query, body, principal, route.permission, granted, strike.course)
        )
        return Response(204) if answer is None else Response(200, _json(answer))


def _blown(blow: InjectedResponse | None) -> Response | None:
    """The answer that a fault gives."""
    if blow is None:
        return None
    if blow.error is None:
        return _GONE
    return Response(blow.error.status, _json(blow.error.body), reason=blow.error.reason, headers=blow.headers)


async def _cleared(rules: Sequence[Rule], receive: Receive | None) -> bool:
    """Wait until the rules are cleared. False when the client went away before; not noticed without ``receive``."""
    if not rules:
        return True
    if receive is None:
        await _wait(rules)
        return True
    cleared = asyncio.ensure_future(_wait(rules))
    gone = asyncio.ensure_future(receive())  # the body was read: the next message is the client's end
    try:
        await asyncio.wait((cleared, gone), return_when=asyncio.FIRST_COMPLETED)
        return cleared.done()
    finally:
        cleared.cancel()
        gone.cancel()


async def _wait(rules: Sequence[Rule]) -> None:
    for rule in rules:
        await rule.cleared.wait()


def _held(send: Send, rules: Sequence[Rule]) -> Send:
    async def send_once_cleared(message: Message) -> None:
        await _wait(rules)
        await send(message)

    return send_once_cleared


async def _send(send: Send, method: str, response: Response) -> None:
    if response.silent:
        await _hang_up(send)
        return
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [
                (b"content-type", response.content_type),
                (b"content-length", str(len(response.body)).encode()),
                *response.headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else response.body})


async def _hang_up(send: Send) -> None:
    """Close the connection without an answer. ASGI has no word for it: it takes the server's own transport."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise RuntimeError("this server does not let a connection be dropped")
    transport.abort()
    await asyncio.sleep(0)  # the server takes note in the loop's next round


async def _swallow(message: Message) -> None:
    """In place of ``send`` where the answer is not to arrive."""


def _log(method: str, path: str, status: int, begun: float, reason: str, strike: FaultEffect) -> None:
    """One line; the rules that struck the request stand in brackets. 499: it got no answer."""
    took = (time.perf_counter() - begun) * 1_000
    why = "".join(f" {part}" for part in (reason, *(f"[{rule}]" for rule in strike.rules)) if part)
    sys.stderr.write(f"{method} {_printable(path)} {status} {took:.1f}ms{_printable(why)}\n")


async def _read(receive: Receive) -> bytes | None:
    """The whole body; ``None`` if it is too large, or if the client went away before its end."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks) if size <= MAX_BODY_BYTES else None


def _header(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def _is_for_api(headers: dict[bytes, bytes]) -> bool:
    """Whether a request is for the API itself, by its Host; all other hosts are the containers'."""
    return is_loopback(_header(headers, b"host") or "localhost")


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
