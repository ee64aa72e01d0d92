"""How a property is written to the API and read back from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Convert = Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Field:
    """One property of a resource type."""

    name: str
    """In Pulumi, such as ``minScale``."""
    api: str = ""
    """In the API, such as ``min_scale``; derived from ``name`` when empty."""
    write: Convert = _same
    read: Convert = _same
    computed: bool = False
    """Where the program is silent, the platform decides."""
    default: Any = None
    """What the provider sends where the program is silent."""
    checked_default: bool = False
    """The default stands in the checked inputs too, not only in the outputs."""
    sent: bool = True
    """Part of the body that creates the resource."""
    update: str = ""
    """Its name in the body that changes the resource, where that is another one."""
    empty: Any = None
    """What the state holds where the platform says nothing."""
    answered: bool = True
    """Part of the platform's answers; otherwise the state keeps what the program said."""
    normal: Convert = _same
    """Brings a value into the form in which the parts of two are compared."""
    is_set: bool = False
    """A set of objects: what an element does not say, it does not have."""
    sets: tuple[str, ...] = ()
    """Properties inside of it that are sets of strings."""
    equal: Callable[[Any, Any], bool] | None = None
    """Whether a value in the state and one of the program mean the same."""

    @property
    def key(self) -> str:
        return self.api or snake_case(self.name)


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda found: f"_{found[1].lower()}", name)


def none_if_empty(value: Any) -> Any:
    """An empty list is not kept."""
    return value or None


def bare_id(value: Any) -> Any:
    """``fr-par/<id>`` without its region."""
    return value.rpartition("/")[2] if isinstance(value, str) else value


def same_id(old: Any, new: Any) -> bool:
    return bool(bare_id(old) == bare_id(new))


def seconds(value: Any) -> str:
    """A duration in the API: ``60.000000000s``."""
    return f"{float(value):.9f}s"


def from_seconds(value: Any) -> Any:
    return int(float(value.removesuffix("s"))) if isinstance(value, str) else value


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_duration(text: str) -> float:
    """Seconds of a Go duration such as ``1m30s``. Raises ValueError."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def go_duration(total: float) -> str:
    """Seconds as Go prints a duration: ``2h0m0s``, ``1m30s``, ``10s``."""
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
