"""Persistent HTTP/1.1 connections to the local Scaleway.

httpx needs more processor time per request than everything else that a refresh does for a resource. httptools parses
the responses; redirects, proxies and cookies are not needed for a server on this machine.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from httptools import HttpParserError, HttpResponseParser

_MOST_CONNECTIONS = 64
_SAFE_IN_PATHS = "/%:@!$&'()*+,;=~"
_READ_BYTES = 65_536


class ConnectionFailedError(Exception):
    """No connection: the request was not sent."""


class NoResponseError(Exception):
    """The request may have been carried out, but no complete response has arrived."""


@dataclass
class Response:
    """A complete response. Names of ``headers`` are in lower case."""

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


class _ResponseReader:
    """Collects one response, and skips informational ones (1xx) before it. httptools calls the ``on_…`` methods."""

    def __init__(self) -> None:
        self.response: Response | None = None
        self.keeps_connection = False
        self._parser = HttpResponseParser(self)
        self._start()

    def _start(self) -> None:
        self._reason, self._headers, self._content = b"", dict[str, str](), list[bytes]()

    def feed(self, data: bytes) -> None:
        """Raises HttpParserError."""
        self._parser.feed_data(data)

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._content.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self.keeps_connection = self._parser.should_keep_alive()
            self.response = Response(status, self._reason.decode("latin-1"), self._headers, b"".join(self._content))
        self._start()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @property
    def is_open(self) -> bool:
        """Whether the server has not closed it as far as is known."""
        return not self._reader.at_eof() and not self._writer.is_closing()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def abort(self) -> None:
        self._writer.transport.abort()

    async def exchange(self, request: bytes) -> tuple[Response, bool]:
        """Send a request; returns the response, and whether the connection can be used again.

        Raises OSError, EOFError and HttpParserError.
        """
        self._writer.write(request)
        await self._writer.drain()
        reader = _ResponseReader()
        while reader.response is None:
            data = await self._reader.read(_READ_BYTES)
            if not data:
                raise EOFError("the connection was closed before the response was complete")
            reader.feed(data)
        return reader.response, reader.keeps_connection


class HttpClient:
    """Sends requests to one server, up to 64 at the same time."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float) -> None:
        """``timeout``: seconds after which connecting, or a request, raises TimeoutError."""
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
            except (OSError, EOFError, HttpParserError) as error:
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
