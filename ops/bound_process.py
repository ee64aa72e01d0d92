"""Runs processes that are stopped when this process exits, even if it is killed.

Only this process holds the write end of a pipe, so the kernel closes it when this process exits. Run as a script, this
module forks: one process becomes the command and keeps the process id that the caller sees; the other waits for the
pipe to close, then stops the command and everything that it started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

_POLL_SECONDS = 0.05
_NOT_FOUND = 127
"""A shell's exit status for a command that does not exist."""


@contextmanager
def bound_process(command: Sequence[str], *, grace: float, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a process in its own session during the block; ``options`` are passed to ``subprocess.Popen``.

    If the block or this process ends first, the command receives SIGINT, followed by SIGKILL after ``grace`` seconds.
    Any processes that it started are killed when it exits.
    """
    waiting, lifeline = os.pipe()
    try:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, str(waiting), str(grace), *command],
                pass_fds=[waiting],
                start_new_session=True,
                **options,
            )
        finally:
            os.close(waiting)
        with process:
            try:
                yield process
            finally:
                if process.poll() is not None:
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)  # the group still exists: the guard is in it
                os.close(lifeline)
                lifeline = -1
    finally:
        if lifeline >= 0:
            os.close(lifeline)


def _main(waiting: int, grace: float, command: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    leader = os.getpid()
    if os.fork() == 0:
        _guard(waiting, grace, leader)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the caller's command; the pipe is closed with it
    except OSError as error:
        sys.stderr.write(f"error: {command[0]} cannot be started: {error.strerror}\n")
        os._exit(_NOT_FOUND)


def _guard(waiting: int, grace: float, leader: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    while os.read(waiting, 1):
        pass
    if os.getppid() == leader:
        os.kill(leader, signal.SIGINT)
    deadline = time.monotonic() + grace
    while os.getppid() == leader and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    os.set_inheritable(int(sys.argv[1]), False)
    _main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
