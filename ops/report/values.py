"""Property values as text; nothing secret is ever shown."""

from __future__ import annotations

import json
from typing import Any

from ops.report.text import safe

SECRET = "[secret]"  # noqa: S105 - what is shown instead of one
"""What stands in place of a secret."""

ABOUT = "about"
"""In a secret: what may be said of it, such as the key under which it is kept."""

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
"""What a preview cannot know yet, by the text that stands for it."""
_LONGEST = 200
_CONTEXT = 40
"""So much is shown of what two long values have in common, before they differ."""


def is_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get(_SIGNATURE) == _SECRET_SIGNATURE
    return bool(value == SECRET)


def is_unknown(value: Any) -> bool:
    """Whether it stands for what a preview cannot know yet."""
    return isinstance(value, str) and value in _UNKNOWN


def shown(value: Any) -> str:
    """The value on one line, long ones cut."""
    return _cut(safe(_shown(value)))


def shown_both(old: Any, new: Any) -> tuple[str, str]:
    """Two values as ``shown``; where both are long and begin alike, from shortly before they differ."""
    before, after = safe(_shown(old)), safe(_shown(new))
    alike = next((place for place, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    start = alike - _CONTEXT
    if alike < _LONGEST // 2 or max(len(before), len(after)) <= _LONGEST:
        start = 0
    return _cut(before, start), _cut(after, start)


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
