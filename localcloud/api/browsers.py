"""Keeps web pages away from the local Scaleway: its keys are public, and every page may send requests to loopback.

What a browser says of itself suffices: programs send no ``Origin`` and no ``Sec-Fetch-Site``, and a page whose own
host name was pointed at this machine (DNS rebinding) gives itself away by its ``Host``.
"""

from __future__ import annotations

import re

_LOOPBACK_HOST = re.compile(r"(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_SAME_SITE = ("same-origin", "none")
"""``none``: the user typed the address."""
_SHOWN_CHARACTERS = 100


def is_loopback(host: str) -> bool:
    """Whether a ``Host`` header, with or without a port, names this machine."""
    return _LOOPBACK_HOST.fullmatch(host) is not None


def refusal(host: str | None, origin: str | None, site: str | None) -> str | None:
    """Why a request is refused, by its headers ``Host``, ``Origin`` and ``Sec-Fetch-Site``; ``None`` if it is not."""
    if host is not None and not is_loopback(host):
        return f"Host is {_shown(host)}; expected 127.0.0.1, localhost or [::1]"
    if origin is not None:
        return f"Origin is {_shown(origin)}; expected none: the local Scaleway does not answer web pages"
    if site is not None and site not in _SAME_SITE:
        return f"Sec-Fetch-Site is {_shown(site)}; expected {' or '.join(_SAME_SITE)}: open the address directly"
    return None


def _shown(value: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in value[:_SHOWN_CHARACTERS])
