"""What Scaleway allows, each limit once: settings, policies and the local Scaleway take its edges and refuse the rest.

Where one of the three has no such limit, or deliberately another one, it is left out with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.settings import SettingsError, load_file
from policy import rules
from policy.rules import check
from policy.stack_settings import settings_requirements
from tests.support.local_scaleway import Client
from tests.support.policy_resources import environment, resource
from tests.support.settings import ENVIRONMENT, FOUNDATION, Stack, changed, problems
from tests.support.stack_yaml import stack_yaml


@dataclass(frozen=True)
class Attempt:
    """A value in settings, in a resource or in a request."""

    content: Any
    """The settings, the resource or the request that has it."""
    where: str
    """The key, the input or the argument by which it is refused."""
    found: str = ""
    """How settings repeat the value."""
    words: str | None = None
    """As the limit's, where they are others."""


Place = Callable[[Any], Attempt]


@dataclass(frozen=True)
class Limit:
    allowed: Iterable[Any]
    refused: Iterable[Any]
    words: str
    """Each refusal contains these."""
    settings: Place | None = None
    policy: Place | None = None
    api: Place | None = None


def _nested(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.replace("[0]", ".[0]").split(".")):
        value = [value] if key == "[0]" else {key: value}
    return dict(value)


def _setting(path: str, base: Stack = ENVIRONMENT, **others: Any) -> Place:
    """``path``: without ``snu:``; ``others``: as `changed` takes them."""
    return lambda value: Attempt(
        changed(base, **others, **{path.replace(".", "__"): value}), f"snu:{path}", f"`{value}`"
    )


def _input(type_: str, path: str, convert: Callable[[Any], Any] = lambda value: value, **others: Any) -> Place:
    return lambda value: Attempt(resource(type_, **others | _nested(path, convert(value))), path)


@dataclass(frozen=True)
class _Request:
    path: str
    body: dict[str, Any]

    def __call__(self, argument: str, convert: Callable[[Any], Any] = lambda value: value, **others: Any) -> Place:
        return lambda value: Attempt((self.path, self.body | others | _nested(argument, convert(value))), argument)


_NAMESPACES = "/containers/v1/regions/fr-par/namespaces"
_CONTAINER = _Request("/containers/v1/regions/fr-par/containers", {"name": "api", "image": "x"})
_JOB = _Request(
    "/serverless-jobs/v1alpha2/regions/fr-par/job-definitions",
    {"name": "job", "image_uri": "x", "cpu_limit": 140, "memory_limit": 256},
)
_SQL = _Request("/serverless-sqldb/v1alpha1/regions/fr-par/databases", {"name": "state"})
_SOURCE = _Request("/cockpit/v1/regions/fr-par/data-sources", {"name": "logs", "type": "logs"})
_JOBS: dict[str, Any] = {"jobs": {"work": {"cpu": 140, "memory": 256, "timeout": 60, "image": "api"}}}


def _megabytes(number: int) -> int:
    return number * 1_000_000


def _seconds(number: int) -> str:
    return f"{number}s"


def _numbers(
    least: int, most: int, settings: Place, policy: Place, api: Place | None = None, *, refused: Iterable[int] = ()
) -> Limit:
    """By default, the next numbers are refused."""
    return Limit((least, most), refused or (least - 1, most + 1), f"{least} {most}", settings, policy, api)


def _probe(name: str, field: str) -> Place:
    def attempt(value: int) -> Attempt:
        probe = {name: {"tcp": {}, field: _seconds(value)}}
        return Attempt((_CONTAINER.path, _CONTAINER.body | probe), f"{name}.{field}")

    return attempt


def _named(name: str) -> dict[str, str]:
    return {name: "value"}


def _many(number: int) -> dict[str, str]:
    return {f"NAME_{each}": "value" for each in range(number)}


def _long(length: int) -> dict[str, str]:
    return {"LONG": "x" * length}


