"""What each key opens, and what no key may open: derived from the policies of the committed foundations."""

from __future__ import annotations

import json
import re

import pulumi
import pytest

from infra import naming
from tests.support.committed_stacks import ENVIRONMENTS, build, built, config_of
from tests.support.environment import ROOT
from tests.support.reach import (
    FOUNDATIONS,
    OPEN_TO_PULL_REQUESTS,
    PREVIEWS,
    TABLES,
    Estate,
    Reach,
    estate,
    estate_with_release_commands,
    release_applications,
)

API_KEY = "scaleway:iam/apiKey:ApiKey"
IN_CI = {"ci", PREVIEWS}
"""Scaleway separates preview environments from ci no further than by their secrets: they share a project."""


def applications(github: str) -> list[str]:
    """The applications whose keys the jobs of a GitHub environment have."""
    found = [
        holder.application for holder in estate().holders.values() if github in (*holder.github, *holder.github_source)
    ]
    assert found, f"no application is for the GitHub environment {github}"
    return found


def reach(application: str) -> Reach:
    return estate().reach(application)


def reached(application: str, access: str = "") -> set[str]:
    """The foundations and environments that a key reaches, or reaches so."""
    return {place for (place, _), found in reach(application).items() if access in ("", found)}


def secret_of(place: str) -> set[str]:
    return {application for application in estate().grants if reach(application).get((place, "secrets"))}


