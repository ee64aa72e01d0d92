"""Server processes on free loopback ports: started, asked for the first time, weighed, ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.environment import ROOT, clean_environment
from tests.support.ports import free_port

_START_SECONDS = 30.0
_STEP_SECONDS = 0.005


class Server:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = process
        self.url = url

    @property
    def memory(self) -> float | None:
        """Resident memory in MiB now; None where the system does not tell."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return None
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return int(fields["VmRSS"].split()[0]) / 1024

    @property
    def processor_seconds(self) -> float | None:
        """Processor time that the server has taken so far; None where the system does not tell."""
        try:
            text = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return None
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(command: Callable[[int], list[str]], log: Path) -> Iterator[Server]:
    """Run ``python`` with what ``command`` gives for a port; the server need not answer yet."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command(port)],
            cwd=ROOT,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Server(process, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.poll() is None:
            process.kill()
            process.wait()


def first_answer(
    server: Server, method: str, path: str, headers: Mapping[str, str] | None = None, content: bytes = b""
) -> httpx.Response:
    """Ask until there is an answer. Ends the benchmark when it is no success, or when there is none."""
    deadline = time.monotonic() + _START_SECONDS
    with httpx.Client(base_url=server.url, trust_env=False, timeout=_START_SECONDS) as client:
        while True:
            try:
                answer = client.request(method, path, headers=dict(headers or {}), content=content)
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise SystemExit(f"{server.url} did not answer within {_START_SECONDS:.0f} s") from None
                time.sleep(_STEP_SECONDS)
            else:
                if not answer.is_success:
                    raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text}")
                return answer
