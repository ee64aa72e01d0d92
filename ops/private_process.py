"""Keeps what this process knows, keys among it, from other processes and out of files."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4
"""`prctl(2)`: a process that is not dumpable writes no core file, and only root may read its memory and environment."""


def keep_private() -> None:
    """Write no core file, nor let a process that is started write one; on Linux, hide memory and `/proc/PID/environ`.

    A variable that was removed from `os.environ` is still in what `/proc/PID/environ` shows.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
