"""Which process wrote something: told apart beyond doubt from every other, and whether it still runs."""

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
"""States of a process that has ended and whose parent has not looked yet."""


@dataclass(frozen=True)
class Process:
    """A process. Its number is used again; the start time tells it from the others that had it.

    ``boot`` and ``namespace`` say where the number is valid: one run of one kernel, and there one PID namespace, of
    which each container has its own. Host names tell neither machines nor containers apart.
    """

    pid: int
    boot: str = ""
    """Empty where the system does not tell: whether the process runs is then never known."""
    namespace: str = ""
    started: str = ""

    @classmethod
    def of(cls, pid: int) -> Process:
        """A process that runs beside this one."""
        boot, namespace = _where()
        started = _started(pid) if boot else None
        return cls(pid, boot, namespace, started) if started else cls(pid)

    @classmethod
    def current(cls) -> Process:
        return cls.of(os.getpid())

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Process:
        """Raises KeyError, TypeError and ValueError."""
        return cls(int(document["pid"]), *(str(document[name]) for name in ("boot", "namespace", "started")))

    @property
    def runs(self) -> bool | None:
        """None where that cannot be known from here."""
        if not self.boot or (self.boot, self.namespace) != _where():
            return None
        started = _started(self.pid)
        if started is None and _is_of_another_user(self.pid):  # and may be hidden from us
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


def _where() -> tuple[str, str]:
    """Identifiers of the running kernel and of our PID namespace; empty where they are not to be had."""
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "kern.bootsessionuuid"), ""
    with suppress(OSError):
        if (_PROC / "self").readlink() == Path(str(os.getpid())):  # otherwise /proc is another namespace's
            boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
            return boot, str((_PROC / "self/ns/pid").readlink())
    return "", ""


def _started(pid: int) -> str | None:
    """When a process was started, in a form of the system's own; None where it does not run."""
    if sys.platform == "darwin":
        return _of_ps(_output("ps", "-p", str(pid), "-o", "stat=", "-o", "lstart="))
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in _ENDED else fields[19]


def _of_ps(line: str) -> str | None:
    state, _, started = line.strip().partition(" ")
    return None if not started or state.startswith(_ENDED) else started.strip()


def _output(*command: str) -> str:
    with suppress(OSError):
        environment = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        return subprocess.run(command, capture_output=True, text=True, env=environment).stdout.strip()
    return ""
