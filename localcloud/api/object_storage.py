"""Object storage: moto's S3 in a child process, whose state is kept in a journal of requests and restored from it.

moto is never imported in the API's own process: it takes seconds to import.
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
    """Started on demand, stopped with the API (even if that is killed: the child watches its standard input)."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port = port
        self._journal = folder / "object-storage-journal.jsonl"
        self._recording = folder / "object-storage.jsonl"
        """What earlier versions kept in place of the journal."""
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        """Start the child, if it does not run; returns at once."""
        if self.is_running():
            return
        self.stop()
        # Nothing of the user's own settings of moto: they may make it record, or serve under other host names.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MOTO_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", _CHILD, str(self._port), self._recording, self._journal],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | {"MOTO_DISABLE_GLOBAL_CORS": "true"},
        )

    def is_running(self) -> bool:
        """Whether the child runs; it ends at once where another program has its port."""
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        """Whether it answers, which it does once its state is restored."""
        self._ready = self._ready or self._heard(b"ready\n", 0)
        return self._ready and self.is_running()

    def reset(self) -> None:
        """Empty it, and its journal."""
        if self.is_ready() and self._has_reset():
            return
        was_running = self.is_running()
        self.stop()
        self._journal.unlink(missing_ok=True)
        self._recording.unlink(missing_ok=True)
        if was_running:
            self.start()

    def _has_reset(self) -> bool:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"reset\n")
        except BrokenPipeError:
            return False
        return self._heard(b"reset\n", _RESET_SECONDS)

    def _heard(self, word: bytes, seconds: float) -> bool:
        """Whether the child says this within the time."""
        if self._process is None or self._process.stdout is None:
            return False
        spoken, _, _ = select.select([self._process.stdout], [], [], seconds)
        return bool(spoken) and self._process.stdout.readline() == word

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
