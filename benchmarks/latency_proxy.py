"""A proxy that hands over what a server says later than the server says it.

It delays bytes, not requests: whatever comes from the server is passed on a constant time after it came, so each
answer takes that much longer, however many are under way. Connecting takes no longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CHUNK = 1 << 16
_READY_SECONDS = 10.0


class LatencyProxy:
    """Listens on a free port; ``delay`` (seconds) may be changed at any time."""

    def __init__(self, server_port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay = 0.0
        self._server_port = server_port
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[LatencyProxy]:
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        thread.start()
        if not self._ready.wait(_READY_SECONDS):
            raise SystemExit(f"the proxy did not start on port {self.port}")
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(_READY_SECONDS)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._listener)
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pass_on(reader, to_server), self._pass_on_later(from_server, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(_CHUNK):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    async def _pass_on_later(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def write() -> None:
            while True:
                moment, chunk = await due.get()
                await asyncio.sleep(moment - self._loop.time())
                if not chunk:
                    writer.close()
                    return
                writer.write(chunk)

        writing = asyncio.create_task(write())
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(_CHUNK):
                due.put_nowait((self._loop.time() + self.delay, chunk))
        due.put_nowait((self._loop.time() + self.delay, b""))
        await writing
