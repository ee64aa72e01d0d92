"""Requirements of a release: each missing one is reported once, with the command that fixes it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra import naming
from infra.components import permission_sets
from ops.commands.doctor import doctor
from ops.commands.plan_keys import make_keys
from ops.doctor import access, checks, workflow
from ops.doctor.context import (
    Check,
    DoctorContext,
    Finding,
    MissingRequirement,
    Note,
    Risk,
    Status,
    UncheckedRequirement,
)
from ops.doctor.programs import Version, programs, within
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub
from ops.stack_file import edit
from ops.stacks import find_stack
from ops.stored_keys import KeyProblem
from tests.support.environment import ROOT
from tests.support.fake_server import FakeServer, json_response
from tests.support.github import TOKEN, FakeGitHub, hub
from tests.support.released_project import project

__all__ = ["hub", "project"]

RELEASED = ("stage", "production")
KEY = {"SCW_ACCESS_KEY": "SCWXXXXXXXXXXXXXXXXX", "SCW_SECRET_KEY": "10ca1000-0000-4000-8000-00000000000f"}


@pytest.fixture
def scaleway(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """An account without a secret. The stacks take it for the real Scaleway, which is at no loopback address."""
    monkeypatch.setattr("ops.scaleway.profile.is_loopback", lambda _host: False)
    with FakeServer() as server:
        path = "/secret-manager/v1beta1/regions/fr-par/secrets"
        server.expect_request(path).respond_with_json({"secrets": [], "total_count": 0})
        yield server


def subject(project: Path, environ: Mapping[str, str] | None = None, github: GitHub | None = None) -> DoctorContext:
    return DoctorContext(project, tuple(find_stack(project, name) for name in RELEASED), environ or {}, github)


def missing(findings: Iterator[Finding]) -> dict[str, str]:
    """The missing requirements with their fixes; fails if anything was unchecked."""
    known = list(findings)
    assert all(isinstance(each, MissingRequirement) for each in known), known
    return {each.problem: each.fix for each in known if isinstance(each, MissingRequirement)}


def make(project: Path, tmp_path: Path, stack: str) -> Path:
    make_keys(project, stack, tmp_path / "keys", planner="ci", applier="deploy")
    return tmp_path / "keys"


def test_stacks_without_plan_keys(project: Path, tmp_path: Path) -> None:
    found = missing(checks.plan_keys(subject(project)))
    assert list(found.values()) == [f"scripts/snu plan-keys {name} --out DIR" for name in RELEASED]
    make(project, tmp_path, "stage")
    assert list(missing(checks.plan_keys(subject(project))).values()) == ["scripts/snu plan-keys production --out DIR"]


def test_private_keys_must_belong_to_the_stacks(project: Path, tmp_path: Path) -> None:
    folder = make(project, tmp_path, "stage")
    own = {
        "SNU_PLAN_SIGNING_KEY": (folder / "stage-plan-signing.key").read_text(),
        "SNU_PLAN_IDENTITY_FILE": str(folder / "stage-plan-identity.key"),
    }
    assert missing(checks.given_keys(subject(project, own))) == {}
    other = make(project, tmp_path / "other", "foundation-ci")
    foreign = {
        "SNU_PLAN_SIGNING_KEY": (other / "foundation-ci-plan-signing.key").read_text(),
        "SNU_PLAN_IDENTITY_FILE": str(other / "foundation-ci-plan-identity.key"),
    }
    found = missing(checks.given_keys(subject(project, foreign)))
    assert [what.partition(" ")[0] for what in found] == ["SNU_PLAN_SIGNING_KEY", "SNU_PLAN_IDENTITY"]
    damaged = missing(checks.given_keys(subject(project, {"SNU_PLAN_SIGNING_KEY": "hush-hush"})))
    assert "hush-hush" not in str(damaged)
    assert damaged


def test_invalid_settings(project: Path) -> None:
    path = project / "Pulumi.stage.yaml"
    path.write_text(path.read_text().replace("snu:apps:", "snu:colour: red\n  snu:apps:", 1))
    (fix,) = missing(checks.settings(subject(project))).values()
    assert fix.startswith("scripts/snu preview stage")


def test_a_state_without_a_backend(project: Path, scaleway: FakeServer) -> None:
    found = missing(checks.states(subject(project, KEY | {"SCW_API_URL": scaleway.url})))
    assert set(found.values()) == {
        "scripts/snu bootstrap foundation-production",
        "scripts/snu bootstrap foundation-stage",
    }
    assert len(found) == len(RELEASED)


def test_environments_that_share_a_project(project: Path) -> None:
    assert list(checks.separation(subject(project))) == []
    path = project / "Pulumi.foundation-production.yaml"
    shared = path.read_text().replace("snu:environments:", "snu:environments:\n    other: {database: {kind: bucket}}")
    path.write_text(shared.replace("snu:protect: true", "snu:protect: true\n  snu:previews: true"))
    environments, previews = (each.problem for each in checks.separation(subject(project)) if isinstance(each, Risk))
    assert "other, production share the project snu-production" in environments
    assert "code in a pull request can change everything in that project" in previews


DEPLOY, PREVIEW = naming.deploy_application("staging"), naming.preview_application("staging")
STARTER = naming.release_application("staging")
PROJECT = "project-of-staging"


@dataclass
class FakeIam:
    """An organization with the applications of stage."""

    server: FakeServer
    keys: list[dict[str, Any]] = field(default_factory=list)
    rules: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By application."""
    user_type: str = "owner"

    def serve(self) -> None:
        listed = {
            "/iam/v1alpha1/applications": ("applications", [{"id": name, "name": name} for name in self.rules]),
            "/iam/v1alpha1/policies": ("policies", [{"id": name, "application_id": name} for name in self.rules]),
            "/iam/v1alpha1/api-keys": ("api_keys", self.keys),
            "/account/v3/projects": ("projects", [{"id": PROJECT, "name": "snu-staging"}]),
        }
        for path, (name, items) in listed.items():
            self.server.expect_request(path).respond_with_json({name: items, "total_count": len(items)})
        for name, rules in self.rules.items():
            asked = self.server.expect_request(
                "/iam/v1alpha1/rules", query_string={"policy_id": name, "page": "1", "page_size": "100"}
            )
            asked.respond_with_json({"rules": rules, "total_count": len(rules)})
        for each in self.keys:
            self.server.expect_request(f"/iam/v1alpha1/api-keys/{each['access_key']}").respond_with_json(each)
        user = {"id": "u", "type": self.user_type}
        self.server.expect_request("/iam/v1alpha1/users/u").respond_with_json(user)


