"""Problems in a stack's settings: the location, the value found and the allowed values.

Converts pydantic's errors; the types themselves (`limits.Allowed`) describe the allowed values. Secret values never
appear in a problem.
"""

import difflib
import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from infra.settings.limits import Allowed

FILE = "file"
"""The key for problems with the file as a whole."""
MISSING = "missing"
"""Value of `found` for a missing required key."""
_LONGEST_VALUE = 60
_LAST_PART = re.compile(r"(?:\.[^.\[\]]+|\[\d+\])$")
_NOT_QUOTED = {"int_type": "a number", "bool_type": "a boolean"}
"""Descriptions of types whose values must not be quoted, by pydantic error type."""
_KINDS = {
    bool: "`true` or `false`",
    int: "an integer",
    str: "a string",
    dict: "an object (`key: value` lines)",
    list: "a list",
}


@dataclass(frozen=True)
class Problem:
    """One problem in a stack's settings."""

    file: str
    key: str
    """Path of the key, like `snu:apps.api.memory`."""
    found: str
    allowed: str
    line: int | None = None
    remedy: str = ""
    """How to fix the problem; replaces the allowed values in the message."""

    def __str__(self) -> str:
        location = self.file if self.line is None else f"{self.file}:{self.line}"
        key = "" if self.key == FILE else f" {self.key}:"
        found = self.found if self.found.startswith(MISSING) else f"found {self.found}"
        return f"{location}:{key} {found}; {self.remedy or f'allowed: {self.allowed}'}"


class SettingsError(Exception):
    """Raised if a stack's settings are invalid. The message lists all problems, which are also in `errors`."""

    def __init__(self, errors: Iterable[Problem]) -> None:
        self.errors = sorted(
            set(errors), key=lambda problem: (problem.file, problem.line or 0, problem.key, problem.found)
        )
        files = sorted({problem.file for problem in self.errors})
        count = f"{len(self.errors)} problem{'s' if len(self.errors) > 1 else ''}"
        lines = [f"{count} in {', '.join(files)}:", *(f"  {problem}" for problem in self.errors)]
        super().__init__("\n".join(lines))


class SettingLocation(NamedTuple):
    """A location in the settings: the key's path, its type and the type's metadata."""

    key: str
    annotation: Any
    metadata: tuple[Any, ...]

    @property
    def is_secret(self) -> bool:
        return self.annotation is SecretStr

    @property
    def allowed(self) -> str | None:
        """A description of the allowed values, if the type has one."""
        for item in self.metadata:
            if isinstance(item, Allowed):
                return item.text
        if get_origin(self.annotation) is Literal:
            *others, last = (f"`{value}`" for value in get_args(self.annotation))
            return f"{', '.join(others)} or {last}" if others else last
        if isinstance(self.annotation, type) and issubclass(self.annotation, BaseModel):
            return f"an object with the keys {_listed(keys_of(self.annotation))}"
        return _KINDS.get(get_origin(self.annotation) or self.annotation)


def unwrap(annotation: Any, metadata: Sequence[Any] = ()) -> tuple[Any, tuple[Any, ...]]:
    """Strips `Annotated` and `| None` from a type; returns the type and all its metadata."""
    collected = tuple(metadata)
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            collected = (*collected, *more)
        elif get_origin(annotation) in (Union, types.UnionType):
            kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
            if len(kinds) > 1:
                return annotation, collected
            annotation = kinds[0]
        else:
            return annotation, collected


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields, by their YAML keys."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def top_level_key(key: str, model: Any = None) -> str:
    """A top-level key, prefixed with its model's namespace, or with `snu:` if the model has none."""
    return key if ":" in key else f"{getattr(model, 'namespace', 'snu:')}{key}"


def find_spot(model: type[BaseModel], location: Sequence[int | str]) -> SettingLocation:
    """Finds the key and type of the setting at the location of a pydantic error."""
    spot = SettingLocation("", model, ())
    for part in location:
        if part == "[key]":  # pydantic's word for "the key itself"
            break
        spot = _step(spot, part)
    return spot


def _step(spot: SettingLocation, part: int | str) -> SettingLocation:
    annotation = spot.annotation
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):  # `part` is pydantic's name for the variant, which is not in the YAML
        for variant in get_args(annotation):
            kind, metadata = unwrap(variant)
            if str(part) in _variant_names(kind, metadata):
                return SettingLocation(spot.key, kind, metadata)
        return spot
    key = _key(spot, part)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = keys_of(annotation).get(str(part))
        if field is not None:
            return SettingLocation(key, *unwrap(field.annotation, field.metadata))
    elif origin in (dict, list):
        return SettingLocation(key, *unwrap(get_args(annotation)[-1]))
    return SettingLocation(key, None, ())


