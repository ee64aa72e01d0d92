"""Reverse proxy: streams requests for a container's host to an instance, and responses back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

import httpx

from localcloud.api.asgi import ClientDisconnected, Receive, Scope, Send, body_chunks
from localcloud.api.container_runtime import TruncatedResponse
from localcloud.runtime.balancer import Backend, busy
from localcloud.runtime.workload import Workload

Headers = list[tuple[bytes, bytes]]

_CONNECT_SECONDS = 5.0
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
"""Hop-by-hop headers (RFC 9110, "Connection")."""
_REPLACED = frozenset((b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"))


def new_client() -> httpx.AsyncClient:
    """The client for requests to instances. It has no timeouts except for connecting."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=2.0),
        trust_env=False,
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # does not load CA certificates, which is slow
    )


@dataclass
class _Exchange:
    """A client's request and the state of its response."""

    scope: Scope
    receive: Receive
    send: Send
    has_response_started: bool = False
    """Whether the response's headers have been sent."""
    body_began: bool = False
    body_done: asyncio.Event = field(default_factory=asyncio.Event)

    async def body(self) -> AsyncIterator[bytes]:
        self.body_began = True
        async for chunk in body_chunks(self.receive):
            yield chunk
        self.body_done.set()

    async def disconnected(self) -> None:
        """Wait until the client disconnects."""
        await self.body_done.wait()
        while (await self.receive())["type"] != "http.disconnect":
            pass


class Gateway:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(self, workload: Workload, scope: Scope, receive: Receive, send: Send) -> tuple[int, str]:
        """Forward a request. Returns the status (499: client disconnected) and, for errors, the reason to log."""
        exchange = _Exchange(scope, receive, send)
        revision = workload.revision
        assert revision is not None
        forwarding = asyncio.create_task(self._forward(workload, exchange))
        disconnected = asyncio.create_task(exchange.disconnected())
        try:
            done, _ = await asyncio.wait(
                {forwarding, disconnected}, timeout=revision.timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if forwarding in done:
                return forwarding.result()
            if disconnected in done:
                return 499, "the client disconnected"
            return await _send_error(
                exchange, 504, f"no response within the container's timeout of {revision.timeout:g} s"
            )
        finally:
            for task in (forwarding, disconnected):
                task.cancel()
            await asyncio.wait({forwarding, disconnected})

    async def _forward(self, workload: Workload, exchange: _Exchange) -> tuple[int, str]:
        tried: list[Backend] = []
        while backend := workload.pick(exclude=tried):
            tried.append(backend)
            try:
                with busy(backend):
                    return await self._send(backend, exchange)
            except ClientDisconnected:
                return 499, "the client disconnected"
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if exchange.body_began:
                    break
            except httpx.HTTPError as error:
                return await _send_error(exchange, 502, f"the instance closed the connection ({type(error).__name__})")
        if tried:
            return await _send_error(exchange, 502, "the instance is not accepting connections")
        return await _send_error(exchange, 503, f"no instance is ready: {workload.not_ready_reason}")

    async def _send(self, backend: Backend, exchange: _Exchange) -> tuple[int, str]:
        scope, headers = exchange.scope, list(exchange.scope["headers"])
        names = {name for name, _ in headers}
        has_body = bool(names & {b"content-length", b"transfer-encoding"})
        if not has_body:
            exchange.body_done.set()
        query = scope["query_string"]
        path = scope.get("raw_path") or scope["path"].encode()
        host, _, port = backend.address.rpartition(":")
        url = httpx.URL(scheme="http", host=host, port=int(port), raw_path=path + (b"?" + query if query else b""))
        request = httpx.Request(
            scope["method"],
            url,
            headers=_forwarded(headers, scope.get("client"), scope.get("scheme", "http")),
            content=exchange.body() if has_body else None,
        )
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            # The server adds its own Date header.
            head = [(name.lower(), value) for name, value in response.headers.raw if name.lower() != b"date"]
            await exchange.send(
                {"type": "http.response.start", "status": response.status_code, "headers": _end_to_end(head)}
            )
            exchange.has_response_started = True
            if scope["method"] != "HEAD":
                async for chunk in response.aiter_raw():
                    await exchange.send({"type": "http.response.body", "body": chunk, "more_body": True})
            await exchange.send({"type": "http.response.body", "body": b""})
        finally:
            await response.aclose()
            self._client.cookies.clear()
        return response.status_code, ""


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers without hop-by-hop headers."""
    all_headers = list(headers)
    removed = {
        token.strip().lower() for name, value in all_headers if name == b"connection" for token in value.split(b",")
    } | _HOP_BY_HOP
    return [(name, value) for name, value in all_headers if name not in removed]


def _forwarded(headers: Headers, client: tuple[str, int] | None, scheme: str) -> Headers:
    """The client's headers, with X-Forwarded-* added."""
    forwarded = [(name, value) for name, value in _end_to_end(headers) if name not in _REPLACED]
    hops = [value for name, value in headers if name == b"x-forwarded-for"]
    if client is not None:
        hops.append(client[0].encode())
    host = next((value for name, value in headers if name == b"host"), b"")
    return [
        *forwarded,
        (b"x-forwarded-for", b", ".join(hops)),
        (b"x-forwarded-proto", scheme.encode()),
        (b"x-forwarded-host", host),
    ]


async def _send_error(exchange: _Exchange, status: int, reason: str) -> tuple[int, str]:
    """Send an error page. If the response has started, raise TruncatedResponse so that the connection is closed."""
    if exchange.has_response_started:
        raise TruncatedResponse(status, reason)
    text = f"{status}: {reason}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await exchange.send({"type": "http.response.start", "status": status, "headers": headers})
    await exchange.send({"type": "http.response.body", "body": b"" if exchange.scope["method"] == "HEAD" else text})
    return status, reason
