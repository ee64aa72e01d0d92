"""What a stack's file may say, and how it is refused."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from infra.settings import EnvironmentSettings, FoundationSettings, SettingsError, limits, load, load_file, merge
from infra.settings.built import built_file, write_built
from infra.settings.models import App
from infra.settings.reference import reference
from scaleway_facts.limits import REQUEST_SECONDS
from tests.support.environment import ROOT
from tests.support.mocks import NOWHERE
from tests.support.settings import DIGEST, ENVIRONMENT, FOUNDATION, Stack, changed, problems
from tests.support.stack_yaml import stack_yaml


@pytest.fixture
def read(tmp_path: Path) -> Callable[[Stack], EnvironmentSettings | FoundationSettings]:
    def read(config: Stack) -> EnvironmentSettings | FoundationSettings:
        path = tmp_path / "Pulumi.test.yaml"
        path.write_text(stack_yaml({"config": config}), encoding="utf-8")
        return load_file(path)

    return read


BAD_INPUT: dict[str, tuple[Stack, str, str, str]] = {
    "unknown key of an app": (
        {"apps__api__memroy": 1},
        "snu:apps.api.memroy",
        "an unknown key",
        "`memory`",
    ),
    "unknown top-level key": ({"app": {}}, "snu:app", "an unknown key", "`snu:apps`"),
    "wrong type": ({"apps__api__cpu": "1000"}, "snu:apps.api.cpu", 'the string "1000"', "70 to 6000"),
    "an app that is no object": ({"apps__api": 7}, "snu:apps.api", "`7`", "an object with the keys `variablesFrom`"),
    "missing": ({"apps__api": {"cpu": 70}}, "snu:apps.api.memory", "missing", "128 to 12228 (MB)"),
    "more at least than at most": (
        {"apps__api__minScale": 2},
        "snu:apps.api.minScale",
        "`2`",
        "at most maxScale, which is 1",
    ),
    "an empty release command": (
        {"apps__api__release": {"command": []}},
        "snu:apps.api.release.command",
        "a list of 0 items",
        "a list of the program",
    ),
    "a release command that is a text": (
        {"apps__api__release": {"command": "npm run migrate"}},
        "snu:apps.api.release.command",
        "`npm run migrate`",
        "",
    ),
    "a seed command outside of previews": (
        {"apps__api__seed": {"command": ["seed"]}},
        "snu:apps.api.seed",
        "a seed command",
        "only in preview environments",
    ),
    "a job with the key of a release command's": (
        {
            "apps__api__release": {"command": ["a"]},
            "jobs__api-release": {"cpu": 140, "memory": 256, "timeout": 60, "image": "api"},
        },
        "snu:jobs.api-release",
        "the key of the job for snu:apps.api.release",
        "a different key",
    ),
    "a job with the name of a release command's": (
        {
            "apps__api__release": {"command": ["a"]},
            "jobs__other": {"name": "test-api-release", "cpu": 140, "memory": 256, "timeout": 60, "image": "api"},
        },
        "snu:jobs.other.name",
        "`test-api-release`, the name of the job for snu:apps.api.release",
        "a different name",
    ),
    "unknown sandbox": ({"apps__api__sandbox": "v3"}, "snu:apps.api.sandbox", "`v3`", "`v1` or `v2`"),
    "malformed host": ({"apps__api__host": "api_1.test"}, "snu:apps.api.host", "`api_1.test`", "a host name"),
    "malformed name": ({"environment__name": "Test"}, "snu:environment.name", "`Test`", "lower-case letters"),
    "malformed name of an app": (
        {"apps__api-": {"cpu": 70, "memory": 128, "image": "api"}},
        "snu:apps.api-",
        "the name `api-`",
        "not ending with a hyphen",
    ),
    "unquoted true": (
        {"apps__api__variables": {"CLE": True}},
        "snu:apps.api.variables.CLE",
        "`true` without quotes",
        "a string of at most",
    ),
    "unquoted number": (
        {"apps__api__variables": {"RATE": 1}},
        "snu:apps.api.variables.RATE",
        "`1` without quotes",
        "a string of at most",
    ),
    "one host twice": (
        {"apps__admin__host": "api.test.example.org"},
        "snu:apps.admin.host",
        "`api.test.example.org`, the host of snu:apps.api",
        "a unique host",
    ),
    "one container name twice": (
        {"apps__admin__name": "test-api"},
        "snu:apps.admin.name",
        "`test-api`, the container name of snu:apps.api",
        "a unique container name",
    ),
    "a container name in a shared namespace": (
        {"apps__admin__name": "console", "environment__previewOf": "ci"},
        "snu:apps.admin.name",
        "`console`",
        "no `name`: a preview environment",
    ),
    "renamed from an app that is still there": (
        {"apps__admin__renamedFrom": "api"},
        "snu:apps.admin.renamedFrom",
        "`api`, which is still in snu:apps",
        "a key that has been removed",
    ),
    "two apps renamed from one": (
        {"apps__api__renamedFrom": "old", "apps__admin__renamedFrom": "old"},
        "snu:apps.admin.renamedFrom",
        "`old`, which is also set in snu:apps.api",
        "each former key only once",
    ),
    "image of an unknown app": (
        {"apps__tasks__image": "apo"},
        "snu:apps.tasks.image",
        "`apo`, which is not in snu:images",
        "`api`, `admin`",
    ),
    "digest missing": (
        {"images": {"api": {"version": "1", "digest": DIGEST}}},
        "snu:images.admin",
        "missing, but snu:apps.admin runs it",
        "its version and digest; or set snu:apps.admin.image to another image",
    ),
    "digest malformed": (
        {"images__api__digest": "sha256:abc"},
        "snu:images.api.digest",
        "`sha256:abc`",
        "`sha256:` followed by 64 lower-case hexadecimal digits",
    ),
    "digest left out": (
        {"images__api": {"version": "1"}},
        "snu:images.api.digest",
        "missing",
        "`sha256:` followed by 64",
    ),
    "variables of an unknown app": (
        {"apps__tasks__variablesFrom": "apo"},
        "snu:apps.tasks.variablesFrom",
        "the unknown app `apo`",
        "`api`, `admin`, `tasks`",
    ),
    "cycle": (
        {"apps__api__variablesFrom": "tasks"},
        "snu:apps.api.variablesFrom",
        "the cycle api -> tasks -> api",
        "no cycles",
    ),
    "URL of an unknown app": (
        {"apps__api__variables": {"APP_URL": {"url": "app"}}},
        "snu:apps.api.variables.APP_URL.url",
        "the unknown app `app`",
        "`api`, `admin`, `tasks`",
    ),
    "URL of an app without host": (
        {"apps__api__variables": {"TASKS_URL": {"url": "tasks"}}},
        "snu:apps.api.variables.TASKS_URL.url",
        "`tasks`, an app without a `host`",
        "an app with a `host`",
    ),
    "plain and secret": (
        {"apps__api__variables": {"A": "1"}, "apps__api__secretVariables": ["B", "A"]},
        "snu:apps.api.secretVariables[1]",
        "`A`, which is also in variables",
        "each variable only once",
    ),
    "renamed twice": (
        {"apps__api__secretVariables": [{"A": "X", "B": "Y"}]},
        "snu:apps.api.secretVariables[0]",
        "an object",
        "or {NAME: KEY}",
    ),
    **{
        f"URL template {template}": ({"urlTemplate": template}, "snu:urlTemplate", f"`{template}`", "`https://{host}`")
        for template in (
            "https://x",
            "http://{host}@evil.example:8421",
            "http://{host}:8421@evil.example",
            "http://user@{host}",
            "http://{host}.evil.example",
            "http://{host}:8421/{host}",
            "http://{host}\\@evil.example",
            "ftp://{host}",
        )
    },
    "job without an image": (
        {"jobs": {"anonymize_db": {"cpu": 70, "memory": 128, "timeout": 60, "image": "none"}}},
        "snu:jobs.anonymize_db.image",
        "`none`, which is not in snu:images",
        "`api`, `admin`",
    ),
    "unknown blueprint": ({"blueprint": "house"}, "snu:blueprint", "`house`", "`foundation` or `environment`"),
    "no boolean": ({"protect": "yes"}, "snu:protect", 'the string "yes"', "`true` or `false`"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused_with_key_found_and_allowed(read: Callable[[Stack], Any], case: str) -> None:
    changes, key, found, allowed = BAD_INPUT[case]
    with pytest.raises(SettingsError) as error:
        read(changed(ENVIRONMENT, **changes))
    reported = problems(error.value)
    assert list(reported) == [key], str(error.value)
    assert reported[key][0] == found
    assert allowed in reported[key][1]
    assert error.value.errors[0].file == "Pulumi.test.yaml"


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("http://127.0.0.1:8421", True),
        ("http://[::1]:8421", True),
        ("https://api.example", True),
        ("http://127.0.0.1:8421@evil.example", False),
        ("http://evil.example\\@127.0.0.1", False),
        ("http://a;b", False),
        ("http://127.0.0.1/v1", False),
    ],
)
def test_an_address_is_a_host_and_a_port(address: str, is_allowed: bool) -> None:
    with contextlib.nullcontext() if is_allowed else pytest.raises(ValidationError):
        TypeAdapter(limits.Url).validate_python(address)


def test_a_request_has_the_time_that_the_platform_gives_it() -> None:
    assert App.model_fields["timeout"].default == REQUEST_SECONDS.default


def test_all_problems_are_reported_at_once(read: Callable[[Stack], Any]) -> None:
    """Those of single values and those across values, of several apps."""
    single = [
        "unknown key of an app",
        "unknown top-level key",
        "wrong type",
        "unknown sandbox",
        "one host twice",
        "image of an unknown app",
        "digest malformed",
        "plain and secret",
        "no boolean",
    ]
    changes: dict[str, Any] = {}
    for case in single:
        changes |= BAD_INPUT[case][0]
    with pytest.raises(SettingsError) as error:
        read(changed(ENVIRONMENT, **changes))
    assert set(problems(error.value)) == {BAD_INPUT[case][1] for case in single}
    text = str(error.value)
    assert text.startswith("9 problems in Pulumi.test.yaml:\n")
    assert all(BAD_INPUT[case][1] in text for case in single)


def test_the_sum_of_own_and_taken_variables_is_limited(read: Callable[[Stack], Any]) -> None:
    many = {f"A{number}": "" for number in range(150)}
    more = {f"B{number}": "" for number in range(51)}
    with pytest.raises(SettingsError) as error:
        read(changed(ENVIRONMENT, apps__api__variables=many, apps__tasks__variables=more))
    assert problems(error.value) == {"snu:apps.tasks": ("201 plain variables", "at most 200")}


def test_values_of_variables_and_passwords_are_never_shown(read: Callable[[Stack], Any]) -> None:
    with pytest.raises(SettingsError) as error:
        read(changed(ENVIRONMENT, apps__api__variables={"LONG": "hunter2" * 10_000}))
    assert "hunter2" not in str(error.value)
    for password in ("hunter2", 12345678, ["hunter2hunter2"]):
        passwords = {"test": {"administrator": password, "user": "x" * 8}}
        with pytest.raises(SettingsError) as error:
            read(changed(FOUNDATION, databasePasswords=passwords))
        assert problems(error.value)["snu:databasePasswords.test.administrator"][0] == "[secret]"
        assert "hunter2" not in str(error.value)
        assert "12345678" not in str(error.value)


NETWORK = "10ca1000-0000-4000-8000-00000000000a"
INSTANCE: dict[str, Any] = {"kind": "instance", "allowedRanges": ["203.0.113.7/32"]}


@pytest.mark.parametrize(
    ("database", "key"),
    [
        ({"kind": "instance"}, "allowedRanges"),
        ({"kind": "instance", "allowedRanges": []}, "allowedRanges"),
        ({"kind": "instance", "openForRuns": True}, "allowedRanges"),
        (INSTANCE | {"privateNetwork": NETWORK}, "allowedRanges"),
        ({"kind": "instance", "privateNetwork": NETWORK, "openForRuns": True}, "openForRuns"),
        ({"kind": "instance", "privateNetwork": "network"}, "privateNetwork"),
        *(
            (INSTANCE | {"allowedRanges": [wrong]}, "allowedRanges[0]")
            for wrong in (
                "0.0.0.0/0",
                "::/0",
                "12.0.0.0/7",
                "203.0.113.7",
                "203.0.113.7/24",
                "203.0.113.0/33",
                "office",
            )
        ),
    ],
)
def test_who_may_connect_to_an_instance(read: Callable[[Stack], Any], database: dict[str, Any], key: str) -> None:
    passwords = {"test": {"administrator": "x" * 8, "user": "x" * 8}}
    with pytest.raises(SettingsError) as error:
        read(changed(FOUNDATION, environments__test__database=database, databasePasswords=passwords))
    assert list(problems(error.value)) == [f"snu:environments.test.database.{key}"], str(error.value)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"environments": {}}, "snu:environments"),
        ({"environments__test__database": {"kind": "mysql"}}, "snu:environments.test.database"),
        ({"environments__test__database": {}}, "snu:environments.test.database"),
        ({"environments__test__database__minCpu": 2}, "snu:environments.test.database.minCpu"),
        ({"environments__test__database": INSTANCE}, "snu:databasePasswords.test"),
        (
            {"environments__test": {"database": {"kind": "bucket"}, "formerDatabase": INSTANCE}},
            "snu:databasePasswords.test",
        ),
        (
            {"environments__test__formerDatabase": {"kind": "serverless"}},
            "snu:environments.test.formerDatabase",
        ),
        ({"environments__test__database": {"kind": "bucket", "maxCpu": 1}}, "snu:environments.test.database.maxCpu"),
        ({"state": {"backend": "database"}}, "snu:state.backend"),
        ({"state": {"bucket": "No_Name"}}, "snu:state.bucket"),
        (
            {"databasePasswords": {"tset": {"administrator": "x" * 8, "user": "x" * 8}}},
            "snu:databasePasswords.tset",
        ),
        ({"zone": "dev"}, "snu:zone"),
        ({"apiKeysExpireOn": "2027-02-30"}, "snu:apiKeysExpireOn"),
        ({"observability": {"alertEmails": ["nobody"]}}, "snu:observability.alertEmails[0]"),
        ({"deploy": {"readRegistriesOf": ["snu-ci"]}}, "snu:deploy.readRegistriesOf[0]"),
    ],
)
def test_bad_foundations_are_refused(read: Callable[[Stack], Any], changes: Stack, key: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(changed(FOUNDATION, **changes))
    assert list(problems(error.value)) == [key], str(error.value)


@pytest.mark.parametrize("key", ["scaleway:regoin", "snuu:apps", "aws:region"])
def test_keys_of_no_known_namespace_are_refused(read: Callable[[Stack], Any], key: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(ENVIRONMENT | {key: "x"})
    assert list(problems(error.value)) == [key]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("config: [", "file"),
        ("config:\n  snu:apps: {}\n  snu:apps: {}\n", "snu:apps"),
        ("- config\n", "file"),
        ("conifg: {}\n", "conifg"),
        ("", "snu:blueprint"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "Pulumi.test.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as error:
        load_file(path)
    assert list(problems(error.value)) == [key]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"Pulumi\.none\.yaml:\n +Pulumi\.none\.yaml: missing; create it"):
        load_file(tmp_path / "Pulumi.none.yaml")


def test_a_file_is_read_as_pulumi_reads_it(tmp_path: Path) -> None:
    """Keys without namespace are the project's; encrypted values are left alone."""
    path = tmp_path / "Pulumi.test.yaml"
    path.write_text(
        f"""
encryptionsalt: v1:abc
config:
  blueprint: environment
  protect: true
  snu:environment: {{name: "on", foundation: foundation-test}}
  snu:images: {{api: {{version: "1", digest: {DIGEST}}}}}
  snu:apps:
    api:
      cpu: 70
      memory: 128
      variables: {{DAY: "2023-12-01", ANSWER: "yes", HIDDEN: {{secure: v1:xyz}}}}
""",
        encoding="utf-8",
    )
    settings = load_file(path)
    assert isinstance(settings, EnvironmentSettings)
    assert settings.protect
    assert settings.environment.name == "on"
    assert settings.apps["api"].variables == {
        "DAY": "2023-12-01",
        "ANSWER": "yes",
        "HIDDEN": "[encrypted]",
    }


