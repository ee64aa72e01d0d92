"""HTTP requests and responses with streamed bodies: blobs are never loaded into memory as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import IO

from localcloud.api.asgi import Receive, Send, body_chunks

CHUNK_BYTES = 256 * 1024
"""Chunk size for reading files."""


class BodyTooLarge(Exception):
    """The body exceeds the size limit."""


@dataclass(frozen=True)
class HttpRequest:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[bytes, bytes]
    receive: Receive

    def header(self, name: str) -> str:
        """A header without surrounding spaces; empty if absent."""
        return self.headers.get(name.lower().encode(), b"").decode("latin-1").strip()

    def argument(self, name: str) -> str | None:
        """A query parameter. None if absent."""
        return self.query.get(name, [None])[0]

    def chunks(self) -> AsyncIterator[bytes]:
        """The chunks of the body as they arrive. Raises ``ClientDisconnected``."""
        return body_chunks(self.receive)

    async def body(self, max_bytes: int) -> bytes:
        """A small body. Raises ``BodyTooLarge`` above ``max_bytes``, or ``ClientDisconnected``."""
        content = bytearray()
        async for chunk in self.chunks():
            content += chunk
            if len(content) > max_bytes:
                raise BodyTooLarge
        return bytes(content)


@dataclass(frozen=True)
class FilePart:
    """A part of an open file. The file is closed after sending."""

    file: IO[bytes]
    start: int
    length: int


@dataclass(frozen=True)
class HttpResponse:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | FilePart = b""

    @property
    def length(self) -> int:
        return self.body.length if isinstance(self.body, FilePart) else len(self.body)

    async def send(self, send: Send, *, with_body: bool) -> None:
        """Send the response. ``with_body`` is false for HEAD, whose Content-Length matches GET's (RFC 9110, 8.6)."""
        headers = {"docker-distribution-api-version": "registry/2.0", **self.headers}
        if self.status != 204:
            headers.setdefault("content-length", str(self.length))
        encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        try:
            await send({"type": "http.response.start", "status": self.status, "headers": encoded})
            if with_body and isinstance(self.body, FilePart):
                await self._send_part(send, self.body)
            content = self.body if with_body and isinstance(self.body, bytes) else b""
            await send({"type": "http.response.body", "body": content})
        finally:
            if isinstance(self.body, FilePart):
                self.body.file.close()

    @staticmethod
    async def _send_part(send: Send, part: FilePart) -> None:
        part.file.seek(part.start)
        remaining = part.length
        while remaining > 0:
            chunk = part.file.read(min(CHUNK_BYTES, remaining))
            if not chunk:
                raise OSError("a blob's file is shorter than expected")
            remaining -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
