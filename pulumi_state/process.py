"""Identity of processes across machines, containers and reboots, and whether they are still running."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_ENDED = ("Z", "X")
"""States of a process that has exited but has not been reaped: zombie and dead."""


@dataclass(frozen=True)
class Process:
    """A process. Its start time is part of its identity, since process IDs are reused.

    ``boot`` and ``namespace`` define the scope of the process ID: one boot of one kernel and, within it, one PID
    namespace (each container has its own). Host names identify neither machines nor containers reliably.
    """

    pid: int
    boot: str = ""
    """The ID of the boot; empty if unavailable, in which case it is unknown whether the process is running."""
    namespace: str = ""
    started: str = ""

    @classmethod
    def from_pid(cls, pid: int) -> Process:
        """Identify a process running in this PID namespace."""
        boot, namespace = _scope()
        started = _start_time(pid) if boot else None
        return cls(pid, boot, namespace, started) if started else cls(pid)

    @classmethod
    def current(cls) -> Process:
        """Identify this process."""
        return cls.from_pid(os.getpid())

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Process:
        """Read a process from JSON. Raises KeyError, TypeError or ValueError if it is malformed."""
        return cls(int(document["pid"]), *(str(document[name]) for name in ("boot", "namespace", "started")))

    @property
    def is_running(self) -> bool | None:
        """Whether the process is running; None if this process cannot tell."""
        if not self.boot or (self.boot, self.namespace) != _scope():
            return None
        started = _start_time(self.pid)
        if started is None and _is_of_another_user(self.pid):  # other users' processes may be hidden
            return None
        return started == self.started


def _is_of_another_user(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _scope() -> tuple[str, str]:
    """Return the identifiers of the current boot and our PID namespace; empty if they are unavailable."""
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "kern.bootsessionuuid"), ""
    with suppress(OSError):
        if (_PROC / "self").readlink() == Path(str(os.getpid())):  # otherwise /proc belongs to another namespace
            boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
            return boot, str((_PROC / "self/ns/pid").readlink())
    return "", ""


def _start_time(pid: int) -> str | None:
    """Return a process's start time in the system's native format, or None if the process is not running."""
    if sys.platform == "darwin":
        return _start_time_in(_output("ps", "-p", str(pid), "-o", "stat=", "-o", "lstart="))
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in _ENDED else fields[19]


def _start_time_in(ps_line: str) -> str | None:
    state, _, started = ps_line.strip().partition(" ")
    return None if not started or state.startswith(_ENDED) else started.strip()


def _output(*command: str) -> str:
    with suppress(OSError):
        environment = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        return subprocess.run(command, capture_output=True, text=True, env=environment).stdout.strip()
    return ""