def test_pulumi_delivers_texts() -> None:
    settings = load(
        "test",
        {
            "snu:blueprint": "foundation",
            "snu:protect": "true",
            "scaleway:organizationId": "10ca1000-0000-4000-8000-000000000001",
            "snu:project": '{"name": "test"}',
            "snu:environments": '{"test": {"database": {"kind": "instance", "allowedRanges": ["203.0.113.7/32"]}}}',
            "snu:databasePasswords": '{"test": {"administrator": "s3cret-administrator", "user": "s3cret-user"}}',
        },
        NOWHERE,
    )
    assert isinstance(settings, FoundationSettings)
    assert settings.protect
    assert "s3cret" not in repr(settings)
    assert settings.database_passwords["test"].user.get_secret_value() == "s3cret-user"


def test_own_variables_replace_taken_ones(read: Callable[[Stack], Any]) -> None:
    settings = read(
        changed(
            ENVIRONMENT,
            apps__api__variables={"A": "api", "B": "api", "URL": {"url": "admin"}},
            apps__api__documentVariables=["C"],
            apps__api__secretVariables=["D", {"E": "KEY"}],
            apps__tasks__variables={"B": "tasks", "D": "tasks"},
            apps__tasks__secretVariables=["C"],
        )
    )
    merged = merge(settings.apps["tasks"], settings.apps)
    assert set(merged.plain) == {"A", "B", "D", "URL"}
    assert (merged.plain["A"], merged.plain["B"], merged.plain["D"]) == ("api", "tasks", "tasks")
    assert merged.document == {}
    assert merged.secret == {"C": "C", "E": "KEY"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=2) | st.dictionaries(st.text(max_size=5), children, max_size=2),
    max_leaves=5,
)
PATHS = st.sampled_from(
    [
        "apps",
        "apps__api",
        "apps__api__variables",
        "apps__api__variables__A",
        "apps__api__secretVariables",
        "apps__api__host",
        "apps__api__image",
        "apps__api__variablesFrom",
        "apps__api__livenessProbe",
        "images",
        "images__api",
        "jobs",
        "environment",
        "environment__name",
        "protect",
        "zone",
    ]
)


