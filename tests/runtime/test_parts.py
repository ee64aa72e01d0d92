"""Small parts of the runtime: backoff, balancer, probes, revisions, images, choice of engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from docker.errors import APIError

from localcloud.api.cloud import Cloud
from localcloud.api.store import Store
from localcloud.runtime.backoff import Backoff
from localcloud.runtime.balancer import Backend, Balancer, busy
from localcloud.runtime.desired import registry_image
from localcloud.runtime.docker_engine import start_container
from localcloud.runtime.engine_choice import EngineChoice, EngineUnavailable, choose, owner_of
from localcloud.runtime.probes import NetworkCheck, until_listening, until_started, until_unhealthy
from localcloud.runtime.revision import Probe, Revision
from tests.runtime.fakes import PROBE, REVISION, FakeCheck, FakeClock, revision, settle


def test_restart_delays_are_those_of_kubernetes() -> None:
    backoff = Backoff()
    assert [backoff.delay(healthy_for=1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]


def test_a_healthy_run_resets_the_backoff() -> None:
    backoff = Backoff()
    assert [backoff.delay(ran) for ran in (1, 1, 599, 600, 1)] == [0, 10, 20, 0, 10]


def test_the_least_busy_and_then_least_recently_used_instance_is_next() -> None:
    first, second, third = backends = [Backend(f"127.0.0.1:{port}") for port in (1, 2, 3)]
    balancer = Balancer()
    assert [balancer.pick(backends) for _ in range(4)] == [first, second, third, first]
    with busy(second), busy(third):
        assert [balancer.pick(backends) for _ in range(2)] == [first, first]
        with busy(first), busy(first):
            assert balancer.pick(backends) == second
    assert {backend.in_flight for backend in backends} == {0}
    assert balancer.pick([]) is None


async def test_a_startup_probe_may_fail_until_its_threshold() -> None:
    clock, check = FakeClock(), FakeCheck()
    check.faults[""] = "no answer"
    found = asyncio.create_task(until_started(check, "a", PROBE, clock))
    await clock.advance(19)
    assert not found.done()
    check.faults.clear()
    await clock.advance(1)
    assert found.result() == ""
    check.faults[""] = "no answer"
    found = asyncio.create_task(until_started(check, "a", PROBE, clock))
    await clock.advance(20)
    assert found.result() == "its startup probe failed 3 times in a row: no answer"


async def test_a_liveness_probe_counts_consecutive_failures() -> None:
    clock, check = FakeClock(), FakeCheck()
    found = asyncio.create_task(until_unhealthy(check, "a", PROBE, clock))
    for fault in ("bad", "bad", "", "bad", "bad"):
        check.faults[""] = fault
        await clock.advance(10)
    assert not found.done()
    await clock.advance(10)
    assert found.result() == "its liveness probe failed 3 times in a row: bad"


async def test_without_a_startup_probe_the_port_must_listen_in_time() -> None:
    clock, check = FakeClock(), FakeCheck()
    check.faults[""] = "refused"
    found = asyncio.create_task(until_listening(check, "a", 8080, 30, clock))
    await clock.advance(29)
    assert not found.done()
    await clock.advance(2)
    assert found.result() == "it did not listen on port 8080 within 30 s"
    assert all(probe.path is None for _, probe in check.asked)


@pytest.fixture
async def network() -> AsyncIterator[NetworkCheck]:
    async with httpx.AsyncClient() as client:
        yield NetworkCheck(client)


@pytest.mark.parametrize(
    ("answer", "path", "fault"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", "/", ""),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "/", ""),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "/ok", "GET /ok returned 503"),
        (b"nonsense\r\n\r\n", "/ok", "GET /ok got no response"),
        (b"", "/ok", "GET /ok got no response"),
        (b"", None, "the port is not accepting connections"),
        (b"220 hello\r\n", None, ""),
        (None, None, ""),
        (None, "/ok", "GET /ok got no response within 0.2 s"),
    ],
)
async def test_probe_results(network: NetworkCheck, answer: bytes | None, path: str | None, fault: str) -> None:
    """``None``: the server accepts and stays silent. ``b""``: it closes the connection, as Docker's proxy does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is not None:
            writer.write(answer)
        else:
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        served.set()

    served = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        probe = Probe(path, 1.0, 0.2 if answer is None else 5.0, 1)
        assert await network(f"127.0.0.1:{port}", probe) == fault
        await served.wait()
    assert await network(f"127.0.0.1:{port}", Probe(None, 1.0, 1.0, 1)) == "the port is not accepting connections"


