"""What is wrong with a stack's settings, in words: where, what was found, what is allowed.

Translates pydantic's errors; the words for what is allowed come from the types themselves
(`limits.Allowed`). The values of secrets never appear.
"""

import json
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from infra.settings.limits import Allowed

_LONGEST_VALUE = 60
_KINDS = {
    bool: "`true` or `false`",
    int: "a whole number",
    str: "a text",
    dict: "an object (`key: value` lines)",
    list: "a list",
}


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a stack's settings."""

    file: str
    key: str
    """Path of the key, like `snu:apps.api.memory`."""
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.key}: found {self.found}; allowed: {self.allowed}"


class SettingsError(Exception):
    """A stack's settings are refused; `errors` has every problem, the text lists them all."""

    def __init__(self, errors: Iterable[Problem]) -> None:
        self.errors = sorted(set(errors))
        files = sorted({problem.file for problem in self.errors})
        count = f"{len(self.errors)} problem{'s' if len(self.errors) > 1 else ''}"
        lines = [f"{count} in {', '.join(files)}:", *(f"  {problem}" for problem in self.errors)]
        super().__init__("\n".join(lines))


class Spot(NamedTuple):
    """A place in the settings: its key path, the type that stands there, and the type's metadata."""

    key: str
    annotation: Any
    metadata: tuple[Any, ...]

    @property
    def is_secret(self) -> bool:
        return self.annotation is SecretStr

    @property
    def allowed(self) -> str | None:
        """What the type allows, in words."""
        for item in self.metadata:
            if isinstance(item, Allowed):
                return item.text
        if get_origin(self.annotation) is Literal:
            return " or ".join(f"`{value}`" for value in get_args(self.annotation))
        if isinstance(self.annotation, type) and issubclass(self.annotation, BaseModel):
            return f"an object with the keys {_listed(keys_of(self.annotation))}"
        return _KINDS.get(get_origin(self.annotation) or self.annotation)


def unwrap(annotation: Any, metadata: Sequence[Any] = ()) -> tuple[Any, tuple[Any, ...]]:
    """A type without `Annotated` and `| None`, and the metadata that was on it."""
    found = tuple(metadata)
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            found = (*found, *more)
        elif get_origin(annotation) in (Union, types.UnionType):
            kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
            if len(kinds) > 1:
                return annotation, found
            annotation = kinds[0]
        else:
            return annotation, found


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields by the key that the YAML uses."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def top_level_key(key: str, model: Any = None) -> str:
    """The name of a model's top-level key with its namespace, which is `snu:` where the model names none."""
    return key if ":" in key else f"{getattr(model, 'namespace', 'snu:')}{key}"


def find_spot(model: type[BaseModel], location: Sequence[int | str]) -> Spot:
    """Follows pydantic's location of an error down through the types."""
    spot = Spot("", model, ())
    for part in location:
        if part == "[key]":  # pydantic's word for "the key itself"
            break
        spot = _step(spot, part)
    return spot


def _step(spot: Spot, part: int | str) -> Spot:
    annotation = spot.annotation
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):  # `part` names the variant, it stands nowhere in the YAML
        for variant in get_args(annotation):
            kind, metadata = unwrap(variant)
            if str(part) in _variant_names(kind, metadata):
                return Spot(spot.key, kind, metadata)
        return spot
    key = _key(spot, part)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = keys_of(annotation).get(str(part))
        if field is not None:
            return Spot(key, *unwrap(field.annotation, field.metadata))
    elif origin in (dict, list):
        return Spot(key, *unwrap(get_args(annotation)[-1]))
    return Spot(key, None, ())


def _key(parent: Spot, part: int | str) -> str:
    if isinstance(part, int):
        return f"{parent.key}[{part}]"
    return f"{parent.key}.{part}" if parent.key else top_level_key(part, parent.annotation)


def _variant_names(kind: Any, metadata: Iterable[Any]) -> Iterator[str]:
    for item in metadata:
        if isinstance(item, Tag):
            yield item.tag
    if isinstance(kind, type) and issubclass(kind, BaseModel) and "kind" in kind.model_fields:
        yield from get_args(kind.model_fields["kind"].annotation)


def problems_of(error: ValidationError, model: type[BaseModel], file: str) -> list[Problem]:
    """Every error of a validation as a problem."""
    return [_problem(details, model, file) for details in error.errors(include_url=False)]


def _problem(details: ErrorDetails, model: type[BaseModel], file: str) -> Problem:
    location, kind, value = details["loc"], details["type"], details["input"]
    if kind == "extra_forbidden":
        parent = find_spot(model, location[:-1])
        key = find_spot(model, location).key
        valid: Iterable[str] = keys_of(parent.annotation)
        if not parent.key:
            valid = (top_level_key(name, model) for name in valid)
        return Problem(file, key, "an unknown key", f"the keys {_listed(valid)}")
    spot = find_spot(model, location)
    if location and location[-1] == "[key]":
        return Problem(file, spot.key, f"the name {_shown(value)}", _key_allowed(model, location))
    if kind == "missing":
        return Problem(file, spot.key, "nothing", spot.allowed or "a value")
    if kind == "union_tag_invalid":
        return Problem(file, spot.key, _shown(value), f"kind: {details['ctx']['expected_tags']}")
    if kind == "union_tag_not_found":
        return Problem(file, spot.key, _shown(value), "an object with the key `kind`")
    return Problem(file, spot.key, _found(spot, value), _allowed(spot, kind, value, details["msg"]))


def _allowed(spot: Spot, kind: str, value: Any, message: str) -> str:
    if kind == "string_type" and isinstance(value, bool | int | float) and not spot.is_secret:
        return f'a text: put it in quotes, `"{json.dumps(value)}"`'
    return spot.allowed or message


def _key_allowed(model: type[BaseModel], location: Sequence[int | str]) -> str:
    mapping = find_spot(model, location[:-2])
    key_type = get_args(mapping.annotation)[0]
    return Spot("", *unwrap(key_type)).allowed or "another name"


def _found(spot: Spot, value: Any) -> str:
    if spot.is_secret:
        return "[secret]"
    # A variable's value may be a secret that somebody wrote into the wrong place.
    if isinstance(value, str) and (".variables." in spot.key or len(value) > _LONGEST_VALUE):
        return f"a text of {len(value)} characters"
    return _shown(value)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case dict():
            return "an object"
        case list() | tuple():
            return f"a list of {len(value)}"
        case str():
            return f"`{value[:_LONGEST_VALUE]}`"
    return f"`{json.dumps(value, default=str)}`"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