@given(path=PATHS, value=JSON)
def test_whatever_stands_there_is_taken_or_refused(path: str, value: Any) -> None:
    """Never another exception."""
    config = changed(ENVIRONMENT, **{path: value})
    flat = {key: entry if isinstance(entry, str) else json.dumps(entry) for key, entry in config.items()}
    with contextlib.suppress(SettingsError):
        load("test", flat, NOWHERE)


# --- where it is wrong, and what was meant -----------------------------------------------------------------

HAND_WRITTEN = f"""\
config:
  scaleway:region: fr-xyz
  scaleway:zone: fr-par-9
  scaleway:organizationId: abc
  scaleway:profile: ""
  snu:blueprint: environment
  snu:environment: {{name: test, foundation: foundation-gone}}
  snu:images:
    api: {{version: "1", digest: {DIGEST}}}
  snu:apps:
    api:
      cpu: "1024"
      memory: 1024
      minScael: 1
      variables: {{RATE: 1}}
    support:
      cpu: 70
      memroy: 128
  snu:protct: true
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a project and the file of one foundation."""
    (tmp_path / "Pulumi.yaml").write_text("name: snu\nruntime: python\n")
    (tmp_path / "Pulumi.foundation-test.yaml").touch()
    return tmp_path


def lines(error: SettingsError) -> list[str]:
    return [line.strip() for line in str(error).splitlines()[1:]]


