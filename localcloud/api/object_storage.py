"""Object storage: moto's server in a child process, whose state is kept by recording requests and replaying them.

moto is never imported in the API's own process: it takes seconds to import.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.error import URLError

_CHILD = "localcloud.api.object_storage_child"


class ObjectStorage:
    """Started on demand, stopped with the API (even if that is killed: the child watches its standard input)."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port = port
        self._recording = folder / "object-storage.jsonl"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        """Start the child, if it does not run; returns at once."""
        if self._process is not None and self._process.poll() is None:
            return
        self._recording.touch(mode=0o600, exist_ok=True)
        environment = {**os.environ, "MOTO_RECORDER_FILEPATH": str(self._recording)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", _CHILD, str(self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )

    def is_ready(self) -> bool:
        """Whether it listens, which it does once the recording is replayed."""
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def reset(self) -> None:
        """Empty it, the recording too."""
        if self._process is not None and self.is_ready():
            for path in ("reset", "recorder/reset-recording"):
                request = urllib.request.Request(f"{self.url}/moto-api/{path}", method="POST")  # noqa: S310 - own address
                try:
                    urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - an own address
                except URLError:
                    self.stop()
        if self._recording.exists():
            self._recording.write_bytes(b"")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
