"""The HTTP client: error messages, retries and waits as in the real provider; loopback addresses only."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ProviderError
from engine.provider.client import ApiError, Client, check_config, loopback_problem
from pulumi_state.errors import PulumiError
from pulumi_state.values import Secret

Answer = tuple[int, Any, dict[str, str]]
RECORDED = [json.loads(line) for line in (Path(__file__).parent / "data" / "errors.jsonl").read_text().splitlines()]
"""Responses, and the error messages of the real provider (1.53.0) for them."""
OF_THE_PLATFORM = [case for case in RECORDED if case["http_status"] >= 400 and case["provider_message"] != "(success)"]


class Server:
    """Responds to each request with the next of ``answers``, repeating the last one."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, str, dict[str, str], str]] = []
        self.port = 0
        self.connections: list[asyncio.Task[None] | None] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(asyncio.current_task())
        try:
            while line := (await reader.readline()).decode():
                method, path, _ = line.split(" ", 2)
                headers = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
                self.requests.append((method, path, headers, body))
                status, content, more = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if status == 0:  # the connection drops
                    return
                text = content if isinstance(content, str) else json.dumps(content)
                lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'X')}", f"Content-Length: {len(text.encode())}"]
                lines += [f"{name}: {value}" for name, value in more.items()]
                writer.write(("\r\n".join(lines) + "\r\n\r\n" + text).encode())
                await writer.drain()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


_REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    404: "Not Found",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


@asynccontextmanager
async def serving(*answers: Answer) -> AsyncIterator[tuple[Server, Client]]:
    server = Server(*answers)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    client = Client({"apiUrl": f"http://127.0.0.1:{server.port}", "secretKey": "key"})
    try:
        yield server, client
    finally:
        await client.close()
        listener.close()
        await asyncio.gather(*filter(None, server.connections), return_exceptions=True)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the client's waits without waiting."""
    wanted: list[float] = []
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def no_sleep(seconds: float) -> None:
        wanted.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", no_sleep)
    return wanted


@pytest.mark.parametrize("case", OF_THE_PLATFORM, ids=lambda case: case["case"])
async def test_errors_read_as_the_providers(case: dict[str, Any]) -> None:
    async with serving((case["http_status"], case["response_body"], {})) as (server, client):
        with pytest.raises(ApiError) as raised:
            await client.post("/thing", {})
        text = case["provider_message"].removeprefix("1 error occurred:\n\t* ").rstrip("\n")
        assert str(raised.value) == text
        assert raised.value.status == case["http_status"]
        assert len(server.requests) == case["attempts"]


async def test_a_response_that_is_not_json() -> None:
    async with serving((200, "not json", {"Content-Type": "text/plain"})) as (_server, client):
        with pytest.raises(ProviderError, match="expected JSON"):
            await client.get("/thing")


@pytest.mark.parametrize("first", [(500, {}, {}), (0, None, {}), (429, {}, {"Retry-After": "1"})])
async def test_a_transient_failure_is_retried(first: Answer, pauses: list[float]) -> None:
    async with serving(first, (200, {"id": "1"}, {})) as (server, client):
        assert await client.post("/thing", {"a": 1}) == {"id": "1"}
        assert len(server.requests) == 2
        assert pauses == [1.0 if first[0] == 429 else 0.5]


async def test_a_retry_after_that_is_a_date_is_not_followed(pauses: list[float]) -> None:
    header = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    async with serving((503, {}, header), (200, {}, {})) as (_server, client):
        await client.get("/thing")
        assert pauses == [0.5]


async def test_connections_that_drop_again_and_again() -> None:
    async with serving((0, None, {})) as (server, client):
        with pytest.raises(ProviderError, match=r"GET /thing: no response"):
            await client.get("/thing")
        assert len(server.requests) == 4


async def test_a_local_scaleway_that_does_not_run() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = Client({"apiUrl": f"http://127.0.0.1:{port}"})
    with pytest.raises(ProviderError, match=rf"127.0.0.1:{port} is not responding; start it with"):
        await client.get("/thing")


async def test_the_key_is_sent_and_the_body_is_json() -> None:
    async with serving((200, {}, {})) as (server, client):
        await client.post("/thing", {"a": "é"})
        await client.get("/thing", name="a b")
        await client.delete("/thing")
        (method, _, headers, body), (_, path, _, empty), _ = server.requests
        assert (method, headers["x-auth-token"], json.loads(body)) == ("POST", "key", {"a": "é"})
        assert headers["content-type"] == "application/json"
        assert path in ("/thing?name=a+b", "/thing?name=a%20b")
        assert empty == ""


async def test_a_response_without_a_body() -> None:
    async with serving((204, "", {})) as (_server, client):
        assert await client.delete("/thing") == {}


async def test_waiting_until_a_status_is_final(pauses: list[float]) -> None:
    busy: Answer = (200, {"status": "creating"}, {})
    async with serving(busy, busy, (200, {"status": "ready"}, {})) as (_server, client):
        assert await client.wait("/thing", frozenset({"creating"})) == {"status": "ready"}
        assert pauses == [0.1, pytest.approx(0.15)]


async def test_waiting_times_out() -> None:
    async with serving((200, {"status": "creating"}, {})) as (_server, client):
        with pytest.raises(ProviderError, match="still creating after"):
            await client.wait("/thing", frozenset({"creating"}))
        with pytest.raises(ProviderError, match="still exists after"):
            await client.wait_gone("/thing")


async def test_waiting_until_something_is_gone() -> None:
    async with serving((200, {}, {}), (404, {}, {})) as (_server, client):
        await client.wait_gone("/thing")
    async with serving((403, {}, {})) as (_server, client):
        with pytest.raises(ApiError):
            await client.wait_gone("/thing")
        await client.wait_gone("/thing", frozenset({403}))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:8421", "http://127.9.9.9:1/a"]
)
def test_addresses_of_this_machine(url: str) -> None:
    assert loopback_problem(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://api.scaleway.com",
        "http://10.0.0.1:8421",
        "http://0.0.0.0:8421",
        "http://127.0.0.1.example.test",
        "http://localhost.example.test",
        "http://127.0.0.1@example.test",
        "ftp://127.0.0.1",
        "127.0.0.1:8421",
        "http://[",
        "http://127.0.0.1:port",
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    problem = loopback_problem(url)
    assert problem is not None
    assert "scaleway:apiUrl" in problem
    assert check_config({"apiUrl": Secret(url)}) == [problem]
    with pytest.raises(PulumiError, match="scaleway:apiUrl"):
        Client({"apiUrl": url, "secretKey": "key"})


def test_no_address_at_all() -> None:
    assert check_config({})
