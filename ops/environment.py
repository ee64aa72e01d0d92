"""The variables of this process."""

from __future__ import annotations

import os


def process_environment() -> dict[str, str]:
    """A copy, which is handed on as a value: nothing else of the command reads them, and nothing changes them."""
    return dict(os.environ)
