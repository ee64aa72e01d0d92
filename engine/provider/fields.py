"""Conversion of properties between Pulumi and the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Convert = Callable[[Any], Any]


def _identity(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Field:
    """One property of a resource type."""

    name: str
    """Name in Pulumi, such as ``minScale``."""
    api: str = ""
    """Name in the API, such as ``min_scale``; derived from ``name`` if empty."""
    write: Convert = _identity
    read: Convert = _identity
    computed: bool = False
    """Whether the platform chooses the value if the program does not set it."""
    default: Any = None
    """Value that the provider sends if the program does not set one."""
    checked_default: bool = False
    """Whether the default is also in the checked inputs, not only in the outputs."""
    sent: bool = True
    """Whether the creation request includes the property."""
    update: str = ""
    """Name in the update request, if different."""
    empty: Any = None
    """Value in the state if the response does not contain one."""
    answered: bool = True
    """Whether responses contain the property; otherwise the state keeps the program's value."""
    normal: Convert = _identity
    """Normalizes a value before its parts are compared."""
    is_set: bool = False
    """Whether the property is a set of objects in which a missing nested property counts as removed."""
    sets: tuple[str, ...] = ()
    """Nested properties that are sets of strings."""
    equal: Callable[[Any, Any], bool] | None = None
    """Compares the value in the state with the program's value."""

    @property
    def key(self) -> str:
        """The name in the API."""
        return self.api or snake_case(self.name)


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda capital: f"_{capital[1].lower()}", name)


def none_if_empty(value: Any) -> Any:
    """Omit an empty list from the state."""
    return value or None


def bare_id(value: Any) -> Any:
    """Strip the region from ``fr-par/<id>``."""
    return value.rpartition("/")[2] if isinstance(value, str) else value


def same_id(old: Any, new: Any) -> bool:
    return bool(bare_id(old) == bare_id(new))


def seconds(value: Any) -> str:
    """Format seconds as the API does: ``60.000000000s``."""
    return f"{float(value):.9f}s"


def from_seconds(value: Any) -> Any:
    return int(float(value.removesuffix("s"))) if isinstance(value, str) else value


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_duration(text: str) -> float:
    """Parse a Go duration such as ``1m30s`` into seconds. Raises ValueError."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def go_duration(total: float) -> str:
    """Format seconds as Go formats a duration: ``2h0m0s``, ``1m30s``, ``10s``."""
    whole = int(total)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{secs}s"
    return f"{minutes}m{secs}s" if minutes else f"{secs}s"


def write_duration(text: Any) -> Any:
    return seconds(parse_duration(text)) if isinstance(text, str) else text


def read_duration(text: Any) -> Any:
    return go_duration(float(text.removesuffix("s"))) if isinstance(text, str) else text


def same_duration(old: Any, new: Any) -> bool:
    try:
        return parse_duration(old) == parse_duration(new)
    except (TypeError, ValueError):
        return bool(old == new)