def test_each_problem_is_one_line_with_the_place_and_the_way_out(project: Path) -> None:
    path = project / "Pulumi.test.yaml"
    path.write_text(HAND_WRITTEN)
    with pytest.raises(SettingsError) as error:
        load_file(path)
    assert lines(error.value) == [
        "Pulumi.test.yaml:2: scaleway:region: found `fr-xyz`; allowed: `fr-par`, `nl-ams` or `pl-waw`",
        "Pulumi.test.yaml:3: scaleway:zone: found `fr-par-9`; allowed: a zone in `fr-par`, `nl-ams` or `pl-waw`, like "
        "`fr-par-1`",
        "Pulumi.test.yaml:4: scaleway:organizationId: found `abc`; allowed: a lower-case UUID",
        "Pulumi.test.yaml:5: scaleway:profile: found an empty string; allowed: the name of a profile",
        "Pulumi.test.yaml:7: snu:environment.foundation: found `foundation-gone`, but "
        "Pulumi.foundation-gone.yaml does not exist; allowed: `foundation-test`",
        "Pulumi.test.yaml:8: snu:images.support: missing, but snu:apps.support runs it; allowed: its version "
        "and digest; or set snu:apps.support.image to another image",
        'Pulumi.test.yaml:12: snu:apps.api.cpu: found the string "1024"; write a number without quotes: 70 to 6000 '
        "(thousandths of a vCPU)",
        "Pulumi.test.yaml:14: snu:apps.api.minScael: found an unknown key; did you mean `minScale`?",
        'Pulumi.test.yaml:15: snu:apps.api.variables.RATE: found `1` without quotes; write "1"',
        "Pulumi.test.yaml:18: snu:apps.support.memroy: found an unknown key; did you mean `memory`?",
        "Pulumi.test.yaml:19: snu:protct: found an unknown key; did you mean `snu:protect`?",
    ]


