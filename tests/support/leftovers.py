"""Processes that a run of tests has started, and that must not outlive it."""

from __future__ import annotations

import ctypes
import sys

import psutil

_PR_SET_CHILD_SUBREAPER = 36
"""``prctl(2)`` on Linux."""
_ENDING_SECONDS = 5.0


def adopt_orphans() -> None:
    """Become the parent of every process whose own parent ends, so that none escapes; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_leftovers() -> list[str]:
    """What still runs below this process, once all tests are done; it is ended.

    Each is given by its command line, and its working folder, which tells whose test it was.
    """
    leftovers = psutil.Process().children(recursive=True)
    _, running = psutil.wait_procs(leftovers, timeout=_ENDING_SECONDS)
    found = []
    for process in running:
        try:
            found.append(f"{process.pid}: {' '.join(process.cmdline())} (in {process.cwd()})")
            process.kill()
        except psutil.NoSuchProcess:
            continue
    return found
