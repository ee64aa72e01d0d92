"""The process that serves a stack's program to the Pulumi CLI, as seen by the command."""

from __future__ import annotations

import atexit
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from localcloud.engine.environment import program_environment
from ops.engines.base import EngineError
from ops.stacks import CHECKOUT

_START_SECONDS = 60.0
_OWN_VARIABLES = {"PYTHONPATH": str(CHECKOUT), "GRPC_VERBOSITY": "NONE"}
"""The process removes them before the program runs. What gRPC logs would look as if the program had printed it."""
_CHUNK = 64 * 1024
_STDOUT, _STDERR = "info", "info#err"
"""Severities of what a program prints, as Pulumi's engine events have them."""


class ProgramWorker:
    """Serves the program until the block, or this process, ends, however that ends.

    Its environment is what ``program_environment`` allows. It has a session of its own, so that Ctrl-C reaches the CLI
    alone, which then ends the program in its own way.
    """

    def __init__(self, project_dir: Path) -> None:
        """Start it early: Pulumi's SDK is imported while the command prepares and the CLI starts."""
        self._address, address = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-u", "-m", "ops.engines.language_runtime", str(address)],
                cwd=project_dir.resolve(),
                env=program_environment(os.environ) | _OWN_VARIABLES,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[address],
                start_new_session=True,
            )
        except BaseException:
            os.close(self._address)
            raise
        finally:
            os.close(address)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        atexit.register(self.stop)
        self._outputs = [_Lines(self._process.stdout.fileno(), _STDOUT), _Lines(self._process.stderr.fileno(), _STDERR)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it, and whatever the program has started."""
        atexit.unregister(self.stop)
        os.close(self._address)
        if self._process.returncode is None:  # not reaped: the number is still its own
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    @cached_property
    def address(self) -> str:
        """Address of its LanguageRuntime service, once the port is bound. Raises EngineError if it does not start."""
        readable, _, _ = select.select([self._address], [], [], _START_SECONDS)
        address = os.read(self._address, _CHUNK).decode().strip() if readable else ""
        if not address:
            last = [line for _, line in self.output(ended=True)][-1:]
            raise EngineError(": ".join(["the program's process did not start", *last]))
        return address

    def output(self, *, ended: bool = False) -> Iterator[tuple[str, str]]:
        """Lines that the program has printed since the last call: ``info`` or ``info#err``, and the line.

        ``ended``: no more is to come, so an incomplete line counts.
        """
        for lines in self._outputs:
            for line in lines.read(ended=ended):
                yield lines.severity, line

    def exit_status(self) -> int | None:
        """None as long as the process runs, as it does until the block ends, unless the program ended it."""
        return self._process.poll()


class _Lines:
    """A pipe that is read without waiting."""

    def __init__(self, descriptor: int, severity: str) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self.severity = severity
        self._rest = b""

    def read(self, *, ended: bool) -> Iterator[str]:
        with suppress(BlockingIOError):
            while chunk := os.read(self._descriptor, _CHUNK):
                *complete, self._rest = (self._rest + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in complete)
        if ended and self._rest:
            rest, self._rest = self._rest, b""
            yield rest.decode(errors="replace")