def test_a_zone_is_in_the_region(read: Callable[[Stack], Any]) -> None:
    settings = ENVIRONMENT | {"scaleway:region": "fr-par", "scaleway:zone": "fr-par-2"}
    read(settings)
    with pytest.raises(SettingsError) as error:
        read(settings | {"scaleway:region": "nl-ams"})
    assert problems(error.value) == {"scaleway:zone": ("`fr-par-2`", "a zone in the region `nl-ams`, like `nl-ams-1`")}


def test_an_environment_without_images_is_one_problem(read: Callable[[Stack], Any]) -> None:
    with pytest.raises(SettingsError) as error:
        read({key: value for key, value in ENVIRONMENT.items() if key != "snu:images"})
    assert list(problems(error.value)) == ["snu:images"]


def test_flaws_of_the_file_have_lines_too(project: Path) -> None:
    path = project / "Pulumi.test.yaml"
    path.write_text("config:\n  snu:apps:\n    api: {variables: {SINCE: 2026-11-26}}\n")
    with pytest.raises(SettingsError) as error:
        load_file(path)
    assert lines(error.value) == [
        "Pulumi.test.yaml:3: snu:apps.api.variables.SINCE: found `2026-11-26` without quotes, which some YAML "
        'readers treat as a date; write "2026-11-26"'
    ]


