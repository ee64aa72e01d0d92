"""Property values as text; nothing secret is ever shown."""

from __future__ import annotations

import json
from typing import Any

SECRET = "[secret]"  # noqa: S105 - what is shown instead of one
"""What stands in place of a secret."""

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


def is_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get(_SIGNATURE) == _SECRET_SIGNATURE
    return bool(value == SECRET)


def shown(value: Any) -> str:
    """The value on one line, long ones cut."""
    text = _shown(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def _shown(value: Any) -> str:
    if is_secret(value):
        return SECRET
    if isinstance(value, str):
        return _UNKNOWN.get(value) or json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)