def _key(parent: SettingLocation, part: int | str) -> str:
    if isinstance(part, int):
        return f"{parent.key}[{part}]"
    return f"{parent.key}.{part}" if parent.key else top_level_key(part, parent.annotation)


def _variant_names(kind: Any, metadata: Iterable[Any]) -> Iterator[str]:
    for item in metadata:
        if isinstance(item, Tag):
            yield item.tag
    if isinstance(kind, type) and issubclass(kind, BaseModel) and "kind" in kind.model_fields:
        yield from get_args(kind.model_fields["kind"].annotation)


def located(problem: Problem, file: str, lines: Mapping[str, int]) -> Problem:
    """Adds the line number of a problem's key, or of its closest parent in the file, if the problem is in `file`."""
    key = problem.key
    while key not in lines and (shorter := _LAST_PART.sub("", key)) != key:
        key = shorter
    return replace(problem, line=lines[key]) if problem.file == file and key in lines else problem


def problems_of(error: ValidationError, model: type[BaseModel], file: str) -> list[Problem]:
    """Converts validation errors to problems. A misspelled required key is reported only once, as unknown."""
    errors = error.errors(include_url=False)
    misspelled = {
        (*details["loc"][:-1], _suggestion(details, model))
        for details in errors
        if details["type"] == "extra_forbidden"
    }
    return [
        _problem(details, model, file)
        for details in errors
        if details["type"] != "missing" or details["loc"] not in misspelled
    ]


def _suggestion(details: ErrorDetails, model: type[BaseModel]) -> str | None:
    """The valid key closest to an unknown one."""
    *parent, written = details["loc"]
    keys = {key.casefold(): key for key in keys_of(find_spot(model, parent).annotation)}
    close = difflib.get_close_matches(str(written).casefold(), keys, n=1)
    return keys[close[0]] if close else None


def _problem(details: ErrorDetails, model: type[BaseModel], file: str) -> Problem:
    location, kind, value = details["loc"], details["type"], details["input"]
    spot = find_spot(model, location)
    if kind == "extra_forbidden":
        parent = find_spot(model, location[:-1])
        valid = {name: name if parent.key else top_level_key(name, model) for name in keys_of(parent.annotation)}
        suggestion = _suggestion(details, model)
        remedy = f"did you mean `{valid[suggestion]}`?" if suggestion else ""
        return Problem(file, spot.key, "an unknown key", f"the keys {_listed(valid.values())}", remedy=remedy)
    if location and location[-1] == "[key]":
        return Problem(file, spot.key, f"the name {_shown(value)}", _key_allowed(model, location))
    if kind == "missing":
        return Problem(file, spot.key, MISSING, spot.allowed or "a value")
    if kind == "union_tag_invalid":
        return Problem(file, spot.key, _shown(value), f"kind: {details['ctx']['expected_tags']}")
    if kind == "union_tag_not_found":
        return Problem(file, spot.key, _shown(value), "an object with the key `kind`")
    allowed = spot.allowed or details["msg"]
    if spot.is_secret:
        return Problem(file, spot.key, "[secret]", allowed)
    if kind == "string_type" and isinstance(value, bool | int | float):
        written = json.dumps(value)
        return Problem(file, spot.key, f"`{written}` without quotes", allowed, remedy=f'write "{written}"')
    if kind in _NOT_QUOTED and isinstance(value, str):
        remedy = f"write {_NOT_QUOTED[kind]} without quotes: {allowed}" if _is_scalar(value) else ""
        return Problem(file, spot.key, _found_string(spot, value), allowed, remedy=remedy)
    return Problem(file, spot.key, _found(spot, value), allowed)


def _is_scalar(text: str) -> bool:
    """Whether a string is a boolean or number that was quoted by mistake."""
    return text in ("true", "false") or text.removeprefix("-").isdigit()


def _key_allowed(model: type[BaseModel], location: Sequence[int | str]) -> str:
    mapping = find_spot(model, location[:-2])
    key_type = get_args(mapping.annotation)[0]
    return SettingLocation("", *unwrap(key_type)).allowed or "another name"


def _found(spot: SettingLocation, value: Any) -> str:
    return _found_string(spot, value, "`{}`") if isinstance(value, str) else _shown(value)


def _found_string(spot: SettingLocation, value: str, form: str = 'the string "{}"') -> str:
    if not value:
        return "an empty string"
    # A variable's value may be a secret in the wrong place.
    if ".variables." in spot.key or len(value) > _LONGEST_VALUE:
        return f"a string of {len(value)} characters"
    return form.format(value)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "no value"
        case dict():
            return "an object"
        case list() | tuple():
            return f"a list of {len(value)} item{'' if len(value) == 1 else 's'}"
        case str():
            return f"`{value[:_LONGEST_VALUE]}`"
    return f"`{json.dumps(value, default=str)}`"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
