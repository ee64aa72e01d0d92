"""An app as a process: started, asked, signalled, and its log read."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.02


class AppProcess:
    """One process, ended when the context is left. ``PORT`` is free unless the environment says otherwise."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._logs = tempfile.TemporaryDirectory()
        self._out, self._err = Path(self._logs.name, "out"), Path(self._logs.name, "err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={"PORT": "0", "LISTEN_ADDRESS": "127.0.0.1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def __enter__(self) -> AppProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._logs.cleanup()

    @property
    def stdout(self) -> list[dict[str, Any]]:
        """The log: every complete line is a JSON object."""
        return _lines(self._out)

    @property
    def stderr(self) -> list[dict[str, Any]]:
        return _lines(self._err)

    @property
    def output(self) -> str:
        return self._out.read_text() + self._err.read_text()

    def event(self, name: str) -> dict[str, Any]:
        """The first line of the log with this event, which is waited for."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            for line in self.stdout:
                if line["event"] == name:
                    return line
            if ended:
                break
            time.sleep(_POLL_SECONDS)
        raise AssertionError(f"no event {name!r} in the log (status {self.process.poll()}):\n{self.output}")

    @property
    def port(self) -> int:
        port = self.event("listening")["port"]
        assert isinstance(port, int)
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> AppProcess:
        self.event("started")
        return self

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.request("GET", path, **headers)

    def request(self, method: str, path: str, **headers: str) -> httpx.Response:
        """Underscores in names of headers stand for hyphens."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.request(method, f"{self.url}{path}", headers=names, trust_env=False)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE_SECONDS)

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def status(self) -> int:
        """The exit status, which is waited for."""
        return self.process.wait(_PATIENCE_SECONDS)

    def children(self) -> list[int]:
        return [
            int(child)
            for task in Path(f"/proc/{self.process.pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]


def _lines(file: Path) -> list[dict[str, Any]]:
    text = file.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n")[:-1]]
