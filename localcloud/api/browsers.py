"""Rejects requests from web pages: the local Scaleway's keys are public, and any page can send requests to localhost.

The headers are enough: only browsers send ``Origin`` and ``Sec-Fetch-Site``, and ``Host`` reveals DNS rebinding.
"""

from __future__ import annotations

import re

_LOOPBACK_HOST = re.compile(r"(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_SAME_SITE = ("same-origin", "none")
"""``none``: the user opened the address directly."""
_MAX_SHOWN = 100


def is_loopback(host: str) -> bool:
    """Whether a ``Host`` header, with or without a port, refers to this machine."""
    return _LOOPBACK_HOST.fullmatch(host) is not None


def rejection_reason(host: str | None, origin: str | None, site: str | None) -> str | None:
    """The reason to reject a request with these ``Host``, ``Origin`` and ``Sec-Fetch-Site`` headers, or None."""
    if host is not None and not is_loopback(host):
        return f"Host is {_shown(host)}; expected 127.0.0.1, localhost or [::1]"
    if origin is not None:
        return f"Origin is {_shown(origin)}; expected none: the local Scaleway rejects requests from web pages"
    if site is not None and site not in _SAME_SITE:
        return f"Sec-Fetch-Site is {_shown(site)}; expected {' or '.join(_SAME_SITE)}: open the address directly"
    return None


def _shown(value: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in value[:_MAX_SHOWN])
