"""Reads a stack's settings, from Pulumi's configuration or from the stack's file."""

import json
import re
from collections.abc import Hashable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_origin

import yaml
from pydantic import ValidationError

from infra.settings import checks
from infra.settings.built import with_built
from infra.settings.models import EnvironmentSettings, FoundationSettings
from infra.settings.problems import Problem, SettingsError, keys_of, problems_of, top_level_key, unwrap

_BLUEPRINTS: dict[str, type[FoundationSettings] | type[EnvironmentSettings]] = {
    "foundation": FoundationSettings,
    "environment": EnvironmentSettings,
}
_PROVIDER_KEYS = (
    "accessKey",
    "apiUrl",
    "organizationId",
    "profile",
    "projectId",
    "region",
    "secretKey",
    "zone",
)
_FILE_KEYS = ("config", "encryptedkey", "encryptionsalt", "environment", "secretsprovider")
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C where PyYAML was built with it: ten times as fast."""
_ENCRYPTED = "[encrypted]"
"""Stands for a value that only Pulumi can decrypt; as long as a password has to be."""


def load(stack: str, config: Mapping[str, str], project: Path) -> FoundationSettings | EnvironmentSettings:
    """The settings of a stack from Pulumi's flat configuration: `{"snu:apps": "<JSON>", …}`.

    `project` is the folder with the stack's file. Raises `SettingsError` with every problem that was found.
    """
    return _validate(f"Pulumi.{stack}.yaml", _with_built(config, project, stack))


def load_file(path: Path) -> FoundationSettings | EnvironmentSettings:
    """The settings in a stack's file, read as Pulumi reads it; encrypted values stay unread.

    Raises `SettingsError` with every problem that was found.
    """
    stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
    return _validate(path.name, _with_built(flat_config(path), path.parent, stack))


def flat_config(path: Path) -> dict[str, str]:
    """The flat configuration that Pulumi makes of a stack's file.

    Raises `SettingsError` where it is no such file.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_StackFileLoader)  # noqa: S506
    except OSError as error:
        raise SettingsError([Problem(path.name, "file", error.strerror or "no file", "a file")]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        found = " ".join(str(error).split())
        raise SettingsError([Problem(path.name, "file", found, "YAML")]) from None
    content = {} if content is None else content
    if not isinstance(content, dict) or not isinstance(content.get("config") or {}, dict):
        raise SettingsError([Problem(path.name, "config", "no object", "`config:` with a stack's settings")])
    unknown = [key for key in content if key not in _FILE_KEYS]
    if unknown:
        allowed = f"the keys {', '.join(_FILE_KEYS)}"
        raise SettingsError(Problem(path.name, str(key), "an unknown key", allowed) for key in unknown)
    config = content.get("config") or {}
    return {top_level_key(str(key)): _as_config_value(value) for key, value in config.items()}


def _validate(file: str, config: Mapping[str, str]) -> FoundationSettings | EnvironmentSettings:
    finding = partial(Problem, file)
    problems = _unknown_keys(file, config)
    blueprint = config.get("snu:blueprint")
    if blueprint not in _BLUEPRINTS:
        found = "nothing" if blueprint is None else f"`{blueprint}`"
        problems.append(finding("snu:blueprint", found, " or ".join(f"`{name}`" for name in _BLUEPRINTS)))
        raise SettingsError(problems)
    model = _BLUEPRINTS[blueprint]
    raw = _typed_values(model, config)
    if raw.get("images") == "build":
        raw["images"] = dict.fromkeys(checks.images_in_use(raw), "build")
    settings: FoundationSettings | EnvironmentSettings | None = None
    try:
        settings = model.model_validate(raw)
    except ValidationError as error:
        problems += problems_of(error, model, file)
    if model is FoundationSettings:
        problems += checks.check_foundation(raw, finding)
    else:
        problems += checks.check_environment(raw, finding)
    if isinstance(settings, EnvironmentSettings) and not problems:
        problems += checks.check_variable_counts(settings, finding)
    if settings is None or problems:
        raise SettingsError(problems)
    return settings


def _unknown_keys(file: str, config: Mapping[str, str]) -> list[Problem]:
    problems = []
    for key in config:
        namespace, _, name = key.partition(":")
        if namespace == "scaleway" and name not in _PROVIDER_KEYS:
            problems.append(Problem(file, key, "an unknown key", f"the keys {', '.join(_PROVIDER_KEYS)}"))
        elif namespace not in ("snu", "scaleway") and not namespace.startswith("pulumi"):
            problems.append(Problem(file, key, "an unknown namespace", "`snu:`, `scaleway:`, `pulumi:`"))
    return problems


def _typed_values(
    model: type[FoundationSettings] | type[EnvironmentSettings], config: Mapping[str, str]
) -> dict[str, Any]:
    """Pulumi hands over texts: those that do not stand for a text are JSON."""
    fields = keys_of(model)
    raw: dict[str, Any] = {}
    for key, text in config.items():
        name = key if key in fields else key.removeprefix("snu:")
        if name not in fields:
            if key.startswith("snu:"):
                raw[name] = text
            continue
        kind, _ = unwrap(fields[name].annotation)
        raw[name] = text if kind is str or get_origin(kind) is Literal else _from_json(text)
    return raw


def _with_built(config: Mapping[str, str], project: Path, stack: str) -> dict[str, str]:
    parsed = {key: _from_json(config[key]) for key in ("snu:images", "snu:apps", "snu:jobs") if key in config}
    merged = with_built({**config, **parsed}, project, stack)
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in merged.items()}


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _as_config_value(value: Any) -> str:
    value = _without_encrypted(value)
    if isinstance(value, str):
        return value
    return json.dumps(value, default=str)


def _without_encrypted(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"secure"}:
            return _ENCRYPTED
        return {str(key): _without_encrypted(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_encrypted(entry) for entry in value]
    return value


class _StackFileLoader(_SafeLoader):  # type: ignore[misc, valid-type]
    """Reads YAML as Pulumi does (version 1.2: `yes`, `12:30` and dates are texts), refuses double keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key `{key.value}` stands there twice", key.start_mark
                )
            seen.add(key.value)
        found: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return found


_StackFileLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    _StackFileLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), [*_first, ""] if _tag == "null" else list(_first)
    )