def rules_of(application: str, *, without: str = "", extra: str = "") -> list[dict[str, Any]]:
    sets = {DEPLOY: permission_sets.DEPLOY, PREVIEW: permission_sets.PREVIEW}[application]
    in_project = [each for each in (*sets, "SecretManagerSecretAccess", *filter(None, [extra])) if each != without]
    return [
        {"project_ids": [PROJECT], "permission_set_names": in_project},
        {"organization_id": "o", "permission_set_names": list(permission_sets.ORGANIZATION)},
    ]


@pytest.fixture
def iam(scaleway: FakeServer) -> FakeIam:
    return FakeIam(scaleway, rules={name: rules_of(name) for name in (DEPLOY, PREVIEW)})


def key(access_key: str, *, days: float | None = None, **owner: Any) -> dict[str, Any]:
    expires = (datetime.now(UTC) + timedelta(days=days)).isoformat() if days is not None else None
    return {"access_key": access_key, "expires_at": expires, **owner}


OWN = KEY["SCW_ACCESS_KEY"]


def only_stage(project: Path, server: FakeServer, **environ: str) -> DoctorContext:
    return DoctorContext(project, (find_stack(project, "stage"),), {**KEY, "SCW_API_URL": server.url, **environ}, None)


def found(check: Callable[[DoctorContext], Iterator[Finding]], context: DoctorContext) -> list[Finding]:
    return list(check(context))


