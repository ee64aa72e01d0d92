"""The gateway, with instances simulated by an HTTP transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from localcloud.api.container_runtime import TruncatedResponse
from localcloud.runtime.gateway import Gateway
from localcloud.runtime.workload import Workload
from tests.runtime.fakes import PROBE, Lab, make_lab, revision, settle


class Client:
    """What a client sends and receives."""

    def __init__(
        self, *body: bytes, method: str = "GET", path: str = "/", headers: dict[str, str] | None = None
    ) -> None:
        raw = [(name.encode(), value.encode()) for name, value in {"host": "api.test", **(headers or {})}.items()]
        self.scope: dict[str, Any] = {
            "method": method,
            "path": path.partition("?")[0],
            "raw_path": path.partition("?")[0].encode(),
            "query_string": path.partition("?")[2].encode(),
            "headers": raw,
            "client": ("127.0.0.1", 5),
            "scheme": "http",
        }
        self._body = list(body)
        self.left = asyncio.Event()
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if self._body:
            chunk = self._body.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(self._body)}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


async def parts(*contents: bytes) -> AsyncIterator[bytes]:
    """The body in parts, as from a network."""
    for content in contents:
        yield content


async def workload_of(lab: Lab, **values: Any) -> Workload:
    workload = Workload(lab.context)
    rolling = asyncio.create_task(workload.roll_out(revision(**values)))
    await lab.clock.advance(1)
    assert rolling.result() == ""
    for number, process in enumerate(lab.engine.running, 1):
        assert process.instance == f"1-{number}-1"
    return workload


@pytest.fixture
async def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    """An engine whose processes have addresses with a port: the number of the process."""
    lab = make_lab()
    start = lab.engine.start

    async def start_with_port(*arguments: Any) -> Any:
        running = await start(*arguments)
        return type(running)(running.id, f"127.0.0.1:{running.id.removeprefix('p')}")

    monkeypatch.setattr(lab.engine, "start", start_with_port)
    return lab


async def ask(workload: Workload, client: Client, play: Any) -> tuple[int, str]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(play)) as http:
        return await Gateway(http)(workload, client.scope, client.receive, client.send)


async def test_hop_by_hop_headers_are_not_forwarded(lab: Lab) -> None:
    seen: list[httpx.Request] = []

    def play(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        headers = [("Connection", "x-secret"), ("X-Secret", "1"), ("Keep-Alive", "5"), ("X-Kept", "a"), ("X-Kept", "b")]
        headers += [("Date", "Thu, 01 Jan 2026 00:00:00 GMT")]
        return httpx.Response(201, headers=headers, content=parts(b"hello"))

    given = {"connection": "keep-alive, x-mine", "x-mine": "1", "upgrade": "h2c", "x-other": "2"}
    client = Client(path="/a%2Fb/%C3%A9?q=%20&r", headers=given)
    assert await ask(await workload_of(lab), client, play) == (201, "")
    assert (client.status, client.body) == (201, b"hello")
    assert [value for name, value in client.headers if name == b"x-kept"] == [b"a", b"b"]
    assert not {b"connection", b"x-secret", b"keep-alive", b"date"} & {name for name, _ in client.headers}
    (request,) = seen
    assert request.url.raw_path == b"/a%2Fb/%C3%A9?q=%20&r"
    assert request.headers["host"] == "api.test"
    assert request.headers["x-other"] == "2"
    assert not {"connection", "x-mine", "upgrade"} & set(request.headers)


async def test_an_instance_that_refuses_connections_is_skipped(lab: Lab) -> None:
    def play(request: httpx.Request) -> httpx.Response:
        if request.url.port == 1:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, content=parts(b"second"))

    client = Client()
    assert await ask(await workload_of(lab, instances=2), client, play) == (200, "")
    assert client.body == b"second"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("refused"), "is not accepting connections"),
        (httpx.ReadError("reset"), "closed the connection"),
    ],
)
async def test_a_failing_instance_is_502(lab: Lab, error: Exception, expected: str) -> None:
    def play(request: httpx.Request) -> httpx.Response:
        raise error

    client = Client()
    workload = await workload_of(lab)
    assert (await ask(workload, client, play))[0] == client.status == 502
    assert expected in client.body.decode()
    backend = workload.pick()
    assert backend is not None
    assert backend.in_flight == 0


async def test_no_ready_instance_is_503(lab: Lab) -> None:
    workload = await workload_of(lab, startup=PROBE)
    lab.check.faults[""] = "not yet"
    lab.engine.last.output.append("hush was wrong")
    lab.engine.last.end(2)
    await settle()
    client = Client()
    assert (await ask(workload, client, lambda request: httpx.Response(200)))[0] == 503
    assert b"it exited with status 2; its last line: [secret] was wrong" in client.body
    assert (b"retry-after", b"1") in client.headers


async def test_a_slow_response_is_504(lab: Lab) -> None:
    async def play(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    client = Client()
    assert (await ask(await workload_of(lab, timeout=0.01), client, play))[0] == client.status == 504


async def test_a_truncated_response_is_raised(lab: Lab) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise httpx.ReadError("reset")

    client = Client()
    with pytest.raises(TruncatedResponse):
        await ask(await workload_of(lab), client, lambda request: httpx.Response(200, content=body()))
    assert client.body == b"half"


async def test_a_disconnecting_client_ends_the_request(lab: Lab) -> None:
    ended = asyncio.Event()

    async def play(request: httpx.Request) -> httpx.Response:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    client = Client()
    client.left.set()
    assert await ask(await workload_of(lab), client, play) == (499, "the client disconnected")
    assert ended.is_set()


async def test_a_body_of_unknown_length_is_forwarded(lab: Lab) -> None:
    async def play(request: httpx.Request) -> httpx.Response:
        assert request.headers["transfer-encoding"] == "chunked"
        return httpx.Response(200, content=parts(await request.aread()))

    client = Client(b"one ", b"two", method="POST", headers={"transfer-encoding": "chunked"})
    assert await ask(await workload_of(lab), client, play) == (200, "")
    assert client.body == b"one two"