def _variables(
    convert: Callable[[Any], dict[str, str]],
    name: Callable[[Any], str],
    found: Callable[[Any], str],
    owner: str = "apps.api",
) -> Place:
    """In the settings of an app or of the job `work`."""

    def attempt(value: Any) -> Attempt:
        variables = {f"{owner.replace('.', '__')}__variables": convert(value)}
        return Attempt(changed(ENVIRONMENT, **_JOBS, **variables), f"snu:{owner}.variables.{name(value)}", found(value))

    return attempt


def _at_name(place: Place, key: Callable[[Any], str]) -> Place:
    """Refused by the name of a variable in it."""
    return lambda value: Attempt((attempt := place(value)).content, f"{attempt.where}.{key(value)}")


_DATABASE = "environments.test.database"
_INSTANCE: dict[str, Any] = {
    "environments__test__database__kind": "instance",
    "environments__test__database__allowedRanges": ["203.0.113.7/32"],
    "databasePasswords__test": {"administrator": "x" * 8, "user": "x" * 8},
}
_PLAIN, _SECRET = "environmentVariables", "secretEnvironmentVariables"
LIMITS = {
    "cpu of a container": _numbers(
        70, 6_000, _setting("apps.api.cpu"), _input(rules.CONTAINER, "cpuLimit"), _CONTAINER("mvcpu_limit")
    ),
    "memory of a container": _numbers(
        128,
        12_228,
        _setting("apps.api.memory"),
        _input(rules.CONTAINER, "memoryLimitBytes", _megabytes),
        _CONTAINER("memory_limit_bytes", _megabytes),
    ),
    "memory of a container with 2000 mvCPU": Limit(
        (2_000, 8_000),
        (128, 1_999, 8_001, 12_228),
        "2000 8000",
        _setting("apps.api.memory", apps__api__cpu=2_000),
        _input(rules.CONTAINER, "memoryLimitBytes", _megabytes, cpuLimit=2_000),
        _CONTAINER("memory_limit_bytes", _megabytes, mvcpu_limit=2_000),
    ),
    "instances at least": _numbers(
        0,
        50,
        _setting("apps.api.minScale", apps__api__maxScale=50),
        _input(rules.CONTAINER, "minScale", maxScale=50),
        _CONTAINER("min_scale", max_scale=50),
        refused=(-1,),  # 51 is also more than at most
    ),
    "instances at most": _numbers(
        1,
        50,
        _setting("apps.api.maxScale"),
        _input(rules.CONTAINER, "maxScale", minScale=0),
        _CONTAINER("max_scale"),
    ),
    "concurrent requests": _numbers(
        1,
        80,
        _setting("apps.api.concurrency"),
        _input(rules.CONTAINER, "scalingOptions[0].concurrentRequestsThreshold"),
        _CONTAINER("scaling_option.concurrent_requests_threshold"),
    ),
    "time of a request": _numbers(
        10, 3_600, _setting("apps.api.timeout"), _input(rules.CONTAINER, "timeout"), _CONTAINER("timeout", _seconds)
    ),
    "port": _numbers(1, 65_535, _setting("apps.api.port"), _input(rules.CONTAINER, "port"), _CONTAINER("port")),
    "port that the platform uses": Limit(
        (8007, 8080),
        (8008, 8012, 8013, 8022, 9090, 9091),
        "8008 8012 8013 8022 9090 9091",
        _setting("apps.api.port"),
        _input(rules.CONTAINER, "port"),
        _CONTAINER("port"),
    ),
    "interval of a probe": _numbers(
        1,
        3_600,
        _setting("apps.api.livenessProbe.interval"),
        _input(rules.CONTAINER, "livenessProbe.interval", _seconds),
        _probe("liveness_probe", "interval"),
    ),
    "time of a probe": _numbers(
        1,
        3_600,
        _setting("apps.api.startupProbe.timeout"),
        _input(rules.CONTAINER, "startupProbe.timeout", _seconds),
        _probe("startup_probe", "timeout"),
    ),
    "failures of a probe": _numbers(  # the API takes up to 1000
        1,
        50,
        _setting("apps.api.startupProbe.failureThreshold"),
        _input(rules.CONTAINER, "startupProbe.failureThreshold"),
    ),
    "name of a container": Limit(
        ("a" * 34,), ("a" * 35,), "34", policy=_input(rules.CONTAINER, "name"), api=_CONTAINER("name")
    ),
    "name of an app, after its environment's": Limit(
        ("a" * 29,),
        ("a" * 30,),
        "<environment>-<app> 34",
        settings=lambda name: Attempt(
            changed(ENVIRONMENT, **{f"apps__{name}": {"cpu": 70, "memory": 128, "image": "api"}}),
            f"snu:apps.{name}",
            f"the container name `test-{name}` (35 characters)",
        ),
    ),
    "names of variables": Limit(
        ("PORTS", "SCW", "A_SCW_X"),
        ("PORT", "SCW_REGION"),
        "reserved",
        _variables(_named, str, lambda name: f"the name `{name}`"),
        _at_name(_input(rules.CONTAINER, _PLAIN, _named), str),
        _CONTAINER("environment_variables", _named),
    ),
    "names of secret variables": Limit(
        ("PORTS", "SCW", "A_SCW_X"),
        ("PORT", "SCW_REGION"),
        "reserved",
        lambda name: Attempt(
            changed(ENVIRONMENT, apps__api__secretVariables=[name]), "snu:apps.api.secretVariables[0]", f"`{name}`"
        ),
        _at_name(_input(rules.CONTAINER, _SECRET, _named), str),
        _CONTAINER("secret_environment_variables", _named),
    ),
    "number of variables": Limit(
        (200,),
        (201,),
        "200",
        lambda number: Attempt(
            changed(ENVIRONMENT, apps__api__variables=_many(number)), "snu:apps.api.variables", "an object", ""
        ),
        _input(rules.CONTAINER, _PLAIN, _many),
        _CONTAINER("environment_variables", _many),
    ),
    "number of secret variables": Limit(
        (200,),
        (201,),
        "200",
        lambda number: Attempt(
            changed(ENVIRONMENT, apps__api__secretVariables=[*_many(number)]),
            "snu:apps.api.secretVariables",
            "a list of 201 items",
            "",
        ),
        _input(rules.CONTAINER, _SECRET, _many),
        _CONTAINER("secret_environment_variables", _many),
    ),
    "value of a variable": Limit(
        (65_536,),
        (65_537,),
        "65536",
        _variables(_long, lambda _: "LONG", lambda length: f"a string of {length} characters"),
        _at_name(_input(rules.CONTAINER, _PLAIN, _long), lambda _: "LONG"),
        _CONTAINER("environment_variables", _long),
    ),
    "value of a job's variable": Limit(  # the local Scaleway takes any
        (65_536,),
        (65_537,),
        "65536",
        _variables(_long, lambda _: "LONG", lambda length: f"a string of {length} characters", "jobs.work"),
        _at_name(_input(rules.JOB, "env", _long), lambda _: "LONG"),
    ),
    "value of a secret variable": Limit(  # settings name it only
        (65_536,),
        (65_537,),
        "65536",
        policy=_at_name(_input(rules.CONTAINER, _SECRET, _long), lambda _: "LONG"),
        api=_CONTAINER("secret_environment_variables", _long),
    ),
    "cpu of a job": _numbers(
        70, 6_000, _setting("jobs.work.cpu", **_JOBS), _input(rules.JOB, "cpuLimit"), _JOB("cpu_limit")
    ),
    "memory of a job": _numbers(
        128, 16_384, _setting("jobs.work.memory", **_JOBS), _input(rules.JOB, "memoryLimit"), _JOB("memory_limit")
    ),
    "storage of a job": _numbers(
        128,
        10_000,
        _setting("jobs.work.storage", **_JOBS),
        _input(rules.JOB, "localStorageCapacity"),
        _JOB("local_storage_capacity"),
    ),
    "time of a job": _numbers(
        1,
        86_400,
        _setting("jobs.work.timeout", **_JOBS),
        _input(rules.JOB, "timeout", _seconds),
        _JOB("job_timeout", _seconds),
    ),
    "vCPU of a serverless database, at least": _numbers(
        0,
        15,
        _setting(f"{_DATABASE}.minCpu", FOUNDATION, environments__test__database__maxCpu=15),
        _input(rules.SERVERLESS, "minCpu", maxCpu=15),
        _SQL("cpu_min"),
        refused=(-1,),
    ),
    "vCPU of a serverless database, at most": _numbers(
        0,
        15,
        _setting(f"{_DATABASE}.maxCpu", FOUNDATION),
        _input(rules.SERVERLESS, "maxCpu"),
        _SQL("cpu_max"),
        refused=(16,),
    ),
    "volume of an instance": _numbers(  # the local Scaleway takes any
        5,
        10_000,
        _setting(f"{_DATABASE}.volumeSize", FOUNDATION, **_INSTANCE),
        _input(rules.INSTANCE, "volumeSizeInGb"),
    ),
    "retention of logs": _numbers(
        1,
        365,
        _setting("observability.logRetention", FOUNDATION),
        _input(rules.LOGS, "retentionDays"),
        _SOURCE("retention_days"),
    ),
}
ALLOWED = [pytest.param(limit, value, id=name) for name, limit in LIMITS.items() for value in limit.allowed]
REFUSED = [pytest.param(limit, value, id=name) for name, limit in LIMITS.items() for value in limit.refused]


