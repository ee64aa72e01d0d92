"""Checks of request bodies: each product declares the fields of its bodies once, for POST and PATCH.

Written by hand because a validation library costs more time to import than this whole server to start.
``create`` gives every field (defaults filled in), ``update`` only those that the request has. All problems of a
body are reported in one ``invalid_arguments``. A word ``unknown…`` and ``null`` mean "not given" everywhere, as the
clients send them so. Values are never quoted in messages: they may be secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from localcloud.api.clock import duration, parse_duration, parse_timestamp
from localcloud.api.errors import Problem, invalid_arguments
from scaleway_facts.fact import Limit

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass
class Problems:
    """Collects what is wrong with a body."""

    found: list[Problem] = field(default_factory=list)

    def add(self, argument: str, help_message: str = "", reason: str = "constraint") -> None:
        self.found.append(Problem(argument, help_message, reason))

    def raise_if_any(self) -> None:
        if self.found:
            raise invalid_arguments(*self.found)


@dataclass(frozen=True, kw_only=True)
class Field:
    """Any JSON value."""

    required: bool = False
    default: Any = None

    def given(self, value: Any) -> bool:
        return value is not None

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        """The value as it is kept; what is wrong goes to ``problems``."""
        return value


@dataclass(frozen=True, kw_only=True)
class Text(Field):
    default: Any = ""
    longest: int = 65_536
    shortest: int = 0
    pattern: str = ""
    meaning: str = ""
    """What the pattern asks for, in words."""

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if not isinstance(value, str):
            problems.add(name, "must be a string", "format")
        elif self.required and not value:
            problems.add(name, reason="required")
        elif len(value) > self.longest:
            problems.add(name, f"must be at most {self.longest} characters")
        elif len(value) < self.shortest:
            problems.add(name, f"must be at least {self.shortest} characters")
        elif self.pattern and not re.fullmatch(self.pattern, value):
            problems.add(name, self.meaning or f"must match {self.pattern}")
        return value


@dataclass(frozen=True, kw_only=True)
class Uuid(Field):
    def given(self, value: Any) -> bool:
        return value not in (None, "")

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if not isinstance(value, str) or not _UUID.fullmatch(value):
            problems.add(name, "must be a UUID", "format")
            return value
        return value.lower()


@dataclass(frozen=True, kw_only=True)
class EnumField(Field):
    """One of a set of words."""

    words: tuple[str, ...]

    def given(self, value: Any) -> bool:
        return value is not None and not (isinstance(value, str) and value.startswith("unknown"))

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if value not in self.words:
            problems.add(name, f"must be one of {', '.join(self.words)}")
        return value


@dataclass(frozen=True, kw_only=True)
class Integer(Field):
    least: int = 0
    most: int = 2**63 - 1
    forbidden: tuple[int, ...] = ()

    @classmethod
    def within(cls, limit: Limit, unit: int = 1, **others: Any) -> Self:
        """A field that counts in ``unit``s what the limit states, with its default."""
        default = None if limit.default is None else limit.default * unit
        return cls(**{"least": limit.least * unit, "most": limit.most * unit, "default": default, **others})

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            problems.add(name, "must be an integer", "format")
        elif not self.least <= value <= self.most:
            problems.add(name, f"must be between {self.least} and {self.most}")
        elif value in self.forbidden:
            problems.add(name, f"must not be one of {', '.join(map(str, self.forbidden))}")
        return value


@dataclass(frozen=True, kw_only=True)
class Boolean(Field):
    default: Any = False

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if not isinstance(value, bool):
            problems.add(name, "must be a boolean", "format")
        return value


@dataclass(frozen=True, kw_only=True)
class Duration(Field):
    """Kept as ``"60s"``; limits in seconds."""

    least: float = 0
    most: float = float("inf")

    @classmethod
    def within(cls, limit: Limit, **others: Any) -> Self:
        """A field in the seconds that the limit states, with its default."""
        default = None if limit.default is None else duration(limit.default)
        return cls(**{"least": limit.least, "most": limit.most, "default": default, **others})

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        try:
            seconds = parse_duration(value)
        except (ValueError, TypeError):
            problems.add(name, "must be a duration in seconds, such as 60s", "format")
            return value
        if not self.least <= seconds <= self.most:
            problems.add(name, f"must be between {duration(self.least)} and {duration(self.most)}")
        return duration(seconds)


@dataclass(frozen=True, kw_only=True)
class Timestamp(Field):
    def check(self, name: str, value: Any, problems: Problems) -> Any:
        try:
            parse_timestamp(value)
        except (ValueError, TypeError):
            problems.add(name, "must be a time in RFC 3339", "format")
        return value


@dataclass(frozen=True, kw_only=True)
class Array(Field):
    """A list whose items are all of one field type."""

    of: Field = field(default_factory=Text)
    default: Any = field(default_factory=list)
    most: int = 1_000

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if not isinstance(value, list):
            problems.add(name, "must be a list", "format")
            return []
        if len(value) > self.most:
            problems.add(name, f"must have at most {self.most} items")
        sound = []
        for index, item in enumerate(value):
            before = len(problems.found)
            checked = self.of.check(f"{name}[{index}]", item, problems)
            if len(problems.found) == before:
                sound.append(checked)
        return sound


@dataclass(frozen=True, kw_only=True)
class StringMap(Field):
    """An object whose values are all strings."""

    default: Any = field(default_factory=dict)

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            problems.add(name, "must be an object of strings", "format")
            return {}
        return value


class Body:
    """The fields of one kind of body."""

    def __init__(self, **fields: Field) -> None:
        self.fields: Mapping[str, Field] = fields

    def create(self, body: Mapping[str, Any], problems: Problems | None = None, prefix: str = "") -> dict[str, Any]:
        """Every field, with its default where the body has none. Raises unless ``problems`` collects."""
        own = problems or Problems()
        values: dict[str, Any] = {}
        for name, spec in self.fields.items():
            value = body.get(name)
            if spec.given(value):
                values[name] = spec.check(prefix + name, value, own)
            elif spec.required:
                own.add(prefix + name, reason="required")
            else:
                values[name] = spec.default
        if problems is None:
            own.raise_if_any()
        return values

    def update(self, body: Mapping[str, Any], problems: Problems | None = None) -> dict[str, Any]:
        """Only the fields that the body gives. Raises unless ``problems`` collects."""
        own = problems or Problems()
        values = {
            name: spec.check(name, body[name], own) for name, spec in self.fields.items() if spec.given(body.get(name))
        }
        if problems is None:
            own.raise_if_any()
        return values


@dataclass(frozen=True, kw_only=True)
class Nested(Field):
    """An object with fields of its own; absent optional fields stay absent in what is kept."""

    body: Body

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if not isinstance(value, dict):
            problems.add(name, "must be an object", "format")
            return value
        values = self.body.create(value, problems, f"{name}.")
        return {key: item for key, item in values.items() if item is not None}


def objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A field that is a list of objects; absent or null = empty. Raises ``invalid_arguments``."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid_arguments(Problem(name, "must be a list of objects", "format"))
    return value
