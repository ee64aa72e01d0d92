"""Validation of request bodies: each product declares the fields of a body once, for POST and PATCH.

Hand-written because importing a validation library takes longer than starting this server. ``create`` returns all
fields, including defaults, and ``update`` only those in the request. All problems in a body are reported in one
``invalid_arguments`` error. As clients expect, ``null`` means "not given", as does ``unknown…`` for an enum. Messages
never quote values, which may be secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from localcloud.api.errors import Problem, invalid_arguments
from localcloud.api.timestamps import duration, parse_duration, parse_timestamp
from scaleway_facts.fact import Limit

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass
class Problems:
    """Collects the problems found in a body."""

    items: list[Problem] = field(default_factory=list)

    def add(self, argument: str, help_message: str = "", reason: str = "constraint") -> None:
        self.items.append(Problem(argument, help_message, reason))

    def raise_if_any(self) -> None:
        if self.items:
            raise invalid_arguments(*self.items)


@dataclass(frozen=True, kw_only=True)
class Field:
    """Any JSON value."""

    required: bool = False
    default: Any = None

    def is_given(self, value: Any) -> bool:
        return value is not None

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        """Add any problem with the value to ``problems``, and return the value to store."""
        return value


@dataclass(frozen=True, kw_only=True)
class Text(Field):
    default: Any = ""
    max_length: int = 65_536
    min_length: int = 0
    pattern: str = ""
    message: str = ""
    """A description of what the pattern requires."""

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if not isinstance(value, str):
            problems.add(name, "must be a string", "format")
        elif self.required and not value:
            problems.add(name, reason="required")
        elif len(value) > self.max_length:
            problems.add(name, f"must be at most {self.max_length} characters")
        elif len(value) < self.min_length:
            problems.add(name, f"must be at least {self.min_length} characters")
        elif self.pattern and not re.fullmatch(self.pattern, value):
            problems.add(name, self.message or f"must match {self.pattern}")
        return value


@dataclass(frozen=True, kw_only=True)
class Uuid(Field):
    def is_given(self, value: Any) -> bool:
        return value not in (None, "")

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if not isinstance(value, str) or not _UUID.fullmatch(value):
            problems.add(name, "must be a UUID", "format")
            return value
        return value.lower()


@dataclass(frozen=True, kw_only=True)
class EnumField(Field):
    """One of a set of values."""

    values: tuple[str, ...]

    def is_given(self, value: Any) -> bool:
        return value is not None and not (isinstance(value, str) and value.startswith("unknown"))

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if value not in self.values:
            problems.add(name, f"must be one of {', '.join(self.values)}")
        return value


@dataclass(frozen=True, kw_only=True)
class Integer(Field):
    minimum: int = 0
    maximum: int = 2**63 - 1
    forbidden: tuple[int, ...] = ()

    @classmethod
    def within(cls, limit: Limit, unit: int = 1, **others: Any) -> Self:
        """A field with the range and default of ``limit``, in multiples of ``unit``."""
        default = None if limit.default is None else limit.default * unit
        return cls(**{"minimum": limit.least * unit, "maximum": limit.most * unit, "default": default, **others})

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            problems.add(name, "must be an integer", "format")
        elif not self.minimum <= value <= self.maximum:
            problems.add(name, f"must be between {self.minimum} and {self.maximum}")
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
    """A duration, stored as ``"60s"``. Limits are in seconds."""

    minimum: float = 0
    maximum: float = float("inf")

    @classmethod
    def within(cls, limit: Limit, **others: Any) -> Self:
        """A field with the range and default of ``limit``, in seconds."""
        default = None if limit.default is None else duration(limit.default)
        return cls(**{"minimum": limit.least, "maximum": limit.most, "default": default, **others})

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        try:
            seconds = parse_duration(value)
        except (ValueError, TypeError):
            problems.add(name, "must be a duration in seconds, such as 60s", "format")
            return value
        if not self.minimum <= seconds <= self.maximum:
            problems.add(name, f"must be between {duration(self.minimum)} and {duration(self.maximum)}")
        return duration(seconds)


@dataclass(frozen=True, kw_only=True)
class Timestamp(Field):
    def check(self, name: str, value: Any, problems: Problems) -> Any:
        try:
            parse_timestamp(value)
        except (ValueError, TypeError):
            problems.add(name, "must be a time in RFC 3339 format", "format")
        return value


@dataclass(frozen=True, kw_only=True)
class Array(Field):
    """A list whose items have the same field type."""

    of: Field = field(default_factory=Text)
    default: Any = field(default_factory=list)
    maximum: int = 1_000

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if not isinstance(value, list):
            problems.add(name, "must be a list", "format")
            return []
        if len(value) > self.maximum:
            problems.add(name, f"must have at most {self.maximum} items")
        valid = []
        for index, item in enumerate(value):
            before = len(problems.items)
            checked = self.of.check(f"{name}[{index}]", item, problems)
            if len(problems.items) == before:
                valid.append(checked)
        return valid


@dataclass(frozen=True, kw_only=True)
class StringMap(Field):
    """An object whose values are all strings."""

    default: Any = field(default_factory=dict)

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            problems.add(name, "must be an object with string values", "format")
            return {}
        return value


class Body:
    """The fields of a request body."""

    def __init__(self, **fields: Field) -> None:
        self.fields: Mapping[str, Field] = fields

    def create(self, body: Mapping[str, Any], problems: Problems | None = None, prefix: str = "") -> dict[str, Any]:
        """All fields, including defaults. Raises ``invalid_arguments`` unless ``problems`` is given."""
        collector = problems or Problems()
        values: dict[str, Any] = {}
        for name, field_type in self.fields.items():
            value = body.get(name)
            if field_type.is_given(value):
                values[name] = field_type.check(prefix + name, value, collector)
            elif field_type.required:
                collector.add(prefix + name, reason="required")
            else:
                values[name] = field_type.default
        if problems is None:
            collector.raise_if_any()
        return values

    def update(self, body: Mapping[str, Any], problems: Problems | None = None) -> dict[str, Any]:
        """Only the fields in the body. Raises ``invalid_arguments`` unless ``problems`` is given."""
        collector = problems or Problems()
        values = {
            name: field_type.check(name, body[name], collector)
            for name, field_type in self.fields.items()
            if field_type.is_given(body.get(name))
        }
        if problems is None:
            collector.raise_if_any()
        return values


@dataclass(frozen=True, kw_only=True)
class Nested(Field):
    """An object with its own fields. Absent optional fields are not stored."""

    body: Body

    def check(self, name: str, value: Any, problems: Problems) -> Any:
        if not isinstance(value, dict):
            problems.add(name, "must be an object", "format")
            return value
        values = self.body.create(value, problems, f"{name}.")
        return {key: item for key, item in values.items() if item is not None}


def objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects; empty if absent or null. Raises ``invalid_arguments``."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid_arguments(Problem(name, "must be a list of objects", "format"))
    return value
