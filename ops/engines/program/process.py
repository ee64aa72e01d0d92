"""Starts and stops the process that serves a stack's program to the engines."""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from ops.engines.base import EngineError
from ops.engines.program.environment import program_environment

_CHECKOUT = Path(__file__).parents[3]
_START_SECONDS = 60.0
_OWN_VARIABLES = {"PYTHONPATH": str(_CHECKOUT), "GRPC_VERBOSITY": "NONE"}
"""Variables that the process removes before the program runs. gRPC's log would look like the program's own output."""
_CHUNK = 64 * 1024
_STDOUT, _STDERR = "info", "info#err"
"""Severities of a program's output in Pulumi's engine events."""


class Program:
    """Serves a program as a LanguageRuntime until the ``with`` block exits or this process ends.

    Its environment is restricted by ``program_environment``. It has its own session, so Ctrl-C reaches only the engine,
    which then stops the program.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        """``directory``: the folder of Pulumi.yaml; ``environ``: the source of the program's environment variables."""
        self.directory = directory.resolve()
        self._socket, its_own = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ops.engines.program.language_runtime"],
                cwd=self.directory,
                env=program_environment(environ) | _OWN_VARIABLES,
                stdin=its_own.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except BaseException:
            self._socket.close()
            raise
        finally:
            its_own.close()
        atexit.register(self.stop)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.outputs = (_Lines(self._process.stdout.fileno(), _STDOUT), _Lines(self._process.stderr.fileno(), _STDERR))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill the process and everything that the program started."""
        atexit.unregister(self.stop)
        self._socket.close()
        if self._process.returncode is None:  # not reaped: the process id is still its own
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    @cached_property
    def address(self) -> str:
        """The address of the LanguageRuntime service. Raises EngineError if the process does not start."""
        readable, _, _ = select.select([self._socket], [], [], _START_SECONDS)
        address = self._socket.recv(_CHUNK).decode().strip() if readable else ""
        if not address:
            last = [line for _, line in self.output(ended=True)][-1:]
            raise EngineError(": ".join(["the program's process did not start", *last]))
        return address

    def output(self, *, ended: bool = False) -> Iterator[tuple[str, str]]:
        """The program's output since the last call, as pairs of severity (``info`` or ``info#err``) and line.

        ``ended``: whether the output is complete, in which case an incomplete last line is returned too.
        """
        for lines in self.outputs:
            for line in lines.read(ended=ended):
                yield lines.severity, line

    def exit_status(self, within: float = 0.0) -> int | None:
        """The exit status if the program has terminated the process, otherwise None.

        Normally, it runs until the ``with`` block exits. ``within``: how long to wait for the exit, in seconds.
        """
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(within)
        return None


_ahead: defaultdict[Path, deque[Program]] = defaultdict(deque)


def start_ahead(directory: Path, environ: Mapping[str, str], count: int = 1) -> None:
    """Start processes for ``program_for`` in advance until ``count`` exist, because importing Pulumi's SDK is slow.

    ``directory``: the folder of Pulumi.yaml. The processes exit when this one does, whether or not they are used.
    """
    programs = _ahead[directory.resolve()]
    while len(programs) < count:
        programs.append(Program(directory, environ))


def program_for(directory: Path, environ: Mapping[str, str]) -> Program:
    """The process that was started first in advance, or a new one. It can run the program only once."""
    programs = _ahead[directory.resolve()]
    return programs.popleft() if programs else Program(directory, environ)


class _Lines:
    """Reads lines from a pipe without blocking."""

    def __init__(self, descriptor: int, severity: str) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.severity = severity
        self.closed = False
        """Whether the end of the pipe has been reached."""
        self._rest = b""

    def read(self, *, ended: bool) -> Iterator[str]:
        with suppress(BlockingIOError):
            while chunk := os.read(self.descriptor, _CHUNK):
                *complete, self._rest = (self._rest + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in complete)
            self.closed = True
        if ended and self._rest:
            rest, self._rest = self._rest, b""
            yield rest.decode(errors="replace")
