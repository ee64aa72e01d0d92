"""Object storage: moto's S3 in a child process that restores its state from a journal of requests.

Moto runs in a separate process because importing it takes seconds.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

_CHILD = "localcloud.api.object_storage_server"
_RESET_SECONDS = 5.0


class ObjectStorage:
    """Starts on demand and stops with the API, even if the API is killed: the child watches its standard input."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port = port
        self._journal = folder / "object-storage-journal.jsonl"
        self._recording = folder / "object-storage.jsonl"
        """Written by earlier versions instead of the journal."""
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        """Start the child unless it is already running. Does not wait until it is ready."""
        if self.is_running():
            return
        self.stop()
        # The user's own moto settings might make it record requests or serve other host names.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MOTO_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", _CHILD, str(self._port), self._recording, self._journal],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | {"MOTO_DISABLE_GLOBAL_CORS": "true"},
        )

    def is_running(self) -> bool:
        """Whether the child is running. It exits if another program uses its port."""
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        """Whether the child has restored its state and is serving requests."""
        self._ready = self._ready or self._read_line(b"ready\n", 0)
        return self._ready and self.is_running()

    def reset(self) -> None:
        """Delete all buckets and the journal."""
        if self.is_ready() and self._reset_child():
            return
        was_running = self.is_running()
        self.stop()
        self._journal.unlink(missing_ok=True)
        self._recording.unlink(missing_ok=True)
        if was_running:
            self.start()

    def _reset_child(self) -> bool:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"reset\n")
        except BrokenPipeError:
            return False
        return self._read_line(b"reset\n", _RESET_SECONDS)

    def _read_line(self, expected: bytes, seconds: float) -> bool:
        """Whether the child writes the expected line within ``seconds``."""
        if self._process is None or self._process.stdout is None:
            return False
        readable, _, _ = select.select([self._process.stdout], [], [], seconds)
        return bool(readable) and self._process.stdout.readline() == expected

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None
        self._ready = False
