"""Loads and validates a stack's settings, from Pulumi's configuration or from the stack file."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_origin

from pydantic import ValidationError

from infra.settings import checks
from infra.settings.built import with_built
from infra.settings.models import EnvironmentSettings, FoundationSettings, ProviderSettings
from infra.settings.problems import (
    FILE,
    MISSING,
    Problem,
    SettingsError,
    keys_of,
    located,
    problems_of,
    top_level_key,
    unwrap,
)
from infra.settings.source import from_json, source_of
from pulumi_state.errors import PulumiError
from pulumi_state.stack_file import StackFile, as_text, is_secure
from pulumi_state.yaml_file import KeyPath, YamlError, key_text

_BLUEPRINTS: dict[str, type[FoundationSettings] | type[EnvironmentSettings]] = {
    "foundation": FoundationSettings,
    "environment": EnvironmentSettings,
}
_ENCRYPTED = "[encrypted]"
"""Placeholder for a value that only Pulumi can decrypt; long enough to be a valid password."""


def load(stack: str, config: Mapping[str, str], project: Path) -> FoundationSettings | EnvironmentSettings:
    """Loads a stack's settings from Pulumi's flat configuration: `{"snu:apps": "<JSON>", …}`.

    `project` is the folder with the stack file; the file is also checked if the configuration comes from it. Raises
    `SettingsError`, which lists all problems.
    """
    path = project / f"Pulumi.{stack}.yaml"
    file = source_of(config, path)
    if file is not None and file.document.problems:
        raise _settings_error(path.name, YamlError(path.name, file.document.problems))
    return _validate(path, stack, config, file)


def load_file(path: Path, project: Path | None = None) -> FoundationSettings | EnvironmentSettings:
    """Loads the settings from a stack file as Pulumi would, without decrypting values.

    `project` is the project folder, by default the file's folder. Raises `SettingsError`, which lists all problems.
    """
    file = _read(path)
    stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
    return _validate((project or path.parent) / path.name, stack, _flat(file), file)


def flat_config(path: Path) -> dict[str, str]:
    """Pulumi's flat configuration from a stack file. Raises `SettingsError` if the file is missing or invalid."""
    return _flat(_read(path))


def _read(path: Path) -> StackFile:
    try:
        return StackFile.read(path)
    except YamlError as error:
        raise _settings_error(path.name, error) from None
    except PulumiError:
        if path.exists():
            problem = Problem(path.name, FILE, "an unreadable file", "a stack file")
        else:
            problem = Problem(path.name, FILE, MISSING, "a stack file", remedy="create it, or check the stack's name")
        raise SettingsError([problem]) from None


def _settings_error(file: str, error: YamlError) -> SettingsError:
    return SettingsError(
        Problem(
            file,
            _key_of(problem.path),
            problem.found,
            problem.remedy,
            line=problem.position.line if problem.position else None,
            remedy=problem.remedy,
        )
        for problem in error.problems
    )


def _flat(file: StackFile) -> dict[str, str]:
    return {top_level_key(key): as_text(_without_encrypted(value)) for key, value in file.config.items()}


def _key_of(path: KeyPath) -> str:
    """The key to report for a problem at a path in the stack file."""
    if path[:1] == ("config",) and len(path) > 1:
        return key_text(("config", top_level_key(str(path[1])), *path[2:]))
    return key_text(path) or FILE


def _lines_of(file: StackFile) -> dict[str, int]:
    return {_key_of(path): (position.key or position.value).line for path, position in file.document.positions.items()}


def _validate(
    path: Path, stack: str, config: Mapping[str, str], file: StackFile | None
) -> FoundationSettings | EnvironmentSettings:
    """`file` is the stack file from which the configuration was read, if known."""
    try:
        flat = _with_built(config, path.parent, stack)
        return _settings(path.name, flat, [] if file is None else _foundation_problems(path, flat))
    except SettingsError as error:
        lines = {} if file is None else _lines_of(file)
        raise SettingsError(located(problem, path.name, lines) for problem in error.errors) from None


def _settings(
    file: str, config: Mapping[str, str], problems: list[Problem]
) -> FoundationSettings | EnvironmentSettings:
    """`problems` contains the problems found so far."""
    finding = partial(Problem, file)
    problems = [*problems, *_unknown_namespaces(file, config), *_provider_problems(file, config)]
    blueprint = config.get("snu:blueprint")
    if blueprint not in _BLUEPRINTS:
        found = MISSING if blueprint is None else f"`{blueprint}`"
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


def _unknown_namespaces(file: str, config: Mapping[str, str]) -> list[Problem]:
    return [
        Problem(file, key, "an unknown namespace", "`snu:`, `scaleway:`, `pulumi:`")
        for key in config
        if not key.startswith(("snu:", "scaleway:", "pulumi"))
    ]


def _provider_problems(file: str, config: Mapping[str, str]) -> list[Problem]:
    raw = {
        key.removeprefix(ProviderSettings.namespace): text
        for key, text in config.items()
        if key.startswith(ProviderSettings.namespace) and text != _ENCRYPTED
    }
    try:
        ProviderSettings.model_validate(raw)
    except ValidationError as error:
        return problems_of(error, ProviderSettings, file)
    return list(checks.check_provider(raw, partial(Problem, file)))


def _foundation_problems(path: Path, config: Mapping[str, str]) -> list[Problem]:
    environment = from_json(config.get("snu:environment", "null"))
    return list(checks.check_foundation_file(environment, path.parent, partial(Problem, path.name)))


def _typed_values(
    model: type[FoundationSettings] | type[EnvironmentSettings], config: Mapping[str, str]
) -> dict[str, Any]:
    """Parses Pulumi's string values, which are JSON for all types other than strings."""
    fields = keys_of(model)
    raw: dict[str, Any] = {}
    for key, text in config.items():
        name = key if key in fields else key.removeprefix("snu:")
        if name not in fields:
            if key.startswith("snu:"):
                raw[name] = text
            continue
        kind, _ = unwrap(fields[name].annotation)
        raw[name] = text if kind is str or get_origin(kind) is Literal else from_json(text)
    return raw


def _with_built(config: Mapping[str, str], project: Path, stack: str) -> dict[str, str]:
    parsed = {key: from_json(config[key]) for key in ("snu:images", "snu:apps", "snu:jobs") if key in config}
    merged = with_built({**config, **parsed}, project, stack)
    return {key: as_text(value) for key, value in merged.items()}


def _without_encrypted(value: Any) -> Any:
    if is_secure(value):
        return _ENCRYPTED
    if isinstance(value, dict):
        return {key: _without_encrypted(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_encrypted(entry) for entry in value]
    return value
