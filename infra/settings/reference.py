"""Generates the settings reference: `python -m infra.settings.reference > docs/reference/settings.md`."""

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from infra.settings.images import ImageSources
from infra.settings.models import EnvironmentSettings, FoundationSettings, ProviderSettings
from infra.settings.problems import SettingLocation, keys_of, top_level_key, unwrap

_INTRODUCTION = """\
# Settings

For anyone who edits a stack file (`Pulumi.<stack>.yaml`) or `images.yaml`: all settings with their allowed values and
defaults. This page is generated from `infra/settings/models.py` and `infra/settings/images.py`; a test checks that it
is up to date. Update it with `python -m infra.settings.reference > docs/reference/settings.md`.

Both `snu` and the Pulumi program validate all settings before doing anything else, so running `pulumi` directly also
validates them. Each problem is reported on one line: the file, line and key, the value found, and the allowed values or
how to fix it.

Keys without a value use the default; removing a key restores the default on the next `up`.

## YAML values

The Pulumi CLI, Python and editors parse some YAML values differently: `yes`, `12:30`, `012`, `1e5` and `2026-11-26` are
strings to some, and booleans, numbers or dates to others. The CLI deploys `2026-11-26` as
`2026-11-26 00:00:00 +0000 UTC`. Stack files may therefore contain only values that all of them parse the same way. All
other values are rejected, and the message shows the quoted form that preserves the value:

| | accepted | rejected unless quoted |
|---|---|---|
| booleans | `true`, `false` | `yes`, `no`, `on`, `off`, `y`, `n` |
| integers | `0`, `-17`, up to 2^53 | `012`, `+1`, `-0`, `1_000`, `0x1F`, `0o17`, `0b1`, larger ones |
| other numbers | `0.5` | `.5`, `1.`, `1.0`, `1.10`, `1e5`, `.inf`, `.nan`, more digits than a float can represent |
| dates and times | | `2026-11-26`, `2026-11-26T10:00:00Z`, `12:30` |
| no value | `null`, `~` or nothing, except at the top level | |
| keys | strings | `ON`, `y`, `1`, `null`, `2026-11-26` |

Always rejected: duplicate keys, tabs as indentation, anchors and aliases, merge keys (`<<`), tags (`!!binary`),
directives, multiple documents, more than 32 levels or 1 MiB, and any encoding other than UTF-8 without a byte order
mark.

Variables are strings: quote numbers and booleans.
"""


def reference() -> str:
    """The complete settings reference in Markdown."""
    sections = [_INTRODUCTION]
    for model in (EnvironmentSettings, FoundationSettings, ProviderSettings, ImageSources):
        sections += _sections(model)
    return "\n".join(sections)


def _sections(model: type[BaseModel]) -> Iterator[str]:
    seen: set[type[BaseModel]] = set()
    waiting: list[tuple[str, type[BaseModel]]] = [("", model)]
    while waiting:
        key, current = waiting.pop(0)
        if current in seen:
            continue
        seen.add(current)
        heading = f"### `{key}`" if key else f"## {(current.__doc__ or '').strip().rstrip('.')}"
        text = [heading, "", *([(current.__doc__ or "").strip(), ""] if key else [])]
        text += ["| key | allowed | default | meaning |", "|---|---|---|---|"]
        for name, field in keys_of(current).items():
            path = f"{key}.{name}" if key else top_level_key(name, current)
            shown = path if not key else name
            text.append(f"| `{shown}` | {allowed(field)} | {_default(field)} | {field.description} |")
            waiting += _models(path, field.annotation)
        yield "\n".join([*text, ""])


def _models(path: str, annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models nested in a type, each with the path of its keys."""
    kind, _ = unwrap(annotation)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield path, kind
        return
    inner = get_args(kind)
    if get_origin(kind) is dict:
        path, inner = f"{path}.<name>", inner[-1:]
    elif get_origin(kind) is list:
        path = f"{path}[]"
    for argument in inner:
        yield from _models(path, argument)


def allowed(field: FieldInfo) -> str:
    """The allowed values of a setting, in words."""
    kind, metadata = unwrap(field.annotation, field.metadata)
    if any(True for _ in _models("", kind)) and not isinstance(kind, type):
        return "see below"
    if get_origin(kind) in (dict, list):
        items = SettingLocation("", *unwrap(get_args(kind)[-1])).allowed
        names = (
            f"names: {SettingLocation('', *unwrap(get_args(kind)[0])).allowed}; " if get_origin(kind) is dict else ""
        )
        return f"{names}{'each ' + items if items else 'see the description'}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "see below"
    return SettingLocation("", kind, metadata).allowed or "see the description"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if value is None or value is PydanticUndefined or (isinstance(value, BaseModel | dict | list) and not value):
        return ""
    if isinstance(value, BaseModel):
        own = value.model_dump(by_alias=True, exclude_defaults=True)
        parts = ", ".join(f"{key}: {json.dumps(part)}" for key, part in own.items())
        return f"`{{{parts}}}`" if parts else "all defaults"
    return f"`{json.dumps(value)}`" if not isinstance(value, str) else f"`{value}`" if value else ""


if __name__ == "__main__":
    print(reference(), end="")
