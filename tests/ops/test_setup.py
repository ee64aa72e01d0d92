"""From a clone to a working organization: what a dry run shows, what is done, and that a repetition does nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops.commands.setup import setup
from ops.doctor import repository, workflow
from ops.doctor.checks import CHECKS
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from tests.support.environment import ROOT
from tests.support.github import TOKEN, FakeGitHub
from tests.support.released_project import project

__all__ = ["project"]

STACKS = ["stage", "production"]


@dataclass
class FakeIam:
    """IAM in which every application exists."""

    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    profile: Any = field(default_factory=lambda: SimpleNamespace(access_key="SCWOWNER"))

    def list(self, call: Any, query: Any = None) -> list[dict[str, Any]]:
        match call.key:
            case "api_keys":
                return [*self.keys.values()]
            case "applications":
                return [{"name": name, "id": name} for name in APPLICATIONS]
        return [{"name": f"snu-{name}", "id": "p"} for name in ("ci", "staging", "production")]

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        access_key = f"SCW{len(self.keys)}"
        self.keys[access_key] = {"access_key": access_key, **body}
        return {"access_key": access_key, "secret_key": f"secret of {access_key}"}

    def patch(self, path: str, body: dict[str, Any]) -> None:
        self.keys[path.rpartition("/")[2]].update(body)

    @contextmanager
    def opened(self, *_: object) -> Iterator[FakeIam]:
        yield self


APPLICATIONS = [
    f"snu-{kind}-{name}"
    for name in ("ci", "staging", "production")
    for kind in ("deploy", "preview", "preview-foundation", "get-secret", "alerts")
]


@dataclass
class Organization:
    """A project whose repository on GitHub has no settings at all, and an owner who runs the command."""

    project: Path
    hub: FakeGitHub
    capture: pytest.CaptureFixture[str]

    def run(self, *names: str, **options: Any) -> ExitCode:
        values = {"reviewers": [], "out": None, "applies": False, "yes": False, "as_json": True, **options}
        return setup(self.project, [*names] or STACKS, "octo/snu", self.hub.url, **values)

    def steps(self, **options: Any) -> dict[str, Any]:
        """The steps by the check's subject."""
        self.capture.readouterr()
        self.code = self.run(**options)
        document = json.loads(self.capture.readouterr().out)
        assert document["schema"] == "snu.setup/1"
        return {step["check"]: step for step in document["steps"]}


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> FakeIam:
    made = FakeIam()
    monkeypatch.setattr("ops.setup.github.Client", SimpleNamespace(of=made.opened))
    monkeypatch.setattr("ops.setup.github.verify_with", lambda _profile: lambda _key: None)
    return made


