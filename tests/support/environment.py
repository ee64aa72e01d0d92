"""The checkout under test, and the environment of processes that work on it."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_OWN_VARIABLES = ("PULUMI_", "SCW_", "SNU_")


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without anything that would point a test at somebody's real account or state."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_OWN_VARIABLES)}
    return kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"} | extra
