"""Requirements of a release: each missing one is reported once, with the command that fixes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.commands.doctor import doctor
from ops.commands.plan_keys import make_keys
from ops.doctor import checks, workflow
from ops.doctor.context import DoctorContext, Finding, MissingRequirement, Risk, UncheckedRequirement
from ops.exit_codes import ExitCode
from ops.github import GitHub
from ops.stacks import find_stack
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
    found = list(findings)
    assert all(isinstance(each, MissingRequirement) for each in found), found
    return {each.problem: each.fix for each in found if isinstance(each, MissingRequirement)}


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


def test_a_key_that_expires(project: Path, scaleway: FakeServer) -> None:
    answers = {90: 0, 3: 1}
    for days, count in answers.items():
        expires = (datetime.now(UTC) + timedelta(days=days)).isoformat()
        scaleway.expect_oneshot_request(f"/iam/v1alpha1/api-keys/{KEY['SCW_ACCESS_KEY']}").respond_with_json(
            {"access_key": KEY["SCW_ACCESS_KEY"], "expires_at": expires}
        )
        assert len(missing(checks.key_expiry(subject(project, KEY | {"SCW_API_URL": scaleway.url})))) == count
    scaleway.expect_oneshot_request(f"/iam/v1alpha1/api-keys/{KEY['SCW_ACCESS_KEY']}").respond_with_response(
        json_response(403, {"message": "insufficient permissions"})
    )
    (unknown,) = checks.key_expiry(subject(project, KEY | {"SCW_API_URL": scaleway.url}))
    assert isinstance(unknown, UncheckedRequirement)


def test_environments_and_secrets_of_github(project: Path, hub: FakeGitHub) -> None:
    wanted = workflow.secrets_by_environment(project)
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


def test_the_report(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*KEY, "SCW_API_URL", "GITHUB_TOKEN", "SNU_GITHUB_TOKEN_FILE"):
        monkeypatch.delenv(variable, raising=False)
    assert doctor(project, [], None, "https://api.github.com") is ExitCode.NOT_READY
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["missing"] * 2 + ["not checked"] * 2 + ["stage, production"]
    (key,) = [line for line in lines if "SCW_ACCESS_KEY" in line]
    assert "the state of stage, the state of production, the images of ci" in key  # one cause, one line