def flat(config: Stack) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


class TestTheProgramChecksTheStacksFile:
    """What Pulumi hands over is from the stack's file, or from another one that `--config-file` names."""

    STACK = changed(ENVIRONMENT, apps__api__variables={"SINCE": "{}"}, environment__foundation="foundation-test")

    def written(self, project: Path, since: str) -> Path:
        path = project / "Pulumi.test.yaml"
        path.write_text(stack_yaml({"config": self.STACK}).replace("'{}'", since))
        return path

    def given(self, since: str = "2026-11-26 00:00:00 +0000 UTC") -> dict[str, str]:
        return flat(changed(self.STACK, apps__api__variables={"SINCE": since}))

    def test_a_flaw_is_refused(self, project: Path) -> None:
        self.written(project, "2026-11-26")
        with pytest.raises(SettingsError, match="SINCE: found `2026-11-26` without quotes"):
            load("test", self.given(), project)

    def test_a_problem_has_its_line(self, project: Path) -> None:
        self.written(project, "17")
        given = flat(changed(self.STACK, apps__api__variables={"SINCE": 17}))
        with pytest.raises(SettingsError, match=r"Pulumi\.test\.yaml:\d+: snu:apps.api.variables.SINCE: found `17`"):
            load("test", given, project)

    def test_a_clean_file_passes_with_what_the_cli_adds(self, project: Path) -> None:
        self.written(project, "text")
        load("test", self.given("text") | {"pulumi:tags": "{}", "scaleway:region": "fr-par"}, project)

    def test_a_file_with_other_values_is_not_the_source(self, project: Path) -> None:
        path = self.written(project, "2026-11-26")
        path.write_text(f"{path.read_text()}  snu:protect: true\n")
        others: list[dict[str, str]] = [{}, {"snu:protect": "false"}]
        for other in others:
            load("test", self.given("text") | other, project)

    @pytest.mark.parametrize(
        "content", [None, b"config: [", b"\xff\xfe\x00\xd8", b"config: {'snu:protect': 2026-11-26}"]
    )
    def test_another_or_no_file_is_no_obstacle(self, project: Path, content: bytes | None) -> None:
        if content is not None:
            (project / "Pulumi.test.yaml").write_bytes(content)
        load("test", self.given("text"), project)


# --- what was built -------------------------------------------------------------------------------------


def pinned(version: str) -> dict[str, str]:
    return {"version": version, "digest": DIGEST}


