"""What is doubtful about a stack's settings: worth a warning, not a refusal.

Scaleway's figures that `scaleway_facts` does not call firm, and the organization's quota, which other stacks share.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from infra import naming
from infra.settings.models import App, EnvironmentSettings, FoundationSettings
from infra.settings.problems import SettingsError
from infra.settings.reading import flat_config
from infra.settings.variables import MergedVariables, merge
from scaleway_facts import limits

_MEGABYTES = 1000
"""Of a gigabyte."""
_RENEW_DAYS = 30
"""So long before keys expire, previews remind of it."""


def advice(settings: EnvironmentSettings | FoundationSettings, stack: str, project: Path) -> list[str]:
    """One sentence for each doubt. `project`: the folder with the files of all stacks."""
    if isinstance(settings, FoundationSettings):
        found = [*_expiry(settings, datetime.now(UTC).date()), *shared_project(settings)]
    else:
        found = [*_apps_advice(settings), *_quota(settings, stack, project)]
    return [f"Pulumi.{stack}.yaml: {text}" for text in found]


def _expiry(settings: FoundationSettings, today: date) -> Iterator[str]:
    if settings.api_keys_expire_on is None:
        return
    left = (date.fromisoformat(settings.api_keys_expire_on) - today).days
    if left <= _RENEW_DAYS:
        when = f"expire in {left} day{'s' if left > 1 else ''}" if left > 0 else "have expired"
        yield f"snu:apiKeysExpireOn: the API keys {when}. Set a later day to replace them: docs/how-to/api-keys.md"


def shared_project(settings: FoundationSettings) -> Iterator[str]:
    """What Scaleway cannot keep apart: environments of one project."""
    if len(settings.environments) > 1:
        names = ", ".join(settings.environments)
        yield (
            f"snu:environments: {names} share the project {naming.project(settings.project.name)}, so the key that "
            "deploys one of them can change the containers, records and images of the others, and a Serverless SQL "
            "database's login opens those of the others. Give each a foundation of its own: see docs/reference/keys.md"
        )


def _apps_advice(settings: EnvironmentSettings) -> Iterator[str]:
    for name, app in settings.apps.items():
        key = f"snu:apps.{name}"
        yield from _memory(key, app)
        yield from _variables(key, merge(app, settings.apps))


def _memory(key: str, app: App) -> Iterator[str]:
    limit = limits.memory_of_container(app.cpu)
    if not limit.allows(app.memory):
        yield (
            f"{key}.memory: Scaleway may refuse {app.memory} MB with a cpu of {app.cpu}; {limit.range} MB is likely to "
            "be accepted. See docs/reference/limits.md"
        )


def _variables(key: str, variables: MergedVariables) -> Iterator[str]:
    plain, secret = variables.plain.keys() | variables.document.keys(), variables.secret.keys()
    for kind, names in (("plain", plain), ("secret", secret)):
        if not limits.FORMER_VARIABLES.allows(len(names)):
            yield (
                f"{key}: Scaleway may refuse {len(names)} {kind} variables; its documentation has stated both "
                f"{limits.FORMER_VARIABLES.most} and {limits.VARIABLES.most} as the limit. See docs/reference/limits.md"
            )
    for name in sorted(plain | secret):
        if not limits.VARIABLE_NAME.allows(len(name)):
            yield (
                f"{key}: Scaleway may refuse the variable {name}: its name has {len(name)} characters, "
                f"{limits.VARIABLE_NAME.most} are said to be allowed. See docs/reference/limits.md"
            )


def _quota(settings: EnvironmentSettings, stack: str, project: Path) -> Iterator[str]:
    """The memory of the organization's containers, as far as the project's files name them."""
    configs = dict(_configs(project))
    organization = configs.get(stack, {}).get("scaleway:organizationId")
    own = sum(app.memory * app.max_scale for app in settings.apps.values())
    needed = {stack: own} | {
        name: _memory_of(config)
        for name, config in configs.items()
        if name != stack and organization and config.get("scaleway:organizationId") == organization
    }
    foundation = settings.environment.foundation
    quota = _number(configs.get(foundation, {}).get("snu:containerMemoryQuota"), limits.CONTAINER_MEMORY_GB.most)
    total = sum(needed.values())
    if own and total > quota * _MEGABYTES:
        stacks = ", ".join(sorted(name for name, memory in needed.items() if memory))
        yield (
            f"snu:apps: the containers of {stacks} need {total / _MEGABYTES:.1f} GB of memory at their maximum scale; "
            f"the organization's quota is {quota} GB, and a deploy beyond it fails. Lower maxScale or memory, or have "
            f"Scaleway raise the quota and set snu:containerMemoryQuota in Pulumi.{foundation}.yaml"
        )


def _configs(project: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The configuration of each stack whose file can be read; one that cannot has errors of its own."""
    for path in sorted(project.glob("Pulumi.*.yaml")):
        name = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        if name.endswith(".template"):
            continue
        try:
            yield name, flat_config(path)
        except SettingsError:
            continue


def _memory_of(config: Mapping[str, str]) -> int:
    """MB at the maximum scale, of unchecked settings."""
    default = App.model_fields["max_scale"].default
    return sum(_number(app.get("memory"), 0) * _number(app.get("maxScale"), default) for app in _apps(config))


def _apps(config: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    try:
        apps = json.loads(config.get("snu:apps", "{}"))
    except ValueError:
        return
    if isinstance(apps, dict):
        yield from (app for app in apps.values() if isinstance(app, dict))


def _number(value: Any, default: int) -> int:
    text = str(value)
    return int(text) if text.isdecimal() else default
