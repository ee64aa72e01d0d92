"""Whether processes that are no children of the test still run."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import psutil

_GIVE_UP_SECONDS = 60.0


def is_running(pid: int) -> bool:
    """Whether the process exists and is more than an entry that nobody has collected yet."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def wait_until_ended(pid: int) -> None:
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} is still running"
        time.sleep(0.02)


def end_processes_in(folder: Path) -> None:
    """Kill what works in a test's own folder, or below it, whoever is its parent by now."""
    ended = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                process.kill()
                ended.append(process)
    psutil.wait_procs(ended, timeout=5.0)
