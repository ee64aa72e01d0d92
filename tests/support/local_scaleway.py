"""A local Scaleway in a process of its own, as tests start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from localcloud.api.control_token import control_headers
from ops.local import SEED_FILE
from tests.support.seed import OWNER_SECRET_KEY

HTTP = httpx.Client(timeout=30)
"""One for all tests: making a client takes longer than most tests."""


class Server:
    """Starts on a free port; ``log`` is what it wrote to stderr so far."""

    def __init__(
        self,
        data: Path,
        *arguments: str,
        transitions: float = 0,
        environ: Mapping[str, str] | None = None,
        seed: Path | None = SEED_FILE,
    ) -> None:
        self.data = data
        self._environ = dict(os.environ) | dict(environ or {})
        self._arguments = ("--transitions", str(transitions), *(("--seed", str(seed)) if seed else ()), *arguments)
        self._log = data.parent / f"{data.name}.log"
        self.start()

    def start(self) -> None:
        note = self.data / "server.json"
        note.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "localcloud", "--port", "0", "--data", str(self.data)),
                    *self._arguments,
                ],
                stderr=log,
                env=self._environ,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if note.exists() and (text := note.read_text()):
                found = json.loads(text)
                self.pid: int = found["pid"]
                """Of the server itself, which may be forked: what was started ends with it."""
                self.url: str = found["url"]
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"the server did not start: {self.log}")

    @property
    def log(self) -> str:
        return self._log.read_text()

    def says(self, text: str) -> bool:
        """Whether its log has the text; a line comes after the answer that it is about."""
        deadline = time.monotonic() + 10
        while text not in self.log and time.monotonic() < deadline:
            time.sleep(0.01)
        return text in self.log

    def client(self, secret_key: str = OWNER_SECRET_KEY) -> Client:
        return Client(self.url, secret_key, lambda: self.control_headers)

    @property
    def control_headers(self) -> dict[str, str]:
        """What the control API wants of a request that changes something."""
        return control_headers({"data": self.data})

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            os.kill(self.pid, by)
            self.process.wait(30)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.stop()


class Client:
    """Requests with a key; each says which status it expects."""

    def __init__(self, url: str, secret_key: str, more: Callable[[], Mapping[str, str]] = dict) -> None:
        """``more``: further headers, which a restart of the server changes."""
        self.url = url
        self._secret_key, self._more = secret_key, more

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Auth-Token": self._secret_key, **self._more()}

    def __call__(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = HTTP.request(method, self.url + path, json=body, headers=self.headers)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def create(self, path: str, **body: Any) -> Any:
        return self("POST", path, body)

    def refused(self, method: str, path: str, body: Any, argument: str) -> str:
        """The request is refused for one argument; gives the help message."""
        answer = self(method, path, body, status=400)
        assert answer["type"] == "invalid_arguments"
        assert [detail["argument_name"] for detail in answer["details"]] == [argument]
        return str(answer["details"][0]["help_message"])
