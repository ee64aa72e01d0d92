"""Log output of the runtime."""

from __future__ import annotations

import sys


def log(message: str) -> None:
    """Write a line to the local Scaleway's log."""
    sys.stderr.write(f"runtime: {message}\n")
