"""Starts the user's program and follows it to its end."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from localcloud.engine.environment import program_environment

_CHECKOUT = Path(__file__).parents[2]
_STOP_SECONDS = 5.0
_LINE_LIMIT = 16 * 1024 * 1024


class Program:
    """A process that imports the Pulumi SDK and waits to be told what to run; it ends with this process."""

    def __init__(self, directory: Path) -> None:
        """Start it early: its imports run while the command and the engine prepare."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "localcloud.engine.launch"],
            cwd=directory,
            env=program_environment(os.environ) | {"PYTHONPATH": str(_CHECKOUT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        atexit.register(self.stop)

    async def run(self, parameters: Mapping[str, Any], on_output: Callable[[str, str], None]) -> int:
        """Run the program; ``on_output`` gets ``info`` or ``info#err`` and a line. Returns its exit status."""
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        with contextlib.suppress(BrokenPipeError):
            # The process reads this whole line before it does anything else. It ends when the pipe does.
            await asyncio.to_thread(_write, stdin, json.dumps(parameters).encode() + b"\n")
        await asyncio.gather(
            _follow(stdout, lambda line: on_output("info", line)),
            _follow(stderr, lambda line: on_output("info#err", line)),
        )
        return await asyncio.to_thread(self._process.wait)

    def stop(self) -> None:
        """End the process if it still runs."""
        atexit.unregister(self.stop)
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _write(pipe: IO[bytes], line: bytes) -> None:
    pipe.write(line)
    pipe.flush()


async def _follow(pipe: IO[bytes], on_line: Callable[[str], None]) -> None:
    reader = asyncio.StreamReader(_LINE_LIMIT)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        async for line in reader:
            on_line(line.decode(errors="replace").rstrip("\n"))
    finally:
        transport.close()
