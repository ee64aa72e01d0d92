"""This process's environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping

SIGNING_KEY = "SNU_PLAN_SIGNING_KEY"
"""Key that signs plans: 32 bytes in base64. With the suffix ``_FILE``, the path of a file containing the key."""
IDENTITY = "SNU_PLAN_IDENTITY"
"""age identity that decrypts plans; the suffix ``_FILE`` works as above."""
TOKEN, TOKEN_FILE = "GITHUB_TOKEN", "SNU_GITHUB_TOKEN_FILE"
"""GitHub token, or the path of a file containing it."""
LOGS_URL, LOGS_TOKEN = "SNU_LOGS_URL", "SNU_LOGS_TOKEN"
"""Address of an environment's logs, and the Cockpit token that queries them. They replace those in Secret Manager."""
OWN_SECRETS = (
    SIGNING_KEY,
    f"{SIGNING_KEY}_FILE",
    IDENTITY,
    f"{IDENTITY}_FILE",
    TOKEN,
    TOKEN_FILE,
    LOGS_URL,
    LOGS_TOKEN,
    "GH_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
)
"""Variables that only this command reads; they are not passed to engines, plugins or programs."""

_LOOPBACK = ("localhost", ".localhost", "127.0.0.1", "::1")
"""This machine's host names and addresses; the local Scaleway's containers have names under ``.localhost``."""
_EXEMPTIONS = ("no_proxy", "NO_PROXY")
"""gRPC reads only the first variable, httpx prefers it, and other clients accept either."""


def process_environment() -> dict[str, str]:
    """A copy of the environment, to be passed around as a value: no other code reads the variables."""
    return dict(os.environ)


def bypass_proxies() -> None:
    """Exempt this machine's own addresses from proxies, for this process and its child processes.

    The variables are set once at startup, because each library reads them directly.
    """
    listed = [host.strip() for variable in _EXEMPTIONS for host in os.environ.get(variable, "").split(",")]
    exempt = ",".join(dict.fromkeys(host for host in (*listed, *_LOOPBACK) if host))
    os.environ.update(dict.fromkeys(_EXEMPTIONS, exempt))


def without_own_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for other programs that access Scaleway and the state."""
    return {name: value for name, value in environ.items() if name not in OWN_SECRETS}