def test_keys_that_expire(project: Path, iam: FakeIam) -> None:
    iam.keys = [
        key(OWN, days=3, user_id="u"),
        key("SCW-LATER", days=90, application_id=DEPLOY),
        key("SCW-SOON", days=13, application_id=DEPLOY),
        key("SCW-GONE", days=-1, application_id=PREVIEW),
        key("SCW-FOREIGN", days=1, application_id="somebody else's"),
    ]
    iam.serve()
    problems = missing(access.key_expiry(only_stage(project, iam.server)))
    assert [re.split(" (expires|expired) on", each)[0] for each in problems] == [
        f"the API key SCW-SOON of {DEPLOY}",
        f"the API key SCW-GONE of {PREVIEW}",
        f"the API key {OWN}",
    ]
    assert problems[next(iter(problems))] == f"scripts/snu rotate deploy-key stage --application {DEPLOY}"
    in_workflow = found(access.key_expiry, only_stage(project, iam.server, GITHUB_ACTIONS="true"))
    assert [type(each) for each in in_workflow] == [Risk, MissingRequirement, MissingRequirement]


@pytest.mark.parametrize(("status", "reason"), [(403, "Scaleway returned 403: no"), (401, "Scaleway returned 401: no")])
def test_iam_that_cannot_be_read(project: Path, scaleway: FakeServer, status: int, reason: str) -> None:
    scaleway.expect_request(re.compile("/(iam|account)/.*")).respond_with_response(
        json_response(status, {"message": "no"})
    )
    context = only_stage(project, scaleway)
    unknown = [each for check in (access.current_key, access.permissions, access.key_expiry) for each in check(context)]
    assert all(isinstance(each, UncheckedRequirement) and each.reason == reason for each in unknown), unknown
    assert len(unknown) == 3


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ({"user_id": "u"}, Note("stage: user u (owner)")),
        ({"application_id": PREVIEW}, Note(f"stage: {PREVIEW}")),
        ({"application_id": "of-another-project"}, "belongs to the application of-another-project, which is no"),
    ],
)
def test_whose_key_is_used(project: Path, iam: FakeIam, owner: dict[str, str], expected: Finding | str) -> None:
    iam.keys = [key(OWN, days=None, **owner)]
    iam.serve()
    (finding,) = access.current_key(only_stage(project, iam.server))
    assert finding == expected or (isinstance(expected, str) and expected in str(finding))


def test_permissions_of_the_applications(project: Path, iam: FakeIam) -> None:
    iam.serve()
    assert found(access.permissions, only_stage(project, iam.server)) == []


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (None, MissingRequirement(f"the application {DEPLOY} does not exist", "scripts/snu up foundation-stage")),
        (
            rules_of(DEPLOY, without="ContainersFullAccess"),
            MissingRequirement(f"the policy of {DEPLOY} lacks ContainersFullAccess", "scripts/snu up foundation-stage"),
        ),
        (
            rules_of(DEPLOY)[:1],
            MissingRequirement(
                f"the policy of {DEPLOY} lacks IAMReadOnly, ProjectReadOnly", "scripts/snu up foundation-stage"
            ),
        ),
        (
            rules_of(DEPLOY, extra="AllProductsFullAccess"),
            Risk(f"the policies of {DEPLOY} also grant AllProductsFullAccess, which it does not need"),
        ),
    ],
)
def test_permissions_that_are_missing_or_too_wide(
    project: Path, iam: FakeIam, rules: list[dict[str, Any]] | None, expected: Finding
) -> None:
    iam.rules = {**({DEPLOY: rules} if rules else {}), PREVIEW: iam.rules[PREVIEW]}
    iam.serve()
    assert found(access.permissions, only_stage(project, iam.server)) == [expected]


def with_release_commands(project: Path) -> None:
    foundation = project / "Pulumi.foundation-stage.yaml"
    edit(foundation, lambda config: config["snu:environments"]["staging"].update(releaseCommands=True))


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (None, MissingRequirement(f"the application {STARTER} does not exist", "scripts/snu up foundation-stage")),
        (
            ["ContainersReadOnly"],
            MissingRequirement(
                f"the policy of {STARTER} lacks ServerlessJobsFullAccess", "scripts/snu up foundation-stage"
            ),
        ),
        (["ServerlessJobsFullAccess"], None),
    ],
)
def test_permissions_of_the_application_for_release_commands(
    project: Path, iam: FakeIam, sets: list[str] | None, expected: Finding | None
) -> None:
    with_release_commands(project)
    if sets is not None:
        iam.rules[STARTER] = [{"project_ids": [PROJECT], "permission_set_names": sets}]
    iam.serve()
    assert found(access.permissions, only_stage(project, iam.server)) == ([expected] if expected else [])


