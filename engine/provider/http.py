"""A small HTTP/1.1 client for JSON, which takes a fraction of the processor time of a general one for each request.

It keeps connections open, and follows neither redirects nor proxies: it is used for a server on this machine only.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

_MOST_CONNECTIONS = 64
_SAFE_IN_PATHS = "/%:@!$&'()*+,;=~"
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class ConnectionFailedError(Exception):
    """No connection: the request was not sent."""


class NoResponseError(Exception):
    """The request may have been carried out, but no complete response has arrived."""


@dataclass
class Response:
    """Names of ``headers`` are in lower case."""

    status: int
    reason: str
    headers: dict[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_server_error(self) -> bool:
        return self.status >= 500

    def json(self) -> Any:
        """Raises ValueError if the content is not JSON."""
        return json.loads(self.content)


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @property
    def is_open(self) -> bool:
        """Whether the server has not closed it as far as is known."""
        return not self._reader.at_eof() and not self._writer.is_closing()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._writer.wait_closed()

    def abort(self) -> None:
        self._writer.transport.abort()

    async def exchange(self, request: bytes) -> tuple[Response, bool]:
        """Send a request; returns the response, and whether another request may follow on this connection."""
        self._writer.write(request)
        await self._writer.drain()
        while True:
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].decode("latin-1").split("\r\n")
            version, _, rest = first.partition(" ")
            code, _, reason = rest.partition(" ")
            status = int(code)
            if status >= 200:  # the others announce another response
                break
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        reusable = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        if status in _WITHOUT_BODY:
            content = b""
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            content = await self._chunks()
        elif "content-length" in headers:
            content = await self._reader.readexactly(int(headers["content-length"]))
        else:
            content, reusable = await self._reader.read(), False
        return Response(status, reason, headers, content), reusable

    async def _chunks(self) -> bytes:
        parts = []
        while size := int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        while await self._reader.readuntil(b"\r\n") != b"\r\n":  # headers after the content
            pass
        return b"".join(parts)


class HttpClient:
    """Sends requests to one server, up to 64 at the same time."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float) -> None:
        """``timeout``: of a connection and of a request, in seconds; TimeoutError is raised after it."""
        parts = urlsplit(url)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._path = parts.path.rstrip("/")
        self._timeout = timeout
        lines = {"Host": parts.netloc.rpartition("@")[2], "Accept": "application/json", **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._idle: list[_Connection] = []
        self._slots = asyncio.Semaphore(_MOST_CONNECTIONS)

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str] | None
    ) -> Response:
        """Raises ConnectionFailedError, NoResponseError or TimeoutError."""
        request = self._encode(method, path, body, query)
        async with self._slots:
            connection = await self._connection()
            try:
                async with asyncio.timeout(self._timeout):
                    response, reusable = await connection.exchange(request)
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
                connection.abort()
                if isinstance(error, TimeoutError):
                    raise
                raise NoResponseError(str(error)) from error
            except BaseException:
                connection.abort()
                raise
            if reusable:
                self._idle.append(connection)
            else:
                await connection.close()
        return response

    def _encode(self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str] | None) -> bytes:
        target = self._path + quote(path, safe=_SAFE_IN_PATHS) + (f"?{urlencode(query)}" if query else "")
        head, content = f"{method} {target} HTTP/1.1\r\n{self._head}", b""
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            head += "Content-Type: application/json\r\n"
        if body is not None or method != "GET":
            head += f"Content-Length: {len(content)}\r\n"
        return head.encode() + b"\r\n" + content

    async def _connection(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
            await connection.close()
        try:
            async with asyncio.timeout(self._timeout):
                return _Connection(*await asyncio.open_connection(self._host, self._port, ssl=self._tls))
        except TimeoutError:
            raise
        except OSError as error:
            raise ConnectionFailedError(str(error)) from error
