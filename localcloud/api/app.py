"""The ASGI application: reads a request, calls its handler, and writes the response, a journal entry and a log line.

Handlers run uninterrupted in the event loop. All of a request's changes are committed atomically.
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
from localcloud.api.browsers import is_loopback, rejection_reason
from localcloud.api.cloud import REGIONS, Cloud
from localcloud.api.cockpit.loki import Loki, is_loki_path
from localcloud.api.container_runtime import ContainerRuntime, TruncatedResponse
from localcloud.api.control import Control
from localcloud.api.control_token import HEADER
from localcloud.api.errors import ApiError, invalid, not_implemented, origin, permissions_denied, plain
from localcloud.api.faults.active import NO_EFFECT, ActiveFaults, FaultEffect
from localcloud.api.faults.kinds import InjectedResponse
from localcloud.api.faults.rule import Rule
from localcloud.api.host_pages import container_of, render_host_page
from localcloud.api.logs.reader import LogReader
from localcloud.api.logs.routes import logs_of, serve_logs
from localcloud.api.oci.paths import is_registry_path
from localcloud.api.oci.service import Registry
from localcloud.api.page_layout import HTML, PAGE_HEADERS
from localcloud.api.products import ROUTES
from localcloud.api.recorder import Recorder
from localcloud.api.request import ApiRequest
from localcloud.api.routing import Route, Table
from localcloud.api.store import Resource
from localcloud.api.timestamps import timestamp

MAX_BODY_BYTES = 16 * 1024 * 1024

_READ_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"
    reason: str = ""
    """Reason for an error, written to the log."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    is_dropped: bool = False
    """Whether to close the connection without sending a response."""


_DROPPED = Response(499, reason="connection closed", is_dropped=True)


