"""Property values as text; secrets are never shown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ops.report.text import safe

SECRET = "[secret]"  # noqa: S105 - what is shown instead of one
"""Shown instead of a secret."""

ABOUT = "about"
"""Key in a secret for information that may be shown, such as the name under which it is stored."""

Versions = Mapping[str, str]
"""Image versions by digest."""
NO_VERSIONS: Versions = MappingProxyType({})

_IMAGE = re.compile(r"[\w.:/-]+/(?P<name>[\w.-]+)@(?P<digest>sha256:[0-9a-f]{64})", re.ASCII)
_DIGEST_SHOWN = 6
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - marks one in Pulumi's JSON
_UNKNOWN = {
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9": "output<string>",
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7": "output<bool>",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421": "output<number>",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2": "output<array>",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff": "output<object>",
    "030794c1-ac77-496b-92df-f27374a8bd58": "output<asset>",
    "e48ece36-62e2-4504-bad9-02848725956a": "output<archive>",
}
"""The text shown for values that a preview does not know yet, by Pulumi marker."""
_LONGEST = 200
_CONTEXT = 40
"""Number of characters shown from the common prefix of two long values."""


def is_secret(value: Any) -> bool:
    """Whether the value is a secret, encoded or masked."""
    if isinstance(value, dict):
        return value.get(_SIGNATURE) == _SECRET_SIGNATURE
    return bool(value == SECRET)


def is_unknown(value: Any) -> bool:
    """Whether a preview does not know the value yet."""
    return isinstance(value, str) and value in _UNKNOWN


def shown(value: Any) -> str:
    """The value on one line; long values are cut."""
    return _cut(safe(_shown(value)))


def shown_both(old: Any, new: Any, versions: Versions = NO_VERSIONS) -> tuple[str, str]:
    """Two values formatted as in ``shown``; long values with a common prefix are cut to start just before they differ.

    Two digests of the same image are shortened to ``api v1`` and ``v2 (a01b67)``, using known versions.
    """
    if (images := _images(old, new, versions)) is not None:
        return images
    before, after = safe(_shown(old)), safe(_shown(new))
    first_difference = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    start = first_difference - _CONTEXT
    if first_difference < _LONGEST // 2 or max(len(before), len(after)) <= _LONGEST:
        start = 0
    return _cut(before, start), _cut(after, start)


def _images(old: Any, new: Any, versions: Versions) -> tuple[str, str] | None:
    """Two digest references to the same image, shortened; None for other values."""
    matches = [_IMAGE.fullmatch(value) if isinstance(value, str) else None for value in (old, new)]
    before, after = matches
    if before is None or after is None or before["name"] != after["name"] or before["digest"] == after["digest"]:
        return None
    digests = [match["digest"].removeprefix("sha256:")[:_DIGEST_SHOWN] for match in (before, after)]
    first, second = (safe(versions.get(match["digest"], "")) for match in (before, after))
    if first and second and first != second:
        return f"{before['name']} {first}", f"{second} ({digests[1]})"
    return f"{before['name']} {digests[0]}", digests[1]


def _cut(text: str, start: int = 0) -> str:
    lead = "…" if start else ""
    if len(text) - start <= _LONGEST:
        return f"{lead}{text[start:]}"
    return f"{lead}{text[start : start + _LONGEST]}… ({len(text)} characters)"


def _shown(value: Any) -> str:
    if is_secret(value):
        about = value.get(ABOUT) if isinstance(value, dict) else None
        return f"[secret: {about}]" if about else SECRET
    if isinstance(value, str):
        return _UNKNOWN.get(value) or json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)
