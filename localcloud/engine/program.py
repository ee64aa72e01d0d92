"""Starts the user's program and follows it to its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from localcloud.engine.environment import program_environment
from localcloud.engine.errors import EngineError

_LAUNCHER = Path(__file__).with_name("launch.py")
_STOP_SECONDS = 5.0
_LINE_LIMIT = 16 * 1024 * 1024


class Program:
    """A process that has imported the Pulumi SDK and waits to be told what to run."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, directory: Path) -> Program:
        """Start it early: its imports run while the engine prepares."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(_LAUNCHER),
            cwd=directory,
            env=program_environment(os.environ),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
            start_new_session=True,
        )
        return cls(process)

    async def run(self, parameters: Mapping[str, Any], on_output: Callable[[str, str], None]) -> int:
        """Run the program; ``on_output`` gets ``info`` or ``info#err`` and a line. Returns its exit status."""
        if self._process.stdin is None or self._process.stdout is None or self._process.stderr is None:
            raise EngineError("the program's process has no pipes")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.write(json.dumps(parameters).encode() + b"\n")
            await self._process.stdin.drain()
            self._process.stdin.close()
        await asyncio.gather(
            _follow(self._process.stdout, lambda line: on_output("info", line)),
            _follow(self._process.stderr, lambda line: on_output("info#err", line)),
        )
        return await self._process.wait()

    async def stop(self) -> None:
        """End the process if it still runs."""
        for sent, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, None)):
            if self._process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(sent)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), seconds)


async def _follow(stream: asyncio.StreamReader, on_line: Callable[[str], None]) -> None:
    async for line in stream:
        on_line(line.decode(errors="replace").rstrip("\n"))
