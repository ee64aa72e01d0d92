"""A bash process that runs statements one after the other, as a reader enters them at a terminal."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

_PROMPT = b"[y/N] "
_ANSWER = b"y\n"
_SECONDS = 120.0
"""How long one statement may take."""

_LOOP = """
set -o pipefail
curl() { command curl --fail-with-body "$@"; }
while IFS= read -r -d '' -u %(commands)d _statement; do
    eval "$_statement" %(commands)d<&- %(statuses)d>&-
    echo "$?" >&%(statuses)d
done
"""
"""Variables, functions and the folder outlive a statement. Failures inside a pipeline and HTTP errors count."""


class Result(NamedTuple):
    """How a statement ended."""

    status: int | None
    """Exit status; None if it did not end in time, or ended the shell."""
    output: str


class Shell:
    """One bash, with a terminal as its standard input on which every yes-or-no question is answered with yes."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        commands, self._commands = os.pipe()
        self._statuses, statuses = os.pipe()
        self._output, output = os.pipe()
        self._terminal, terminal = os.openpty()
        _no_echo(terminal)
        self._process = subprocess.Popen(
            ["bash", "-c", _LOOP % {"commands": commands, "statuses": statuses}],
            cwd=folder,
            env=environment,
            stdin=terminal,
            stdout=output,
            stderr=output,
            pass_fds=(commands, statuses),
            start_new_session=True,
        )
        for descriptor in (commands, statuses, output, terminal):
            os.close(descriptor)
        os.set_blocking(self._output, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        self._selector.register(self._statuses, selectors.EVENT_READ)

    def run(self, statement: str) -> Result:
        """Run a statement to its end; it is killed after two minutes."""
        with suppress(BrokenPipeError):  # the shell has ended, as its closed pipe of statuses says
            os.write(self._commands, statement.encode() + b"\0")
        output, deadline = b"", time.monotonic() + _SECONDS
        while True:
            ready = {key.fd for key, _ in self._selector.select(max(0.0, deadline - time.monotonic()))}
            if self._output in ready:
                part = self._read_output()
                output += part
                if part and output.endswith(_PROMPT):
                    os.write(self._terminal, _ANSWER)
            if self._statuses in ready:
                status = os.read(self._statuses, 16)
                output += self._read_output()  # whatever the statement wrote is there by now
                return Result(int(status) if status else None, output.decode(errors="replace"))
            if not ready:
                self._kill()
                return Result(None, output.decode(errors="replace"))

    def _read_output(self) -> bytes:
        """What is there; the pipe does not block."""
        content = b""
        with suppress(BlockingIOError):
            while part := os.read(self._output, 65536):
                content += part
        return content

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._commands)  # the loop ends with its input
        if kind is not None:
            self._kill()
        self._process.wait()
        self._selector.close()
        for descriptor in (self._statuses, self._output, self._terminal):
            os.close(descriptor)


def _no_echo(terminal: int) -> None:
    """Nobody reads what the terminal would echo."""
    attributes = termios.tcgetattr(terminal)
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