def test_only_a_key_that_is_missing_blocks_a_release(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problems = [KeyProblem("snu-staging-release", "it is missing", True), KeyProblem("other", "it is outdated", False)]
    monkeypatch.setattr(access, "_key_problems", lambda *_: problems)
    stage = find_stack(project, "stage")
    fix = "scripts/snu keys store foundation-stage"
    for environ, outdated in (
        ({}, MissingRequirement("it is outdated", fix)),
        ({"GITHUB_ACTIONS": "true"}, Risk("it is outdated")),
    ):
        context = DoctorContext(project, (stage, stage), environ, None)
        assert found(access.stored_keys, context) == [MissingRequirement("it is missing", fix), outdated]


@pytest.mark.parametrize("projects", [[], [{"id": PROJECT, "name": "snu-staging"}]])
def test_stored_keys_that_cannot_be_seen(project: Path, scaleway: FakeServer, projects: list[dict[str, str]]) -> None:
    """The account has no secrets, or none that the key can see."""
    for path, name, items in (
        ("/iam/v1alpha1/applications", "applications", []),
        ("/iam/v1alpha1/api-keys", "api_keys", []),
        ("/account/v3/projects", "projects", projects),
    ):
        scaleway.expect_request(path).respond_with_json({name: items, "total_count": len(items)})
    (unknown,) = access.stored_keys(only_stage(project, scaleway))
    assert isinstance(unknown, UncheckedRequirement)
    assert unknown.subject == "the stored keys of foundation-stage"
    assert ("not visible" if projects else "does not exist") in unknown.reason


def programs_on_path(folder: Path, **outputs: str) -> dict[str, str]:
    """A PATH with these programs, each of which prints its output."""
    folder.mkdir()
    for name, output in outputs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\necho {output}\n")
        path.chmod(0o755)
    return {"PATH": str(folder), "HOME": str(folder)}


OTHERS = {"git": "", "docker": "", "gh": "", "pulumi_language_python": ""}


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        ({"pulumi": "v3.259.0", **OTHERS}, ""),
        ({"pulumi": "v3.258.9", **OTHERS}, "pulumi is 3.258.9, but Pulumi.yaml requires >=3.259.0 <4.0.0"),
        ({"pulumi": "v4.0.0", **OTHERS}, "pulumi is 4.0.0, but Pulumi.yaml requires >=3.259.0 <4.0.0"),
        (OTHERS, "pulumi is not on PATH"),
        ({"pulumi": "v3.259.0", "git": "", "pulumi_language_python": ""}, ""),
        ({"pulumi": "v3.259.0", "git": ""}, "pulumi-language-python is not on PATH"),
        ({"pulumi": "v3.259.0", "pulumi_language_python": ""}, "git is not on PATH"),
        (
            {"pulumi": "v3.259.0", "pulumi_resource_scaleway": "1.50.0", **OTHERS},
            "pulumi-resource-scaleway on PATH is 1.50.0, but the project uses 1.53.0",
        ),
    ],
)
def test_installed_programs(project: Path, tmp_path: Path, outputs: dict[str, str], problem: str) -> None:
    shutil.copy(ROOT / "Pulumi.yaml", project)
    environ = programs_on_path(tmp_path / "bin", **outputs)
    findings = found(programs, subject(project, environ))
    problems = [each.problem for each in findings if isinstance(each, MissingRequirement)]
    assert bool(problems) == bool(problem), findings
    assert any(each.startswith(problem) for each in problems) or not problem
    assert not [each for each in findings if isinstance(each, UncheckedRequirement)]


def test_a_cli_that_prints_no_version(project: Path, tmp_path: Path) -> None:
    environ = programs_on_path(tmp_path / "bin", pulumi="hello", **OTHERS)
    (unknown,) = [each for each in found(programs, subject(project, environ)) if not isinstance(each, Note)]
    assert isinstance(unknown, UncheckedRequirement)


