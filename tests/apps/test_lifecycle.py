"""How the process of an app starts, and how it ends."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from tests.support.apps.process import AppProcess
from tests.support.apps.values import environment_of
from tests.support.apps.workspace import Workspace, listed_variables
from tests.support.ports import free_port

API = {"ADMIN_URL": "https://admin.example", "APP_URL": "https://app.example/"}
ENVIRONMENTS = {
    "api": API,
    "admin": environment_of(listed_variables("admin")),
    "app": environment_of(listed_variables("app")),
}


@pytest.fixture
def api(workspace: Workspace) -> Iterator[AppProcess]:
    with workspace.start("api", **API, SHUTDOWN_SECONDS="25") as process:
        yield process.ready()


@pytest.mark.parametrize("app", ENVIRONMENTS)
class TestEveryApp:
    def test_is_one_process_that_tells_its_version(self, workspace: Workspace, app: str) -> None:
        with workspace.start(app, **ENVIRONMENTS[app], SNU_VERSION="4f2a") as process:
            process.ready()
            assert process.get("/health/version").json() == {"app": app, "version": "4f2a"}
            assert process.get("/health/startup").status_code == 200
            assert process.get("/health/live").status_code == 200
            assert process.request("POST", "/health/live").status_code == 405
            assert process.children() == []
            assert {line["version"] for line in process.stdout} == {"4f2a"}

    def test_listens_where_it_is_told_and_writes_nothing(self, workspace: Workspace, app: str) -> None:
        port = str(free_port())
        read_only = ("--permission", "--allow-fs-read=*")
        with workspace.start(app, *read_only, **ENVIRONMENTS[app] | {"PORT": port}) as process:
            process.ready()
            version = httpx.get(f"http://127.0.0.1:{port}/health/version", trust_env=False).json()["version"]
            assert version == "unversioned"
            assert process.get("/").status_code == 200
            process.signal()
            assert process.status() == 0

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_on_a_signal(self, workspace: Workspace, app: str, number: signal.Signals) -> None:
        with workspace.start(app, **ENVIRONMENTS[app]) as process:
            process.ready().signal(number)
            assert process.status() == 0
            assert process.stderr == []

    def test_names_every_missing_variable(self, workspace: Workspace, app: str) -> None:
        with workspace.start(app, PORT="http") as process:
            assert process.status() == 78
            (line,) = process.stderr
            assert line["event"] == "configuration"
            found = {(problem["variable"], problem["problem"]) for problem in line["problems"]}
            assert found == {("PORT", "wrong"), *((name, "missing") for name in ENVIRONMENTS[app])}
            for name in ("PORT", *ENVIRONMENTS[app]):
                assert name in line["message"]

    def test_says_that_its_port_is_taken(self, workspace: Workspace, app: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            with workspace.start(app, **ENVIRONMENTS[app] | {"PORT": port}) as process:
                assert process.status() == 1
                (line,) = process.stderr
                assert line["event"] == "start-failed"
                assert f"port {port}" in line["message"]
                assert "stack" not in line


class TestVariables:
    def test_wrong_values_are_named_and_never_shown(self, workspace: Workspace) -> None:
        wrong = {"ADMIN_URL": "ftp://s3cret", "APP_URL": "", "CRASH_ROUTE": "s3cret", "SHUTDOWN_SECONDS": "-1"}
        with workspace.start("api", **wrong) as process:
            assert process.status() == 78
            (line,) = process.stderr
            found = {(problem["variable"], problem["problem"]) for problem in line["problems"]}
            assert found == {
                ("ADMIN_URL", "wrong"),
                ("APP_URL", "missing"),
                ("CRASH_ROUTE", "wrong"),
                ("SHUTDOWN_SECONDS", "wrong"),
            }
            assert "s3cret" not in process.output
            assert "true or false" in line["message"]


class TestStart:
    def test_not_ready_before_it_has_booted(self, workspace: Workspace) -> None:
        with workspace.start("api", **API, BOOT_SECONDS="600") as process:
            assert process.get("/health/startup").status_code == 503
            assert process.get("/health/live").status_code == 200
            assert process.get("/health/version").status_code == 200
            early = process.get("/")
            assert (early.status_code, early.headers["retry-after"]) == (503, "1")

    def test_ready_when_it_has_booted(self, workspace: Workspace) -> None:
        with workspace.start("api", **API, BOOT_SECONDS="1") as process:
            assert process.ready().get("/health/startup").status_code == 200
            assert process.get("/").status_code == 200

    def test_can_be_stopped_while_it_boots(self, workspace: Workspace) -> None:
        with workspace.start("api", **API, BOOT_SECONDS="600") as process:
            process.event("listening")
            process.signal()
            assert process.status() == 0


def _send(connection: socket.socket, path: str) -> None:
    """Send a request, and return when the app has it: it asks to be told so. The answer itself is left to read."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n".encode())
    assert _until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")


def _until(connection: socket.socket, end: bytes) -> bytes:
    """What comes up to these bytes, and nothing that follows them."""
    found = b""
    while not found.endswith(end):
        byte = connection.recv(1)
        assert byte, f"closed after {found!r}"
        found += byte
    return found