def versions(settings: EnvironmentSettings) -> dict[str, str]:
    return {name: image if isinstance(image, str) else image.version for name, image in settings.images.items()}


def test_built_images_go_before_those_of_the_file(read: Callable[[Stack], Any], tmp_path: Path) -> None:
    write_built(tmp_path, "test", {"api": pinned("2"), "extra": pinned("3")})
    assert versions(read(ENVIRONMENT)) == {"api": "2", "admin": "1", "extra": "3"}
    assert versions(read(ENVIRONMENT | {"snu:promoteFrom": "ci"})) == {"api": "1", "admin": "1"}
    write_built(tmp_path, "other", {"api": pinned("4")})
    assert versions(read(ENVIRONMENT))["api"] == "2"


def test_pulumi_delivers_built_images_too(tmp_path: Path) -> None:
    flat = {key: value if isinstance(value, str) else json.dumps(value) for key, value in ENVIRONMENT.items()}
    write_built(tmp_path, "test", {"api": pinned("2")})
    settings = load("test", flat, tmp_path)
    assert isinstance(settings, EnvironmentSettings)
    assert versions(settings) == {"api": "2", "admin": "1"}


@pytest.mark.parametrize("text", ["[", "- a", "api: {version: '1'}"])
def test_damaged_built_images_are_refused(read: Callable[[Stack], Any], tmp_path: Path, text: str) -> None:
    write_built(tmp_path, "test", {})
    built_file(tmp_path, "test").write_text(text)
    with pytest.raises(SettingsError) as error:
        read(ENVIRONMENT)
    assert "unicode string" not in str(error.value)


def test_build_stands_for_one_image_or_for_all(read: Callable[[Stack], Any]) -> None:
    assert versions(read(changed(ENVIRONMENT, images__api="build"))) == {"api": "build", "admin": "1"}
    assert versions(read(ENVIRONMENT | {"snu:images": "build"})) == {"api": "build", "admin": "build"}


def test_build_stands_for_the_image_of_crash_alerts_too(read: Callable[[Stack], Any], tmp_path: Path) -> None:
    stack = ENVIRONMENT | {"snu:images": "build", "snu:crashAlerts": {"webhook": "HOOK"}}
    assert set(versions(read(stack))) == {"api", "admin", "crash-alerts"}
    write_built(tmp_path, "test", {"crash-alerts": pinned("2")})
    assert versions(read(stack)) == {"api": "build", "admin": "build", "crash-alerts": "2"}


def test_crash_alerts_are_checked_with_the_rest(read: Callable[[Stack], Any]) -> None:
    job = {"cpu": 70, "memory": 128, "timeout": 60, "image": "api"}
    wrong = changed(ENVIRONMENT, environment__previewOf="ci") | {
        "snu:crashAlerts": {"intervalMinutes": 7, "image": "other"},
        "snu:jobs": {"crash-alerts": job},
    }
    with pytest.raises(SettingsError) as raised:
        read(wrong)
    found = problems(raised.value)
    assert found["snu:crashAlerts.image"][0] == "`other`, which is not in snu:images"
    assert "20 or 30" in found["snu:crashAlerts.intervalMinutes"][1]
    assert {"snu:crashAlerts", "snu:jobs.crash-alerts"} <= found.keys()


def test_what_was_built_goes_before_build_too(read: Callable[[Stack], Any], tmp_path: Path) -> None:
    write_built(tmp_path, "test", {"api": pinned("2")})
    assert versions(read(ENVIRONMENT | {"snu:images": "build"})) == {"api": "2", "admin": "build"}


def test_what_is_promoted_is_never_built(read: Callable[[Stack], Any]) -> None:
    with pytest.raises(SettingsError) as raised:
        read(changed(ENVIRONMENT, images__api="build") | {"snu:promoteFrom": "ci"})
    assert problems(raised.value) == {"snu:images.api": ("`build`", "a version and digest promoted from ci")}


def test_reading_settings_does_not_import_pulumi() -> None:
    code = (
        "import sys, infra.settings, infra.naming;"
        "print([name for name in sys.modules if name.partition('.')[0] in ('pulumi', 'pulumiverse_scaleway', 'grpc')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_reference_is_up_to_date() -> None:
    written = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python -m infra.settings.reference > docs/reference/settings.md"