@pytest.mark.parametrize(
    ("text", "required", "expected"),
    [
        ("3.259.0", ">=3.259.0 <4.0.0", True),
        ("v3.300.1", ">=3.259.0 <4.0.0", True),
        ("3.9.0", ">=3.259.0", False),
        ("3.259.0", "3.259.0", True),
        ("3.259.1", "=3.259.0", False),
        ("3.259.0", ">3.259.0", False),
        ("3.259.0", "<=3.259.0", True),
        ("3.259.0", "^3.259.0", None),
    ],
)
def test_ranges_of_versions(text: str, required: str, expected: bool | None) -> None:
    version = Version.parse(text)
    assert version is not None
    assert within(version, required) is expected


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = (line.lstrip("#").strip() for line in page.read_text().splitlines() if line.startswith("#"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: str(check.subject))
def test_each_check_has_a_page_that_explains_it(check: Check) -> None:
    page, _, anchor = check.page.partition("#")
    assert (ROOT / page).is_file()
    assert not anchor or anchor in anchors(ROOT / page)


def test_an_unexpected_error_is_unknown(project: Path) -> None:
    def fail(_context: DoctorContext) -> Iterator[Finding]:
        yield Note("first")
        raise OpsError("It is broken.\nDetails.", ExitCode.FAILED)

    result = Check("the thing", "page", fail).run(subject(project))
    assert result.status is Status.UNKNOWN
    assert result.findings[-1] == UncheckedRequirement("the thing", "It is broken")


def test_environments_and_secrets_of_github(project: Path, hub: FakeGitHub) -> None:
    used = workflow.environments(project, workflow.FILES)
    wanted = {name: each.secrets for name, each in used.items()}
    assert wanted["production"] == {"SCW_ACCESS_KEY", "SCW_SECRET_KEY", "SNU_PLAN_IDENTITY"}
    github = GitHub(hub.repository, TOKEN)
    found = missing(checks.github_secrets(subject(project, github=github)))
    assert set(found) == {f"octo/snu has no deployment environment {name}" for name in wanted}

    hub.environments = {name: {*names} for name, names in wanted.items()}
    assert missing(checks.github_secrets(subject(project, github=github))) == {}
    hub.environments["production"].remove("SNU_PLAN_IDENTITY")
    found = missing(checks.github_secrets(subject(project, github=github)))
    assert list(found.values()) == ["gh secret set SNU_PLAN_IDENTITY --repo octo/snu --env production"]

    hub.may_read_secrets = False
    unknown = list(checks.github_secrets(subject(project, github=github)))
    assert [isinstance(each, UncheckedRequirement) for each in unknown] == [True] * len(wanted)
    assert hub.writes == []


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*KEY, "SCW_API_URL", "GITHUB_TOKEN", "SNU_GITHUB_TOKEN_FILE"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.usefixtures("no_keys")
def test_the_report(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(project, [], None, "https://api.github.com") is ExitCode.NOT_READY
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if re.match("(good|wrong|unknown) +", line) and "docs/" in line]
    assert len(table) == len(checks.CHECKS)
    assert any(re.fullmatch(r"wrong +plan keys +docs/how-to/plans.md#keys", line) for line in table)
    details = [line.partition(":")[0] for line in lines if re.match("(wrong|unknown|warning):", line)]
    assert details.count("unknown") == 2
    (key,) = [line for line in lines if "SCW_ACCESS_KEY" in line]
    assert "the state of stage, the state of production" in key  # one cause, one line
    assert re.fullmatch(r"stage, production: 17 checks, \d good, \d wrong, \d+ unknown\.", lines[-1])


@pytest.mark.usefixtures("no_keys")
def test_the_document_and_the_exit_codes(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for stack in RELEASED:
        make(project, tmp_path / stack, stack)
    shutil.copy(ROOT / "Pulumi.yaml", project)
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", programs_on_path(tmp_path / "bin", pulumi="v3.259.0", **OTHERS)["PATH"])
        assert doctor(project, [], None, "https://api.github.com", as_json=True) is ExitCode.INCOMPLETE
        document = json.loads(capsys.readouterr().out)
        assert doctor(project, [], None, "https://api.github.com", allow_unknown=True) is ExitCode.OK
    assert document["schema"] == "snu.doctor/1"
    assert [each["check"] for each in document["checks"]] == [check.subject for check in checks.CHECKS]
    assert {each["status"] for each in document["checks"]} == {"good", "unknown"}
    assert document["missing"] == []
    assert {each["check"] for each in document["unchecked"]} >= {"webhooks", "states"}