def _rest(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(10_000):
            parts.append(part)
    return b"".join(parts)


class TestShutdown:
    def test_a_request_under_way_is_answered(self, api: AppProcess) -> None:
        with api.connect() as connection:
            _send(connection, "/slow?seconds=1")
            api.signal()
            assert api.event("stopping")["requests"] == 1
            with pytest.raises(ConnectionRefusedError):
                api.connect()
            answer = _rest(connection)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert answer.endswith(b'{"seconds":1}\n')
        assert api.status() == 0

    def test_connections_without_a_request_do_not_hold_it(self, api: AppProcess) -> None:
        with api.connect() as silent, api.connect() as idle:
            _send(idle, "/")
            head = _until(idle, b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            assert length, head
            assert b'"app"' in idle.recv(int(length[1]), socket.MSG_WAITALL)
            api.signal()
            assert _rest(silent) == _rest(idle) == b""
            assert api.status() == 0

    def test_is_bounded(self, workspace: Workspace) -> None:
        with workspace.start("api", **API, SHUTDOWN_SECONDS="0") as process, process.ready().connect() as connection:
            _send(connection, "/slow?seconds=30")
            process.signal()
            assert _rest(connection) == b""
            assert process.status() == 1
            assert process.event("cut-off")["requests"] == 1

    def test_a_second_signal_ends_it_at_once(self, workspace: Workspace) -> None:
        with workspace.start("api", **API, SHUTDOWN_SECONDS="3600") as process, process.ready().connect() as connection:
            _send(connection, "/slow?seconds=30")
            process.signal()
            process.event("stopping")
            process.signal()
            assert process.status() == 1


class TestCrash:
    def test_leaves_one_line_and_status_1(self, workspace: Workspace) -> None:
        with workspace.start("api", **API, CRASH_ROUTE="true", SNU_VERSION="4f2a") as process:
            process.ready()
            with suppress(httpx.RemoteProtocolError, httpx.ReadError):
                process.request("POST", "/crash")
            assert process.status() == 1
            (line,) = process.stderr
            assert line["event"] == "crash"
            assert line["level"] == "fatal"
            assert (line["app"], line["version"]) == ("api", "4f2a")
            assert line["message"] == "POST /crash was asked for"
            assert "routes.js" in line["stack"]
            assert line["time"].endswith("Z")

    def test_nobody_can_ask_for_it_by_default(self, api: AppProcess) -> None:
        assert api.request("POST", "/crash").status_code == 404
        assert api.get("/health/live").status_code == 200

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("throw new Error('two\\nlines')", "two\nlines"),
            ("Promise.reject(new Error('rejected'))", "rejected"),
            ("Promise.reject('a text')", "'a text'"),
            ("throw null", "null"),
            ("throw undefined", "undefined"),
            ("throw Object.assign(new Error('x'), { message: 7 })", "7"),
            ("throw { get a() { throw 1 }, toString: null }", None),
        ],
    )
    def test_whatever_is_thrown(self, workspace: Workspace, code: str, message: str | None) -> None:
        line = _crash(workspace, code)
        assert message is None or line["message"] == message

    def test_causes_are_told_and_passwords_are_not(self, workspace: Workspace) -> None:
        cause = "new Error('no answer from mongodb+srv://snu:s3cret@db.example/x')"
        line = _crash(workspace, f"throw new Error('boot', {{ cause: {cause} }})")
        assert line["message"] == "boot"
        assert "Caused by: Error: no answer from mongodb+srv://***@db.example/x" in line["stack"]
        assert "s3cret" not in str(line)

    def test_a_long_message_is_cut(self, workspace: Workspace) -> None:
        assert len(_crash(workspace, "throw new Error('x'.repeat(1e6))")["message"]) < 20_000


def _crash(workspace: Workspace, code: str) -> dict[str, str]:
    """The line that is left when this code runs in a service."""
    service = (
        'import { runService } from "@snu/service";'
        'await runService({ app: "x", variables: {}, boot: () => ({ handler: () => {} }) });'
        f"setImmediate(() => {{ {code} }});"
    )
    with AppProcess([*workspace.node, "--input-type=module", "--eval", service], workspace.folder, {}) as process:
        assert process.status() == 1
        (line,) = process.stderr
        assert line["event"] == "crash"
        return line


def test_a_full_pipe_does_not_lose_the_crash_line(workspace: Workspace) -> None:
    """Standard error is a pipe that nobody reads yet, and is not blocking: the line is longer than it holds."""
    service = (
        'import { runService } from "@snu/service";'
        'await runService({ app: "x", variables: {}, boot: () => ({ handler: () => {} }) });'
        'throw new Error("é".repeat(15_000));'
    )
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(write, False)
    process = subprocess.Popen(
        [*workspace.node, "--input-type=module", "--eval", service],
        cwd=workspace.folder,
        env={"PORT": "0", "LISTEN_ADDRESS": "127.0.0.1"},
        stdout=subprocess.DEVNULL,
        stderr=write,
    )
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        line = json.loads(pipe.read())
    assert process.wait(30) == 1
    assert line["message"] == "é" * 15_000
