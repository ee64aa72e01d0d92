"""The HTTP client of the provider: what servers may answer, and which connections are used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from engine.provider.http import ConnectionFailedError, HttpClient, NoResponseError


class Server:
    """Answers each request with the same bytes, and closes the connection if ``closes``."""

    def __init__(self, answer: bytes, *, closes: bool) -> None:
        self.answer, self.closes = answer, closes
        self.heads: list[str] = []
        self.asked = asyncio.Event()
        self.connections: list[asyncio.Task[None] | None] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(asyncio.current_task())
        with suppress(OSError, EOFError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head.decode())
                self.asked.set()
                writer.write(self.answer)
                if self.closes:
                    break
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def serving(
    answer: bytes, *, closes: bool = False, seconds: float = 60
) -> AsyncIterator[tuple[Server, HttpClient]]:
    server = Server(answer, closes=closes)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    client = HttpClient(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/base", {"X-Key": "k"}, seconds)
    try:
        yield server, client
    finally:
        await client.close()
        listener.close()
        await asyncio.gather(*filter(None, server.connections))


@pytest.mark.parametrize(
    ("answer", "closes"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n1;x=y\r\nh\r\n1\r\ni\r\n0\r\nMore: 1\r\n\r\n", False),
        (b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nhi", False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", True),
    ],
    ids=["length", "chunks", "another before", "closes", "HTTP/1.0"],
)
async def test_forms_of_an_answer(answer: bytes, *, closes: bool) -> None:
    async with serving(answer, closes=closes) as (server, client):
        for _ in range(2):
            response = await client.request("GET", "/a", None, None)
            assert (response.status, response.reason, response.content) == (200, "OK", b"hi")
        assert len(server.connections) == (2 if closes else 1)


async def test_what_is_sent() -> None:
    async with serving(b"HTTP/1.1 204 No Content\r\n\r\n") as (server, client):
        for method, path, body in (("GET", "/a é/%20", None), ("DELETE", "/a", None), ("PUT", "/a\r\nb", {"a": 1})):
            await client.request(method, path, body, {"q": "a&b"})
        first, second, third = server.heads
        assert first.startswith("GET /base/a%20%C3%A9/%20?q=a%26b HTTP/1.1\r\nHost: 127.0.0.1:")
        assert "X-Key: k\r\n" in first
        assert "Content-Length" not in first
        assert "Content-Length: 0\r\n" in second
        assert third.startswith("PUT /base/a%0D%0Ab?q=a%26b HTTP/1.1\r\n")
        assert "Content-Type: application/json\r\nContent-Length: 7\r\n" in third


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\n\r\nhi",
        b"nonsense\r\n\r\n",
    ],
    ids=["nothing", "half a head", "half a body", "no length", "no HTTP"],
)
async def test_no_complete_answer(answer: bytes) -> None:
    async with serving(answer, closes=True) as (_server, client):
        with pytest.raises(NoResponseError):
            await client.request("GET", "/a", None, None)


async def test_an_answer_that_does_not_arrive() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\n", seconds=0.01) as (_server, client):
        with pytest.raises(TimeoutError):
            await client.request("GET", "/a", None, None)


async def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    """The server may restart between two requests."""
    async with serving(b"HTTP/1.1 204 No Content\r\n\r\n", closes=True) as (server, client):
        await client.request("GET", "/a", None, None)
        (connection,) = client._idle
        await asyncio.wait_for(connection._reader.read(), 60)  # until its end is known
        await client.request("GET", "/a", None, None)
        assert len(server.connections) == 2


async def test_requests_at_the_same_time_have_connections_of_their_own() -> None:
    async with serving(b"HTTP/1.1 204 No Content\r\n\r\n") as (server, client):
        for _ in range(2):
            await asyncio.gather(*(client.request("GET", "/a", None, None) for _ in range(3)))
        assert len(server.connections) == 3


async def test_a_cancelled_request_leaves_no_connection_behind() -> None:
    async with serving(b"") as (server, client):
        request = asyncio.create_task(client.request("GET", "/a", None, None))
        await server.asked.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert client._idle == []


async def test_a_server_without_tls() -> None:
    listener = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with listener:
        client = HttpClient(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}", {}, 60)
        with pytest.raises(ConnectionFailedError):
            await client.request("GET", "/a", None, None)