class App:
    """Serves one ``Cloud``."""

    def __init__(
        self,
        cloud: Cloud,
        control: Control,
        faults: ActiveFaults,
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
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        started_at = time.perf_counter()
        headers = dict(scope["headers"])
        method, path = scope["method"], scope["path"]
        if (rejection := self._rejection_reason(method, path, headers)) is not None:
            await _read(receive)
            await _send(send, method, Response(403, _json(plain(403, rejection).body)))
            _log(method, path, 403, started_at, rejection, NO_EFFECT)
            return
        is_api_request = not path.startswith(Control.prefix) and _is_for_api(headers)
        service = self._service(path) if is_api_request else None
        if service is not None:
            effect = await self._apply_faults(method, path, None, b"", None)
            status, reason = await self._serve(service, effect, scope, receive, send)
            self._wake_runtime(method)
            _log(method, path, status, started_at, reason, effect)
            return
        if (served := await self._serve_container(scope, receive, send)) is not None:
            status, reason = served
            _log(method, path, status, started_at, reason, NO_EFFECT)
            return
        body = await _read(receive)
        match = self._table.find(method, path) if is_api_request else None
        effect = await self._apply_faults(method, path, match, body or b"", receive) if is_api_request else NO_EFFECT
        try:
            response = _injected(effect.before) or self._respond(scope, headers, body, match, effect)
        except ApiError as error:
            self._cloud.store.rollback()
            response = Response(error.status, _json(error.body), reason=error.reason)
        except Exception as error:
            self._cloud.store.rollback()
            response = Response(500, _json({"type": "internal", "message": "internal error"}), reason=origin(error))
        if method not in _READ_METHODS and is_api_request:
            response = self._commit(method, path, response)
        if self._recorder is not None and is_api_request:
            query = scope["query_string"].decode("latin-1")
            self._recorder.record(method, path, query, body or b"", response.status, response.body)
        self._wake_runtime(method)
        response = _injected(effect.after) or response
        if not await _wait_until_cleared(effect.hold_after, receive):
            response = _DROPPED
        await _send(send, method, response)
        _log(method, path, response.status, started_at, response.reason, effect)

    async def _apply_faults(
        self,
        method: str,
        path: str,
        match: tuple[Route, dict[str, str]] | None,
        body: bytes,
        receive: Receive | None,
    ) -> FaultEffect:
        """Wait for any delay or hold that precedes execution, then return the fault rules' effect on the request."""
        if not self._faults:
            return NO_EFFECT
        effect = self._faults.effect_on(self._cloud.store, method, path, match, body)
        if effect.delay:
            await asyncio.sleep(effect.delay)
        if not await _wait_until_cleared(effect.hold_before, receive):
            return replace(effect, before=InjectedResponse(None))
        return effect

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Start and stop the runtime with the server."""
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

    def _is_running(self, container: Resource) -> bool:
        """Whether a process handles the container's requests."""
        return self._runtime is not None and self._runtime.serves(container)

    def _wake_runtime(self, method: str) -> None:
        if self._runtime is not None and method not in _READ_METHODS:
            self._runtime.wake()

    def _service(self, path: str) -> Service | None:
        """The service that owns the path and has its own protocol (the image registry or Loki), or None."""
        if is_registry_path(path):
            return self._images
        return self._loki if is_loki_path(path) else None

    async def _serve_container(self, scope: Scope, receive: Receive, send: Send) -> tuple[int, str] | None:
        """Serve a request for a running container's host or for its logs. Returns None for any other request."""
        headers = dict(scope["headers"])
        if _is_for_api(headers):
            owner = logs_of(scope["path"])
            if owner is None or scope["method"] != "GET":
                return None
            if not self._logs.has_any(owner.id):
                return None
            return await serve_logs(self._cloud, self._logs, owner, scope["query_string"], receive, send)
        if self._runtime is None:
            return None
        container = container_of(self._cloud, headers.get(b"host", b"").decode("latin-1"))
        if container is None or not self._runtime.serves(container):
            return None
        try:
            return await self._runtime.serve(container, scope, receive, send)
        except TruncatedResponse as error:
            await _close_connection(send)
            return error.status, error.reason

    def _rejection_reason(self, method: str, path: str, headers: dict[bytes, bytes]) -> str | None:
        """The reason to reject a request because of its headers, or None to accept it.

        Containers are responsible for their own hosts. Any site may link to the page at ``/``.
        """
        host, origin, site = (_header(headers, name) for name in (b"host", b"origin", b"sec-fetch-site"))
        if not _is_for_api(headers):
            if not path.startswith(Control.prefix) or container_of(self._cloud, host or "") is not None:
                return None
        elif home_page.is_home_page(method, path) and headers.get(b"sec-fetch-mode") == b"navigate":
            site = None
        return rejection_reason(host, origin, site)

    @staticmethod
    async def _serve(
        service: Service, effect: FaultEffect, scope: Scope, receive: Receive, send: Send
    ) -> tuple[int, str]:
        """Returns the status and, for errors, the reason to log."""
        injected = _injected(effect.before)
        if injected is None:
            delayed_send = _send_once_cleared(send, effect.hold_after) if effect.hold_after else send
            served = await service(scope, receive, delayed_send if effect.after is None else _discard)
            injected = _injected(effect.after)
            if injected is None:
                return served
        await _send(send, scope["method"], injected)
        return injected.status, injected.reason

    def _commit(self, method: str, path: str, response: Response) -> Response:
        """Commit the request's changes. On failure, roll them back and return an error that clients may retry."""
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
        match: tuple[Route, dict[str, str]] | None,
        effect: FaultEffect,
    ) -> Response:
        cloud, method, path = self._cloud, scope["method"], scope["path"]
        if cloud.store.sweep(cloud.now()):
            cloud.store.commit()
        if not _is_for_api(headers):
            status, text, content_type = render_host_page(
                cloud,
                _header(headers, b"host") or "",
                b"text/html" in headers.get(b"accept", b""),
                self._runtime.unavailable_response if self._runtime is not None else None,
            )
            return Response(status, text.encode(), content_type, headers=PAGE_HEADERS)
        if home_page.is_home_page(method, path):
            text = home_page.render(
                cloud, self._is_running, self._control.runtime, self._control.storage, self._control.commands
            )
            return Response(200, text.encode(), HTML, headers=PAGE_HEADERS)
        if body is None:
            raise plain(413, f"the request body exceeds {MAX_BODY_BYTES} bytes")
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if path.startswith(Control.prefix):
            if method not in _READ_METHODS:
                self._control.require(_header(headers, HEADER.lower().encode()))
            return Response(200, _json(self._control.handle(method, path, query, body)))
        if match is None:
            raise not_implemented(method, path)
        route, params = match
        if params.get("region", REGIONS[0]) not in REGIONS:
            raise invalid("region", f"must be one of {', '.join(REGIONS)}")
        token = headers.get(b"x-auth-token", b"").decode("latin-1")
        principal = authenticate(cloud.store, token, cloud.now())
        granted = scope_of(cloud.store, principal, route.permission)
        if not granted:
            raise permissions_denied(route.permission.resource, route.permission.action)
        response = route.handler(
            ApiRequest(cloud, params, query, body, principal, route.permission, granted, effect.status_outcome)
        )
        return Response(204) if response is None else Response(200, _json(response))