@pytest.fixture
def organization(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Organization]:
    shutil.copy(ROOT / "Pulumi.yaml", project)
    monkeypatch.setattr("ops.github.RETRIES", 0)
    monkeypatch.setattr("ops.github.RETRY_SECONDS", 0)
    for variable in ("SCW_ACCESS_KEY", "SCW_SECRET_KEY", "SCW_API_URL", "GITHUB_ACTIONS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    with FakeGitHub() as hub:
        hub.settings = {"allow_merge_commit": False}
        hub.documents |= {f"rules/branches/{branch}": [] for branch in ("main", *repository.RELEASE_BRANCHES)}
        hub.documents |= {"actions/permissions/workflow": {"default_workflow_permissions": "read"}, "hooks": []}
        yield Organization(project, hub, capsys)


def texts(steps: dict[str, Any], outcome: str) -> list[str]:
    return [each["action"] for step in steps.values() for each in step["actions"] if each["outcome"] == outcome]


def test_a_dry_run_changes_nothing(organization: Organization, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in organization.project.rglob("*") if path.is_file()}
    steps = organization.steps(out=tmp_path / "keys", reviewers=["octocat"])
    assert organization.code is ExitCode.NOT_READY
    assert organization.hub.writes == []
    assert {path: path.read_bytes() for path in organization.project.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "keys").exists()
    assert [*steps] == [check.subject for check in CHECKS]
    planned = texts(steps, "planned")
    for action in (
        f"scripts/snu plan-keys stage --out {tmp_path / 'keys'}",
        "allow merge commits",
        "allow workflows to open pull requests",
        "create the GitHub environment production for production, production_hotfix, release_candidate",
        "create an API key of snu-deploy-staging, and store it in the GitHub environments stage",
        "create the ruleset 'snu: main' for main",
        "create the ruleset 'snu: release branches' for production, release_candidate, production_hotfix",
    ):
        assert action in planned
    assert steps["Scaleway key"]["status"] == "unknown"


def test_everything_is_set_up_and_a_repetition_does_nothing(
    organization: Organization, iam: FakeIam, tmp_path: Path
) -> None:
    hub, options = organization.hub, {"applies": True, "yes": True, "out": tmp_path / "keys"}
    steps = organization.steps(reviewers=["octocat", "octo/owners"], **options)
    assert not texts(steps, "failed"), steps
    for name in ("plan keys", "merges", "GitHub environments and secrets", "branch rules", "webhooks"):
        assert steps[name]["status"] == "good", steps[name]
    # GitHub's API cannot change this setting.
    (missing,) = steps["GitHub environment rules"]["missing"]
    assert missing["requirement"].startswith("administrators can bypass the required reviewers")
    wanted = workflow.environments(organization.project, workflow.FILES)
    assert {name: frozenset(names) for name, names in hub.environments.items()} == {
        name: each.secrets for name, each in wanted.items()
    }
    for name in ("stage", "production-plan", "production"):
        pair = hub.secrets[name, "SCW_ACCESS_KEY"], hub.secrets[name, "SCW_SECRET_KEY"]
        assert pair[1] == f"secret of {pair[0]}"
    assert hub.secrets["production", "SCW_ACCESS_KEY"] == hub.secrets["production-plan", "SCW_ACCESS_KEY"]
    assert hub.secrets["production", "SNU_PLAN_IDENTITY"].startswith("AGE-SECRET-KEY-")
    output = organization.capture.readouterr()
    assert not any(value in output.out + output.err for (_, name), value in hub.secrets.items() if "ACCESS" not in name)
    rules = hub.documents["environments/production"]["protection_rules"]
    assert [each["type"] for each in rules[0]["reviewers"]] == ["User", "Team"]

    writes, keys = len(hub.writes), {**iam.keys}
    again = organization.steps(reviewers=["octocat", "octo/owners"], **options)
    assert [step["actions"] for step in again.values() if step["actions"]] == []
    assert len(hub.writes) == writes
    assert iam.keys == keys


def test_an_interrupted_setup_is_continued(organization: Organization, iam: FakeIam, tmp_path: Path) -> None:
    """GitHub stops answering after each number of changes."""
    hub, options = organization.hub, {"applies": True, "yes": True, "out": tmp_path / "keys", "reviewers": ["octocat"]}
    for _ in range(3):
        hub.fail("PUT", 500)
        hub.fail("POST", 502)
        failed = organization.steps(**options)
        if not texts(failed, "failed"):
            break
        assert organization.code is ExitCode.FAILED
        hub.oneshot_handlers.clear()
    steps = organization.steps(**options)
    assert not texts(steps, "failed")
    assert steps["branch rules"]["status"] == "good"
    assert len([path for path in hub.documents if path.startswith("rulesets/")]) == 2


@pytest.mark.parametrize("status", [403, 404, 422, 429])
def test_what_github_refuses_is_reported_and_the_rest_is_done(
    organization: Organization, status: int, tmp_path: Path
) -> None:
    organization.hub.fail("PATCH", *[status] * 9, document={"message": "no"})
    steps = organization.steps(applies=True, yes=True)
    assert organization.code is ExitCode.FAILED
    assert texts(steps, "failed") == ["allow merge commits"] or "allow merge commits" in texts(steps, "failed")
    assert steps["branch rules"]["status"] == "good"
    (failed,) = [each for each in steps["merges"]["actions"] if each["outcome"] == "failed"]
    assert failed["error"]


def test_a_token_that_may_not_administer(organization: Organization) -> None:
    organization.hub.may_administer = False
    steps = organization.steps(applies=True, yes=True)
    failed = [each for step in steps.values() for each in step["actions"] if each["outcome"] == "failed"]
    assert any("administration: write" in each["error"] for each in failed)
    assert organization.hub.environments == {}


def test_an_unknown_reviewer(organization: Organization) -> None:
    steps = organization.steps(applies=True, yes=True, reviewers=["nobody"])
    (failed,) = [
        each
        for each in steps["GitHub environments and secrets"]["actions"]
        if each["action"].startswith("create the GitHub environment production for")
    ]
    assert failed["outcome"] == "failed"
    assert "There is no object user nobody" in failed["error"]
    assert "production" not in organization.hub.environments


def test_existing_rules_are_kept(organization: Organization, iam: FakeIam) -> None:
    """Reviewers are repeated, since a change replaces all rules; branches that are not needed are only reported."""
    hub = organization.hub
    hub.environments["production"] = set()
    reviewer = {"type": "Team", "reviewer": {"id": 7}}
    hub.documents |= {
        "environments/production": {
            "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True},
            "protection_rules": [{"type": "required_reviewers", "reviewers": [reviewer]}],
            "can_admins_bypass": False,
        },
        "environments/production/deployment-branch-policies": {"branch_policies": [{"name": "feature/*"}]},
    }
    steps = organization.steps(applies=True, yes=True, reviewers=["octocat"])
    assert [each["outcome"] for each in steps["GitHub environment rules"]["actions"]] == ["done"]
    assert hub.documents["environments/production"]["protection_rules"][0]["reviewers"] == [
        {"type": "User", "reviewer": {"id": len("octocat")}}
    ]
    listed = hub.documents["environments/production/deployment-branch-policies"]["branch_policies"]
    assert {each["name"] for each in listed} >= {"feature/*", "production"}
    problems = [each["requirement"] for each in steps["GitHub environment rules"]["missing"]]
    assert any("can be used from unprotected branches or tags: feature/*" in each for each in problems)


def test_without_a_terminal_nothing_is_changed(organization: Organization) -> None:
    with pytest.raises(OpsError, match="Confirm with --yes") as refused:
        organization.run(applies=True)
    assert refused.value.code is ExitCode.USAGE
    assert organization.hub.writes == []


def test_declined_actions_are_skipped(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(question: str) -> None:
        asked.append(question)
        if "ruleset" not in question:
            raise OpsError("Not confirmed", ExitCode.CANCELLED)

    monkeypatch.setattr("ops.commands.setup.confirm", ask)
    steps = organization.steps(applies=True)
    assert len(asked) == len({*asked})
    assert {each["outcome"] for each in steps["merges"]["actions"]} == {"declined"}
    assert {each["outcome"] for each in steps["branch rules"]["actions"]} == {"done"}
    assert organization.hub.environments == {}


def test_the_text_of_a_dry_run(organization: Organization) -> None:
    assert organization.run(as_json=False) is ExitCode.NOT_READY
    output = organization.capture.readouterr().out
    assert "wrong    branch rules  docs/how-to/github.md#3-protect-the-branches\n" in output
    assert "         would create the ruleset 'snu: main' for main\n" in output
    assert "Fix: scripts/snu plan-keys stage --out DIR" in output
    assert "Nothing was changed. To perform" in output


def test_private_keys_must_be_outside_the_checkout(organization: Organization) -> None:
    with pytest.raises(OpsError, match="in the checkout"):
        organization.run(out=organization.project / "keys", applies=True, yes=True)
