"""An HTTP client that takes little time itself, so that what is measured is the server's.

A client library for everyday use takes longer to send a request than the local Scaleway to answer it, and would
make any two servers look alike.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    status: int
    content: bytes


class Connection:
    """One connection, kept as long as the server keeps it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._host = parts.netloc
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, headers: dict[str, str], content: bytes) -> Answer:
        """Raises OSError or ``asyncio.IncompleteReadError`` when there is no answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        own = {"Host": self._host, "Content-Length": str(len(content))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in (own | headers).items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        status, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().splitlines()
        fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        if "content-length" not in fields and status.split()[1] not in ("204", "304"):
            raise OSError(f"{method} {path}: the answer does not tell its length")
        received = await reader.readexactly(int(fields.get("content-length", "0")))
        if status.startswith("http/1.0") or fields.get("connection") == "close":
            await self.close()
        return Answer(int(status.split()[1]), received)

    async def close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
