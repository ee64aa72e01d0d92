"""The variables of this process."""

from __future__ import annotations

import os
from collections.abc import Mapping

OWN_SECRETS = (
    "SNU_PLAN_SIGNING_KEY",
    "SNU_PLAN_SIGNING_KEY_FILE",
    "SNU_PLAN_IDENTITY",
    "SNU_PLAN_IDENTITY_FILE",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "SNU_GITHUB_TOKEN_FILE",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
)
"""Variables that this command alone reads: no engine, plugin or program gets them."""


def process_environment() -> dict[str, str]:
    """A copy, which is handed on as a value: nothing else of the command reads them, and nothing changes them."""
    return dict(os.environ)


def without_own_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """What other programs get, which work with the cloud and the state."""
    return {name: value for name, value in environ.items() if name not in OWN_SECRETS}
