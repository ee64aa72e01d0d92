"""Warnings about valid settings that may nevertheless fail on deployment.

They cover Scaleway limits that `scaleway_facts` does not mark as firm, the organization's quota, which is shared with
other stacks, and hosts that get no DNS record.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from infra import naming
from infra.loopback import is_local_scaleway
from infra.settings.models import App, EnvironmentSettings, FoundationSettings
from infra.settings.problems import SettingsError
from infra.settings.reading import flat_config
from infra.settings.variables import MergedVariables, merge
from scaleway_facts import limits

_MEGABYTES_PER_GIGABYTE = 1000
_RENEW_DAYS = 30
"""Previews warn when API keys expire within this number of days."""


def advice(settings: EnvironmentSettings | FoundationSettings, stack: str, project: Path) -> list[str]:
    """The warnings, one string each. `project` is the folder with all stack files."""
    if isinstance(settings, FoundationSettings):
        warnings = [*_expiry(settings, datetime.now(UTC).date()), *shared_project(settings)]
    else:
        configs = dict(_configs(project))
        warnings = [*_apps_advice(settings), *_quota(settings, stack, configs)]
        if not is_local_scaleway(configs.get(stack, {}).get("scaleway:apiUrl")):
            warnings += _hosts(settings)
    return [f"Pulumi.{stack}.yaml: {warning}" for warning in warnings]


def _expiry(settings: FoundationSettings, today: date) -> Iterator[str]:
    if settings.api_keys_expire_on is None:
        return
    left = (date.fromisoformat(settings.api_keys_expire_on) - today).days
    if left <= _RENEW_DAYS:
        when = f"expire in {left} day{'s' if left > 1 else ''}" if left > 0 else "have expired"
        yield f"snu:apiKeysExpireOn: the API keys {when}. Set a later date to replace them: see docs/how-to/api-keys.md"


def shared_project(settings: FoundationSettings) -> Iterator[str]:
    """Warns about environments in the same project, which Scaleway cannot isolate from each other."""
    if len(settings.environments) > 1:
        names = ", ".join(settings.environments)
        yield (
            f"snu:environments: {names} share the project {naming.project(settings.project.name)}, so the deploy key "
            "of one environment can change the containers, records and images of the others, and its Serverless SQL "
            "login can open their databases. Create one foundation per environment: see docs/reference/keys.md"
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
            f"{key}.memory: Scaleway may reject {app.memory} MB with a cpu of {app.cpu}; {limit.range} MB is likely to "
            "be accepted. See docs/reference/limits.md"
        )


def _variables(key: str, variables: MergedVariables) -> Iterator[str]:
    plain, secret = variables.plain.keys() | variables.document.keys(), variables.secret.keys()
    for kind, names in (("plain", plain), ("secret", secret)):
        if not limits.FORMER_VARIABLES.allows(len(names)):
            yield (
                f"{key}: Scaleway may reject {len(names)} {kind} variables; its documentation has stated both "
                f"{limits.FORMER_VARIABLES.most} and {limits.VARIABLES.most} as the limit. See docs/reference/limits.md"
            )
    for name in sorted(plain | secret):
        if not limits.VARIABLE_NAME.allows(len(name)):
            yield (
                f"{key}: Scaleway may reject the variable {name}: its name has {len(name)} characters, but the "
                f"documented maximum is {limits.VARIABLE_NAME.most}. See docs/reference/limits.md"
            )


def _hosts(settings: EnvironmentSettings) -> Iterator[str]:
    """Warns about hosts that get no record, although the stack manages a zone."""
    zone = settings.zone
    for name, app in settings.apps.items():
        if zone is not None and app.host is not None and not naming.is_in_zone(app.host, zone):
            yield (
                f"snu:apps.{name}.host: `{app.host}` is outside of the zone `{zone}` (snu:zone), so it gets no DNS "
                "record, and Scaleway issues its certificate only once it has one. Choose a host that ends in "
                f"`.{zone}`, or create a CNAME record to the container's endpoint in the zone of that host"
            )


def _quota(settings: EnvironmentSettings, stack: str, configs: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Warns if the containers in all of the organization's stack files exceed its memory quota."""
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
    if own and total > quota * _MEGABYTES_PER_GIGABYTE:
        stacks = ", ".join(sorted(name for name, memory in needed.items() if memory))
        yield (
            f"snu:apps: the containers of {stacks} need {total / _MEGABYTES_PER_GIGABYTE:.1f} GB of memory at their "
            f"maximum scale; the organization's quota is {quota} GB, and deployments that exceed it fail. Lower "
            "maxScale or memory, or have Scaleway raise the quota and set snu:containerMemoryQuota in "
            f"Pulumi.{foundation}.yaml"
        )


def _configs(project: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The configuration of each readable stack file; the others report their own errors."""
    for path in sorted(project.glob("Pulumi.*.yaml")):
        name = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        if name.endswith(".template"):
            continue
        try:
            yield name, flat_config(path)
        except SettingsError:
            continue


def _memory_of(config: Mapping[str, str]) -> int:
    """The memory in MB at the maximum scale, from unvalidated settings."""
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
