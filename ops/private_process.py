"""Protects the keys in this process's memory and environment from other processes and core files."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4
"""See `prctl(2)`: a non-dumpable process writes no core file, and only root can read its memory and environment."""


def keep_private() -> None:
    """Disable core files, including for child processes; on Linux, hide the memory and `/proc/PID/environ`.

    `/proc/PID/environ` still contains variables that were removed from `os.environ`.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
