"""The control API's token. Requests that change state require it, so callers need read access to the data folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEADER = "X-Control-Token"
FILE = "control-token"


def make_token(data: Path) -> str:
    """Create a new token in a file that only its owner can read."""
    path = data / FILE
    path.unlink(missing_ok=True)
    token = secrets.token_urlsafe(32)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
    return token


def control_headers(health: Mapping[str, Any]) -> dict[str, str]:
    """The header for requests that change state. ``health``: the response of ``/_local/health``.

    Empty if the token cannot be read; the server's error response then names the token file.
    """
    try:
        return {HEADER: (Path(str(health.get("data"))) / FILE).read_text()}
    except OSError:
        return {}