@pytest.fixture
def settings_file(tmp_path: Path) -> Callable[[Stack], Path]:
    def write(config: Stack) -> Path:
        path = tmp_path / "Pulumi.test.yaml"
        path.write_text(stack_yaml({"config": config}))
        return path

    return write


def _body(api: Client, attempt: Attempt) -> tuple[str, dict[str, Any]]:
    """A container is made in a namespace of its own."""
    path, body = attempt.content
    if path == _CONTAINER.path:
        body = {"namespace_id": api.create(_NAMESPACES, name="test")["id"], **body}
    return path, body


@pytest.mark.parametrize(("limit", "value"), ALLOWED)
def test_allowed(api: Client, settings_file: Callable[[Stack], Path], limit: Limit, value: Any) -> None:
    if limit.settings:
        load_file(settings_file(limit.settings(value).content))
    if limit.policy:
        assert check([limit.policy(value).content], settings_requirements(environment())).violations == []
    if limit.api:
        api("POST", *_body(api, limit.api(value)))


@pytest.mark.parametrize(("limit", "value"), REFUSED)
def test_refused(api: Client, settings_file: Callable[[Stack], Path], limit: Limit, value: Any) -> None:
    messages = []
    if limit.settings:
        attempt = limit.settings(value)
        with pytest.raises(SettingsError) as error:
            load_file(settings_file(attempt.content))
        assert list(problems(error.value)) == [attempt.where]
        found, allowed = problems(error.value)[attempt.where]
        assert found == attempt.found
        messages.append((attempt, allowed))
    if limit.policy:
        attempt = limit.policy(value)
        violations = check([attempt.content], settings_requirements(environment())).violations
        assert {(each.rule.name, each.property) for each in violations} == {("limits", attempt.where)}
        messages.append((attempt, violations[0].found))
    if limit.api:
        attempt = limit.api(value)
        path, body = _body(api, attempt)
        messages.append((attempt, api.refused("POST", path, body, attempt.where)))
    for attempt, message in messages:
        words = limit.words if attempt.words is None else attempt.words
        assert all(re.search(rf"(?<!\d){re.escape(word)}", message) for word in words.split()), message
