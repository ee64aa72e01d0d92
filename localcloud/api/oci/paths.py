"""Parses paths as defined by the spec ("Endpoints"), and names, tags and digests ("Pulling manifests").

The handlers of the paths are in the modules ``*_routes``; ``service`` selects them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from localcloud.api.oci.errors import OciError, name_invalid

PREFIX = "/v2"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_MAX_NAME_LENGTH = 255
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")

_ENDPOINTS = [
    (name, re.compile(rf"{PREFIX}/(?P<name>.+)/{tail}"))
    for name, tail in {
        "uploads": r"blobs/uploads/?",
        "upload": r"blobs/uploads/(?P<upload>[^/]+)",
        "blob": r"blobs/(?P<digest>[^/]+)",
        "manifest": r"manifests/(?P<reference>[^/]+)",
        "tags": r"tags/list",
        "referrers": r"referrers/(?P<digest>[^/]+)",
    }.items()
]


@dataclass(frozen=True)
class RegistryPath:
    """A parsed path."""

    endpoint: str
    """One of ``ping``, ``uploads``, ``upload``, ``blob``, ``manifest``, ``tags`` or ``referrers``."""
    name: str = ""
    """The repository."""
    values: dict[str, str] = field(default_factory=dict)
    """Path parameters: ``upload``, ``digest`` or ``reference``."""


def is_registry_path(path: str) -> bool:
    """Whether a path belongs to the registry."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def parse(path: str) -> RegistryPath:
    """Parse a path. Raises ``NAME_INVALID`` for a malformed repository name and 404 for an unknown endpoint."""
    if path.rstrip("/") == PREFIX:
        return RegistryPath("ping")
    for endpoint, pattern in _ENDPOINTS:
        if match := pattern.fullmatch(path):
            values = match.groupdict()
            name = values.pop("name")
            if not is_name(name):
                raise name_invalid(name)
            return RegistryPath(endpoint, name, values)
    raise OciError(404, "UNSUPPORTED", "the registry has no such endpoint")


def is_name(name: str) -> bool:
    return len(name) <= _MAX_NAME_LENGTH and _NAME.fullmatch(name) is not None


def is_tag(reference: str) -> bool:
    return _TAG.fullmatch(reference) is not None


def is_digest(text: str) -> bool:
    """Whether a string is a SHA-256 digest. Registries are not required to support any other algorithm."""
    return _DIGEST.fullmatch(text) is not None
