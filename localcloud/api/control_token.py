"""The token of the control API: what changes something takes it, so only who may read the data folder can."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEADER = "X-Control-Token"
FILE = "control-token"


def make_token(data: Path) -> str:
    """A new token, in a file of the data folder that nobody else may read."""
    path = data / FILE
    path.unlink(missing_ok=True)
    token = secrets.token_urlsafe(32)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
    return token


def control_headers(health: Mapping[str, Any]) -> dict[str, str]:
    """The header of requests that change something, by the answer of ``/_local/health``.

    Empty where the token cannot be read: the local Scaleway then says which file has it.
    """
    try:
        return {HEADER: (Path(str(health.get("data"))) / FILE).read_text()}
    except OSError:
        return {}
