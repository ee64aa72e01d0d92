"""Tells addresses of this machine, such as the local Scaleway's, from all others."""

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_local_scaleway(api_url: str | None) -> bool:
    """Whether the address of Scaleway's API is that of a local Scaleway."""
    return is_loopback(urlsplit(api_url or "").hostname or "")
