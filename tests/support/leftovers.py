"""Processes that a run of tests has started, and that must not outlive it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Collection
from contextlib import suppress

import psutil

_PR_SET_CHILD_SUBREAPER = 36
"""``prctl(2)`` on Linux."""


def adopt_orphans() -> None:
    """Become the parent of every process whose own parent ends, so that none escapes; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_leftovers(spared: Collection[psutil.Process] = (), seconds: float = 5.0) -> list[str]:
    """What still runs below this process, once all tests are done; it is ended when it does not end in time.

    ``spared``: children that are not the tests'. Each is given by its command line, and its working folder, which tells
    whose test it was.
    """
    leftovers: list[psutil.Process] = []
    for child in psutil.Process().children():
        if child not in spared:
            with suppress(psutil.NoSuchProcess):
                leftovers += [child, *child.children(recursive=True)]
    _, running = psutil.wait_procs(leftovers, timeout=seconds)
    found = []
    for process in running:
        with suppress(psutil.NoSuchProcess):
            found.append(f"{process.pid}: {' '.join(process.cmdline())} (in {process.cwd()})")
            process.kill()
    psutil.wait_procs(running, timeout=seconds)
    return found
