"""What the runtime has to tell whoever reads the local Scaleway's log."""

from __future__ import annotations

import sys


def note(text: str) -> None:
    sys.stderr.write(f"runtime: {text}\n")