@pytest.mark.parametrize("mark", TABLES)
def test_the_tables_in_the_docs_are_the_derived_ones(mark: str) -> None:
    document = (ROOT / "docs/reference/keys.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"<!-- {mark} -->\n\n(.*?)\n<!-- end -->", document, re.DOTALL)
    assert found == TABLES[mark](), "run: python -m tests.support.reach, and put the table into docs/reference/keys.md"


def test_every_policy_is_in_the_table() -> None:
    policies = sum(len(built(stack).of_type("scaleway:iam/policy:Policy")) for stack in FOUNDATIONS)
    assert len(estate().grants) == policies
    table = estate().table()
    assert all(re.search(rf"`{application}`", table) for application in estate().grants)
    assert not any(built(stack).of_type("scaleway:iam/policy:Policy") for stack in ENVIRONMENTS)


@pytest.mark.parametrize("stack", ["ci", "stage", "production"])
def test_keys_that_deploy_a_stack_reach_no_other_one(stack: str) -> None:
    """But for images that are promoted from the environment before, which they read."""
    for application in applications(stack):
        others = {spot: access for spot, access in reach(application).items() if spot[0] != stack}
        if stack == "ci":
            others = {spot: access for spot, access in others.items() if spot[0] != PREVIEWS}
        if application.startswith("snu-deploy-"):
            assert set(others.items()) <= {(("ci", "registry"), "read"), ((PREVIEWS, "registry"), "read")}
        assert "write" not in others.values()
        assert not any(kind == "secrets" and place == "production" for place, kind in others)


def test_a_key_for_release_commands_opens_only_jobs_and_widens_no_other_key() -> None:
    """Whoever reads the key can change jobs already."""
    changed = estate_with_release_commands()
    assert release_applications() == [naming.release_application(name) for name in ("ci", "production", "staging")]
    for application in changed.grants:
        if application in release_applications():
            assert set(changed.reach(application).values()) == {"write"}
            assert {kind for _, kind in changed.reach(application)} == {"jobs"}
        else:
            assert changed.reach(application) == reach(application)
    finders = {each for each in changed.grants if changed.keys_of(each) & {*release_applications()} - {each}}
    assert finders == {"snu-deploy-ci", "snu-deploy-ci-previews", "snu-deploy-production", "snu-deploy-staging"}


def test_only_keys_of_production_open_secrets_of_production() -> None:
    assert secret_of("production") == {f"snu-{purpose}-production" for purpose in ("deploy", "preview", "get-secret")}
    assert {each for each in estate().grants if (("production", "containers"), "write") in reach(each).items()} == {
        "snu-deploy-production"
    }


@pytest.mark.parametrize("github", sorted(OPEN_TO_PULL_REQUESTS))
def test_the_code_of_a_pull_request_reaches_ci_only(github: str) -> None:
    for application in applications(github):
        assert reached(application) <= IN_CI
    assert all(reached(each, "write") == set() for each in applications("preview-ci"))


def test_no_key_of_a_pull_request_finds_one_that_deploys() -> None:
    deploying = {naming.deploy_application(name) for name in ("ci", "staging", "production")}
    for github in OPEN_TO_PULL_REQUESTS:
        for application in applications(github):
            assert not estate().keys_of(application) & deploying


@pytest.mark.parametrize("stack", ["ci", "stage", "production"])
def test_a_preview_writes_nothing(stack: str) -> None:
    """It reads the state with another credential than a deploy writes it with."""
    for application in applications(f"preview-{stack}"):
        assert reached(application, "write") == set()
        assert reach(application)[stack, "state"] == "read"


def test_a_preview_of_a_foundation_writes_nothing_and_opens_no_app_secret() -> None:
    for foundation in FOUNDATIONS:
        (application,) = applications(f"preview-{foundation}")
        assert reached(application, "write") == set()
        assert reach(application)[foundation, "state"] == "read"
        assert not any(kind == "secrets" for _, kind in reach(application))


def test_passwords_of_a_database_instance_are_in_the_state_of_its_foundation() -> None:
    """So a key that previews such a foundation can write its environments' states, as docs/reference/keys.md says."""
    config = config_of("foundation-production")
    environments = json.loads(config["snu:environments"])
    environments["production"]["database"] = {"kind": "instance", "allowedRanges": ["203.0.113.7/32"]}
    passwords = {"administrator": "Administrat0r!", "user": "Passw0rd!", "reader": "Read0nly!"}
    config |= {
        "snu:environments": json.dumps(environments),
        "snu:databasePasswords": json.dumps({"production": passwords}),
    }
    changed = Estate({"foundation-production": config})
    states = {each: changed.reach(each).get(("production", "state")) for each in changed.grants}
    assert states == {
        "snu-alerts-production": None,
        "snu-deploy-production": "write",
        "snu-get-secret-production": None,
        "snu-logs-production": None,
        "snu-preview-foundation-production": "write",
        "snu-preview-production": "read",
    }


@pytest.mark.parametrize("preview", [True, False])
def test_crash_alerts_without_a_key_are_refused(preview: bool) -> None:
    with pytest.raises(pulumi.RunError) as error:
        build("stage", config_of("stage"), preview, secret_status="disabled")
    assert str(error.value).endswith(
        "the secret snu-staging-alerts has no version, so the crash alerts have no API key: run `scripts/snu keys "
        "store foundation-stage`"
    )


@pytest.mark.parametrize(
    ("stack", "status", "severities"),
    [
        ("foundation-stage", "disabled", ["warn"]),
        ("foundation-stage", "enabled", []),
        ("foundation-local", "disabled", ["info"]),
        ("foundation-local", "enabled", []),
    ],
)
def test_a_foundation_reports_crash_alerts_without_a_key(
    stack: str, status: str, severities: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a warning on the local Scaleway, where `scripts/up` stores the key next."""
    said: list[tuple[str, str]] = []
    for severity in ("info", "warn"):
        monkeypatch.setattr(f"pulumi.log.{severity}", lambda text, *_, as_=severity: said.append((as_, text)))
    build(stack, config_of(stack), secret_status=status)
    assert [severity for severity, text in said if "-alerts has no version yet" in text] == severities


def test_no_state_holds_an_api_key() -> None:
    assert estate().in_state == {}
    assert not any(built(stack).of_type(API_KEY) for stack in ENVIRONMENTS)
    assert set(estate().places()) == {*FOUNDATIONS, "ci", PREVIEWS, "stage", "production"}