def _injected(injected: InjectedResponse | None) -> Response | None:
    """The response injected by a fault, or None."""
    if injected is None:
        return None
    if injected.error is None:
        return _DROPPED
    return Response(
        injected.error.status, _json(injected.error.body), reason=injected.error.reason, headers=injected.headers
    )


async def _wait_until_cleared(rules: Sequence[Rule], receive: Receive | None) -> bool:
    """Wait until the rules are cleared.

    Returns False if the client disconnects first, which cannot be detected without ``receive``.
    """
    if not rules:
        return True
    if receive is None:
        await _wait(rules)
        return True
    cleared = asyncio.ensure_future(_wait(rules))
    disconnected = asyncio.ensure_future(receive())  # the body has been read, so the next message is the disconnect
    try:
        await asyncio.wait((cleared, disconnected), return_when=asyncio.FIRST_COMPLETED)
        return not disconnected.done()  # if both are done, nobody is waiting for the response
    finally:
        cleared.cancel()
        disconnected.cancel()


async def _wait(rules: Sequence[Rule]) -> None:
    for rule in rules:
        await rule.cleared.wait()


def _send_once_cleared(send: Send, rules: Sequence[Rule]) -> Send:
    async def send_once_cleared(message: Message) -> None:
        await _wait(rules)
        await send(message)

    return send_once_cleared


async def _send(send: Send, method: str, response: Response) -> None:
    if response.is_dropped:
        await _close_connection(send)
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


async def _close_connection(send: Send) -> None:
    """Close the connection without a response. ASGI has no message for this, so use the server's transport."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise RuntimeError("this ASGI server does not expose its transport")
    transport.abort()
    await asyncio.sleep(0)  # let the server notice


async def _discard(message: Message) -> None:
    """Replacement for ``send`` that discards the response."""


def _log(method: str, path: str, status: int, started_at: float, reason: str, effect: FaultEffect) -> None:
    """Log a request on one line, with applied fault rules in brackets. Status 499 means that no response was sent."""
    milliseconds = (time.perf_counter() - started_at) * 1_000
    suffix = "".join(f" {part}" for part in (reason, *(f"[{rule}]" for rule in effect.rules)) if part)
    sys.stderr.write(f"{method} {_printable(path)} {status} {milliseconds:.1f}ms{_printable(suffix)}\n")


async def _read(receive: Receive) -> bytes | None:
    """The whole body. None if it is too large or the client disconnects before sending all of it."""
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
    """Whether the Host header addresses the API. All other hosts belong to containers."""
    return is_loopback(_header(headers, b"host") or "localhost")


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
