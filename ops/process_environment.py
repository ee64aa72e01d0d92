"""The variables of this process."""

from __future__ import annotations

import os
from collections.abc import Mapping

SIGNING_KEY = "SNU_PLAN_SIGNING_KEY"
"""With the key that signs plans: base64 of its 32 bytes. With ``_FILE`` behind it, the path of a file that holds it."""
IDENTITY = "SNU_PLAN_IDENTITY"
"""With the age identity that decrypts plans; ``_FILE`` as above."""
TOKEN, TOKEN_FILE = "GITHUB_TOKEN", "SNU_GITHUB_TOKEN_FILE"
"""With the token for GitHub, or the path of a file that holds it."""
OWN_SECRETS = (
    SIGNING_KEY,
    f"{SIGNING_KEY}_FILE",
    IDENTITY,
    f"{IDENTITY}_FILE",
    TOKEN,
    TOKEN_FILE,
    "GH_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
)
"""Variables that this command alone reads: no engine, plugin or program gets them."""

_LOOPBACK = ("localhost", ".localhost", "127.0.0.1", "::1")
"""Hosts of this machine; the local Scaleway's containers have names below ``.localhost``."""
_EXEMPTIONS = ("no_proxy", "NO_PROXY")
"""gRPC reads only the first one, httpx prefers it, and other clients take either."""


def process_environment() -> dict[str, str]:
    """A copy, which is handed on as a value: nothing else of the command reads the variables."""
    return dict(os.environ)


def bypass_proxies() -> None:
    """Exempt this machine from the proxies of this process, and of those that it starts.

    The variables are changed once, when the command starts: each library reads them by itself.
    """
    listed = [host.strip() for variable in _EXEMPTIONS for host in os.environ.get(variable, "").split(",")]
    exempt = ",".join(dict.fromkeys(host for host in (*listed, *_LOOPBACK) if host))
    os.environ.update(dict.fromkeys(_EXEMPTIONS, exempt))


def without_own_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """What other programs get, which work with the cloud and the state."""
    return {name: value for name, value in environ.items() if name not in OWN_SECRETS}
