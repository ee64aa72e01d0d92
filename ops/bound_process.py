"""Processes that end when this one does, even if it is killed.

Only this process has the other end of a pipe, so the kernel closes it when the process ends.
``python ops/bound_process.py`` forks: one process becomes the command, and keeps the process id that is known here; the
other waits until the pipe is closed, and then ends the command and everything that it has started.
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
"""Exit status of a shell whose command does not exist."""


@contextmanager
def bound_process(command: Sequence[str], *, grace: float, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a process in a session of its own during the block; ``options`` are those of ``subprocess.Popen``.

    If the block or this process ends first, the command is sent SIGINT, and SIGKILL after ``grace`` seconds. Processes
    that it has started are killed when it ends.
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
