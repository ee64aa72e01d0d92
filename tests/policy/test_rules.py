"""What each rule refuses, and what it lets pass."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import EnvironmentSettings, FoundationSettings
from infra.settings.models import PolicyRule
from policy import rules
from policy.rules import RULES, SECRET, UNKNOWN, PolicyResult, Resource
from policy.secret_variables import is_secret_name
from policy.stack_settings import settings_requirements
from tests.support.environment import ROOT
from tests.support.policy_resources import CONTAINER, DIGEST, GOOD, IMAGE, environment, foundation, resource

Settings = EnvironmentSettings | FoundationSettings
ENVIRONMENT, FOUNDATION = environment(), foundation()


def check(resources: list[Resource], settings: Settings) -> PolicyResult:
    """As `snu` checks the resources of a stack with these settings."""
    return rules.check(resources, settings_requirements(settings))


def violations(found: Resource, settings: Settings = ENVIRONMENT) -> list[tuple[str, str]]:
    """The rules that are violated, with the property."""
    return [(each.rule.name, each.property) for each in check([found], settings).violations]


def test_settings_and_documents_know_exactly_the_rules() -> None:
    names = sorted(rule.name for rule in RULES)
    assert names == sorted(get_args(PolicyRule))
    page = (ROOT / "docs/reference/policies.md").read_text()
    assert names == sorted(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))


@pytest.mark.parametrize("type_", GOOD)
@pytest.mark.parametrize("settings", [ENVIRONMENT, FOUNDATION], ids=["environment", "foundation"])
def test_good_resources_pass(type_: str, settings: Settings) -> None:
    if type_ == rules.POLICY and settings is ENVIRONMENT:
        return  # an environment makes no policy, and so may give no full access
    assert violations(resource(type_), settings) == []


@pytest.mark.parametrize("type_", GOOD)
def test_what_is_not_known_violates_nothing(type_: str) -> None:
    """Whichever inputs a preview cannot know yet, and all of them."""
    unknown: dict[str, Any] = dict.fromkeys(GOOD[type_], UNKNOWN)
    for changed in [unknown, *({key: value} for key, value in unknown.items())]:
        assert violations(resource(type_, **changed), FOUNDATION) == []


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    (rules.CONTAINER, {"image": "rg.fr-par.scw.cloud/snu-test/api:latest"}, "image-by-digest", "image"),
    (rules.CONTAINER, {"image": "rg.fr-par.scw.cloud/snu-test/api@sha256:abc"}, "image-by-digest", "image"),
    (rules.JOB, {"imageUri": "rg.fr-par.scw.cloud/snu-test/api"}, "image-by-digest", "imageUri"),
    (rules.CONTAINER, {"image": f"docker.io/snu-test/api@{DIGEST}"}, "private-registry", "image"),
    (rules.CONTAINER, {"image": f"rg.fr-par.scw.cloud/snu-ci/api@{DIGEST}"}, "private-registry", "image"),
    (rules.CONTAINER, {"image": f"rg.fr-par.scw.cloud.evil.test/snu-test/api@{DIGEST}"}, "private-registry", "image"),
    (rules.JOB, {"imageUri": f"api@{DIGEST}"}, "private-registry", "imageUri"),
    (rules.REGISTRY, {"isPublic": True}, "private-registry", "isPublic"),
    (rules.INSTANCE, {"encryptionAtRest": False}, "encryption-at-rest", "encryptionAtRest"),
    (rules.INSTANCE, {"encryptionAtRest": None}, "encryption-at-rest", "encryptionAtRest"),
    (rules.INSTANCE, {"privateNetwork": None}, "no-public-database", "privateNetwork"),
    (rules.ACL, {"aclRules": [{"ip": "192.0.2.1/32"}, {"ip": "0.0.0.0/0"}]}, "no-public-database", "aclRules[1].ip"),
    (rules.ACL, {"aclRules": [{"ip": "::/0"}]}, "no-public-database", "aclRules[0].ip"),
    (rules.ACL, {"aclRules": [{"ip": "128.0.0.0/1"}]}, "no-public-database", "aclRules[0].ip"),
    (rules.TOKEN, {"scopes": {"writeMetrics": False}}, "least-privilege", "scopes.writeLogs"),
    (rules.TOKEN, {"scopes": {"writeLogs": False, "writeMetrics": True}}, "least-privilege", "scopes.writeMetrics"),
    (
        rules.TOKEN,
        {"scopes": {"writeLogs": False, "writeMetrics": False, "setupAlerts": True}},
        "least-privilege",
        "scopes.setupAlerts",
    ),
    (rules.CONTAINER, {"name": "Test-Api"}, "limits", "name"),
    (rules.CONTAINER, {"minScale": 3}, "limits", "minScale"),
    (rules.CONTAINER, {"secretEnvironmentVariables": {"A-B": SECRET}}, "limits", "secretEnvironmentVariables.A-B"),
    (rules.JOB, {"timeout": "24h0m1s"}, "limits", "timeout"),
    (rules.SERVERLESS, {"minCpu": 3}, "limits", "minCpu"),
    (
        rules.CONTAINER,
        {"environmentVariables": {"API_TOKEN": "abc"}},
        "plain-variables",
        "environmentVariables.API_TOKEN",
    ),
    (rules.JOB, {"env": {"DB_PASSWORD": SECRET}}, "plain-variables", "env.DB_PASSWORD"),
]


@pytest.mark.parametrize(("type_", "changed", "rule", "property_"), BAD)
def test_bad_resources_do_not(type_: str, changed: dict[str, Any], rule: str, property_: str) -> None:
    assert violations(resource(type_, **changed)) == [(rule, property_)]


def test_a_public_instance_needs_an_acl() -> None:
    public = resource(rules.INSTANCE, "a-instance", privateNetwork=None)
    other, acl = resource(rules.INSTANCE, "b-instance", privateNetwork=None), resource(rules.ACL, "a-acl")
    private = resource(rules.INSTANCE, "c-instance")
    assert check([public, acl, private], FOUNDATION).violations == []
    found = check([public, acl, private, other], FOUNDATION).violations
    assert {violation.resource for violation in found} == {"a-instance", "b-instance"}
    exempt = foundation(policies={"exemptions": [EXEMPTION | {"resource": "a-instance"}]})
    assert check([public], exempt).violations == []


EXEMPTION = {
    "rule": "no-public-database",
    "resource": "thing",
    "reason": "Only for this test, and nothing is in the database.",
}


def test_a_preview_runs_the_images_of_its_parent_and_the_local_registry_counts() -> None:
    preview = environment(environment={"name": "pr-1", "foundation": "foundation-test", "previewOf": "test"})
    assert violations(resource(rules.CONTAINER), preview) == []
    assert violations(resource(rules.CONTAINER, image=f"localhost:8421/snu-test/api@{DIGEST}")) == []


# --- protection and access ----------------------------------------------------------------------


def test_protection_follows_the_settings() -> None:
    protecting = environment(protect=True)
    for type_ in ("scaleway:containers/domain:Domain", "snu:index:ContainerApp"):
        assert violations(resource(type_), protecting) == [("protection", "protect")]
        assert violations(resource(type_, protect=True), protecting) == []
        assert violations(resource(type_)) == []
    assert violations(resource("pulumi:providers:scaleway"), protecting) == []
    assert violations(resource("scaleway:secrets/version:Version"), protecting) == []


def rule_of(*sets: str, **scope: Any) -> dict[str, Any]:
    return {"name": "snu-deploy-test-policy", "rules": [{"permissionSetNames": list(sets)} | scope]}


@pytest.mark.parametrize(
    "inputs",
    [
        rule_of("AllProductsFullAccess", projectIds=["p"]),
        rule_of("IAMManager", projectIds=["p"]),
        rule_of("SecretManagerFullAccess", projectIds=["p"]),
        rule_of("ContainersFullAccess", organizationId="o"),
        rule_of("ProjectManager", organizationId="o"),
        rule_of("ContainersFullAccess", organizationId=UNKNOWN),
        rule_of("ContainersFullAccess", projectIds=["p"]) | {"name": "snu-get-secret-test-policy"},
    ],
)
def test_more_than_the_work_takes(inputs: dict[str, Any]) -> None:
    assert violations(resource(rules.POLICY, **inputs), FOUNDATION) == [
        ("least-privilege", "rules[0].permissionSetNames")
    ]


def test_only_the_application_of_previews_may_write_secrets() -> None:
    inputs = rule_of("SecretManagerFullAccess", projectIds=["p"])
    previews = inputs | {"name": "snu-deploy-test-previews-policy"}
    assert violations(resource(rules.POLICY, **previews), foundation(previews=True)) == []
    for refused, settings in ((inputs, foundation(previews=True)), (previews, FOUNDATION)):
        assert violations(resource(rules.POLICY, **refused), settings) == [
            ("least-privilege", "rules[0].permissionSetNames")
        ]


def test_only_databases_that_runs_open_let_the_deploy_application_change_them() -> None:
    inputs = rule_of("RelationalDatabasesFullAccess", projectIds=["p"])
    database = {"kind": "instance", "allowedRanges": ["203.0.113.7/32"]}
    for opened, found in ((True, []), (False, [("least-privilege", "rules[0].permissionSetNames")])):
        settings = foundation(environments={"test": {"database": database | {"openForRuns": opened}}})
        assert violations(resource(rules.POLICY, **inputs), settings) == found


# --- secrets in plain variables -----------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "API_KEY",
        "SECRET",
        "CELLAR_KEYSECRET",
        "SENDINBLUEKEY",
        "SUPPORT_APIKEY",
        "JVA_TOKEN",
        "TOKENLOADTEST",
        "QPV_PASSWORD",
        "DB_PASS",
        "apiKey",
        "API_ASSOCIATION_AWS_SECRET_ACCESS_KEY",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)
    for value in (SECRET, UNKNOWN, "word", "x" * 10):
        assert violations(resource(rules.CONTAINER, environmentVariables={name: value})) == [
            ("plain-variables", f"environmentVariables.{name}")
        ]
    for harmless in ("", "true", "3600", "0.5", "https://auth.example.test/token", "SLACK_WEBHOOK_URL", "/run/token"):
        assert violations(resource(rules.CONTAINER, environmentVariables={name: harmless})) == []


@pytest.mark.parametrize(
    "name",
    [
        "API_ASSOCIATION_AWS_ACCESS_KEY_ID",
        "API_ASSOCIATION_CELLAR_KEYID",
        "CELLAR_KEYID_SUPPORT",
        "FRANCE_CONNECT_CLIENT_ID",
        "BUCKET_NAME",
        "MOTS_CLES",
        "SENTRY_URL",
        "VAPID_PUBLIC_KEY",
        "SLACK_BOT_CHANNEL",
        "KEYBOARD",
        "COMPASS",
    ],
)
def test_names_of_no_secrets(name: str) -> None:
    assert not is_secret_name(name)
    for value in (SECRET, UNKNOWN, "SCWXXXXXXXXXXXXXXXXX", "c0ffee" * 10, "10ca1000-0000-4000-8000-00000000cafe"):
        assert violations(resource(rules.CONTAINER, environmentVariables={name: value})) == []


@pytest.mark.parametrize(
    "value",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nMII",
        "AGE-SECRET-KEY-1" + "Q" * 40,
        "ghp_" + "a" * 36,
        "glpat-" + "a" * 20,
        "xoxb-" + "1" * 12,
        "https://hooks.slack.com/services/T00/B00/XXX",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0x.c2lnbmF0dXJl",
        "sk_live_" + "a" * 12,
        "xkeysib-" + "a" * 24,
        "postgres://user:hunter2@db.example.test/x",
        "https://user:hunter2@example.test",
        "https://example.test/hook?access_token=0123456789",
        "aB3dE6gH9jK2mN5pQ8sT1vW4xY7zA0bC",
    ],
)
def test_values_of_secrets_whatever_they_are_called(value: str) -> None:
    (found,) = check([resource(rules.CONTAINER, environmentVariables={"HARMLESS": value})], ENVIRONMENT).violations
    assert found.rule.name == "plain-variables"
    assert value not in str(found)
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    "value",
    [
        "https://api.snu.gouv.fr/path?page=2",
        "https://0123456789abcdef@o1.ingest.sentry.test/42",
        "aVeryLongWordInCamelCaseThatSaysSomething",
        "c0ffee" * 10,
        "10ca1000-0000-4000-8000-00000000cafe",
        "registry.example.test/snu/api",
        "a sentence with Words and 3 numbers",
        "2025-01-01T00:00:00Z",
    ],
)
def test_values_of_no_secrets(value: str) -> None:
    assert violations(resource(rules.CONTAINER, environmentVariables={"HARMLESS": value})) == []


# the machine may be busy
@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,20}", fullmatch=True), st.text(min_size=12), max_size=5))
def test_no_value_of_a_variable_stands_in_a_violation(variables: dict[str, str]) -> None:
    found = check([resource(rules.CONTAINER, environmentVariables=variables)], ENVIRONMENT).violations
    named = {each.property.removeprefix("environmentVariables.") for each in found} - {"environmentVariables"}
    assert named <= variables.keys()
    for each in found:
        assert not any(value in str(each) for value in variables.values() if value not in repr((each.rule, *variables)))


# the machine may be busy
@given(
    st.sampled_from(sorted(GOOD)),
    st.dictionaries(
        st.sampled_from(sorted({key for inputs in GOOD.values() for key in inputs})),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([UNKNOWN, SECRET]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=8,
        ),
    ),
)
def test_no_rule_breaks_on_any_inputs(type_: str, inputs: dict[str, Any]) -> None:
    """A provider may have other inputs some day: a rule then finds something or nothing, and ends."""
    check([resource(type_, **inputs)], FOUNDATION)
    check([resource(type_, **inputs)], ENVIRONMENT)


# --- exemptions ---------------------------------------------------------------------------------

REASON = "The key is printed in every page that the app serves."


def exempting(*exemptions: dict[str, str]) -> EnvironmentSettings:
    return environment(policies={"exemptions": [{"reason": REASON} | each for each in exemptions]})


def test_an_exemption_of_one_property_leaves_the_others() -> None:
    variables = {"A_TOKEN": "abc", "B_TOKEN": "abc"}
    bad = resource(rules.CONTAINER, "api-container", environmentVariables=variables)
    one = {"rule": "plain-variables", "resource": "api-container", "property": "environmentVariables.A_TOKEN"}
    verdict = check([bad], exempting(one))
    assert [each.property for each in verdict.violations] == ["environmentVariables.B_TOKEN"]
    ((violation, exemption),) = verdict.exempted
    assert (violation.property, exemption.reason) == ("environmentVariables.A_TOKEN", REASON)
    assert verdict.unused == []
    every = {"rule": "plain-variables", "resource": "api-container"}
    assert check([bad], exempting(every)).violations == []


@pytest.mark.parametrize(
    "exemption",
    [
        {"rule": "limits", "resource": "api-container"},
        {"rule": "plain-variables", "resource": "app-container"},
        {"rule": "plain-variables", "resource": "api-container", "property": "environmentVariables.OTHER"},
    ],
)
def test_an_exemption_that_fits_nothing_is_told(exemption: dict[str, str]) -> None:
    bad = resource(rules.CONTAINER, "api-container", environmentVariables={"A_TOKEN": "abc"})
    verdict = check([bad], exempting(exemption))
    assert len(verdict.violations) == 1
    assert [each.resource for each in verdict.unused] == [exemption["resource"]]


def test_a_violation_says_where_what_why_and_what_to_do() -> None:
    (found,) = check([resource(rules.CONTAINER, "api-container", image=f"{IMAGE}0")], ENVIRONMENT).violations
    assert str(found) == (
        f"api-container: image is {IMAGE}0 (image-by-digest). A tag can move, so the image that runs may not be the "
        "one that was approved. Reference the image as REGISTRY/NAME@sha256:DIGEST, as snu:images does."
    )
    assert CONTAINER["image"] == IMAGE