def test_a_revision_can_be_stored_and_its_repr_has_no_secrets() -> None:
    whole = revision(startup=PROBE, command=("node",), args=("x.js",))
    assert Revision.from_document(json.loads(json.dumps(whole.document()))) == whole
    assert "hush" not in repr(whole)
    assert whole.redacted("a hush falls") == "a [secret] falls"
    overlapping = revision(secrets=("abc", "abcdef"))
    assert overlapping.redacted("abcdef abc") == "[secret] [secret]"


@pytest.mark.parametrize(
    "image",
    ["localhost:1/snu/api@sha256:0", "rg.fr-par.scw.cloud/snu/api:1", "api", "api@sha256:0", "localhost:2/x", ""],
)
def test_images_that_are_not_in_the_local_registry(tmp_path: Path, image: str) -> None:
    store = Store(tmp_path)
    try:
        assert registry_image(Cloud(store, port=1, organization_id="o"), image) is None
    finally:
        store.close()


def test_runtime_off_has_no_engine() -> None:
    chosen = choose(EngineChoice.OFF)
    assert chosen.client is None
    assert "--runtime off" in chosen.why


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("unix:///nowhere/docker.sock", "no Docker engine responds at unix:///nowhere/docker.sock"),
        ("tcp://127.0.0.1:1", "no Docker engine responds at tcp://127.0.0.1:1"),
        ("tcp://docker.example.test:2375", "is on another machine"),
        ("ssh://somebody@localhost", "is on another machine"),
    ],
)
def test_a_missing_engine_is_explained_and_fails_only_if_required(
    monkeypatch: pytest.MonkeyPatch, host: str, expected: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    chosen = choose(EngineChoice.AUTO)
    assert chosen.client is None
    assert expected in chosen.why
    with pytest.raises(EngineUnavailable, match="Docker engine"):
        choose(EngineChoice.DOCKER)


def test_the_owner_depends_on_the_data_folder(tmp_path: Path) -> None:
    assert owner_of(tmp_path / "a") == owner_of(tmp_path / "b" / ".." / "a")
    assert owner_of(tmp_path / "a") != owner_of(tmp_path / "b")


def test_fakes_start_alike() -> None:
    assert revision() == REVISION


async def test_the_clock_of_the_tests_keeps_order() -> None:
    clock, seen = FakeClock(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((seconds, clock.now()))

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3.0, 1.0, 2.0)]
    await settle()
    await clock.advance(2.5)
    assert seen == [(1.0, 1.0), (2.0, 2.0)]
    for task in tasks:
        task.cancel()


class Stubborn:
    """A container to which Docker assigns ports that are in use."""

    def __init__(self, *errors: str) -> None:
        self.errors = list(errors)
        self.started = 0

    def start(self) -> None:
        self.started += 1
        if self.errors:
            raise APIError(self.errors.pop(0))


def test_a_port_in_use_is_skipped() -> None:
    container = Stubborn(*["driver failed: listen tcp4 127.0.0.1:32786: bind: address already in use"] * 3)
    start_container(cast(Any, container))
    assert container.started == 4


def test_other_docker_errors_are_raised() -> None:
    with pytest.raises(APIError, match="no such file"):
        start_container(cast(Any, Stubborn("no such file")))
