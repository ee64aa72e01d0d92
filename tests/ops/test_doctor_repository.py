"""Requirements on the GitHub repository: a correct one, and each possible mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from ops.doctor import repository
from ops.doctor.context import DoctorContext, Finding, MissingRequirement, UncheckedRequirement
from ops.doctor.workflow import branches_by_environment
from ops.github import GitHub
from tests.support.github import TOKEN, FakeGitHub
from tests.support.released_project import project

__all__ = ["project"]

CHECKS = (repository.environment_rules, repository.branch_rules, repository.merges, repository.webhooks)
MAIN = "rules/branches/main"
PRODUCTION = "environments/production"
WORKFLOW = "actions/permissions/workflow"
HOOKS = "hooks"


def hook(**changes: Any) -> dict[str, Any]:
    config = {"url": "https://bot.example.test/t0ken?key=t0ken", "insecure_ssl": "0", "secret": "********"}
    return {
        "id": 9,
        "active": changes.pop("active", True),
        "last_response": {"code": changes.pop("code", 200)},
        "config": {**config, **changes},
    }


@pytest.fixture
def hub(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    """A repository that is set up as docs/how-to/github.md says."""
    monkeypatch.setattr("ops.github.RETRIES", 0)
    with FakeGitHub() as made:
        made.environments = {name: set() for name in branches_by_environment(project)}
        for name, branches in branches_by_environment(project).items():
            policies = [{"name": branch, "type": "branch"} for branch in branches]
            made.documents |= {
                f"environments/{name}": {
                    "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True},
                    "protection_rules": [{"type": "required_reviewers", "reviewers": [{"type": "Team"}]}],
                    "can_admins_bypass": False,
                },
                f"environments/{name}/deployment-branch-policies": {"branch_policies": policies},
            }
        review = {"required_approving_review_count": 1, "dismiss_stale_reviews_on_push": True}
        made.documents |= {
            MAIN: [{"type": "pull_request", "ruleset_id": 1, "parameters": review}],
            **{
                f"rules/branches/{branch}": [{"type": "update", "ruleset_id": 2}, {"type": "deletion", "ruleset_id": 2}]
                for branch in repository.RELEASE_BRANCHES
            },
            "rulesets/2": {
                "name": "releases",
                "bypass_actors": [{"actor_type": "Integration", "actor_id": 15368, "bypass_mode": "always"}],
                "current_user_can_bypass": "never",
            },
            WORKFLOW: {"can_approve_pull_request_reviews": True},
            HOOKS: [hook()],
        }
        yield made


def findings(project: Path, hub: FakeGitHub, **environ: str) -> list[Finding]:
    subject = DoctorContext(project, (), environ, GitHub(hub.repository, TOKEN))
    found = list(chain.from_iterable(check(subject) for check in CHECKS))
    assert hub.writes == []
    return found


def test_a_correctly_configured_repository(project: Path, hub: FakeGitHub) -> None:
    assert findings(project, hub) == []


def review(**parameters: Any) -> Callable[[FakeGitHub], None]:
    return lambda hub: hub.documents[MAIN][0]["parameters"].update(parameters)


def rule(path: str, **values: Any) -> Callable[[FakeGitHub], None]:
    return lambda hub: hub.documents[path].update(values)


def policy(name: str, kind: str = "branch") -> Callable[[FakeGitHub], None]:
    path = f"{PRODUCTION}/deployment-branch-policies"
    return lambda hub: hub.documents[path]["branch_policies"].append({"name": name, "type": kind})


def webhook(**changes: Any) -> Callable[[FakeGitHub], None]:
    return lambda hub: hub.documents.update({HOOKS: [hook(**changes), hook(active=False, secret=None)]})


def no_policy(name: str) -> Callable[[FakeGitHub], None]:
    def change(hub: FakeGitHub) -> None:
        document = hub.documents["environments/stage/deployment-branch-policies"]
        document["branch_policies"] = [each for each in document["branch_policies"] if each["name"] != name]

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            rule(PRODUCTION, deployment_branch_policy=None),
            "any branch, and therefore any pull request, can use the GitHub env",
        ),
        (
            policy("feature/*"),
            "the GitHub environment production can be used from unprotected branches or tags: feature/*",
        ),
        (
            policy("main", "tag"),
            "the GitHub environment production can be used from unprotected branches or tags: main",
        ),
        (no_policy("production_hotfix"), "environment stage cannot be used from production_hotfix"),
        (rule(PRODUCTION, protection_rules=[]), "production has no required reviewers"),
        (rule(PRODUCTION, protection_rules=[{"type": "wait_timer"}]), "production has no required reviewers"),
        (rule(PRODUCTION, can_admins_bypass=True), "administrators can bypass the required reviewers"),
        (review(required_approving_review_count=0), "main accepts changes without approval"),
        (lambda hub: hub.documents[MAIN].clear(), "main accepts changes without approval"),
        (review(dismiss_stale_reviews_on_push=False), "stay valid after new commits"),
        (review(allowed_merge_methods=["squash"]), "main does not allow merge commits"),
        (
            lambda hub: hub.documents[MAIN].append({"type": "required_linear_history", "ruleset_id": 1}),
            "main does not allow merge commits",
        ),
        (
            lambda hub: hub.documents["rules/branches/release_candidate"].clear(),
            "anyone with write access can push to release_candidate",
        ),
        (
            lambda hub: hub.documents["rules/branches/production"].append({"type": "pull_request", "ruleset_id": 3}),
            "the rule pull_request of the ruleset 'everything' prevents workflows from pushing to production",
        ),
        (
            rule("rulesets/2", bypass_actors=[]),
            "of the ruleset 'releases' prevents workflows from pushing to production",
        ),
        (rule(WORKFLOW, can_approve_pull_request_reviews=False), "workflows in octo/snu cannot open pull requests"),
        (lambda hub: hub.settings.update(allow_merge_commit=False), "octo/snu does not allow merge commits"),
        (webhook(url="http://bot.example.test/t0ken"), "9 to bot.example.test is sent without verified TLS"),
        (webhook(insecure_ssl="1"), "9 to bot.example.test is sent without verified TLS"),
        (webhook(secret=None), "the webhook 9 to bot.example.test is not signed"),
        (webhook(code=502), "last delivery of the webhook 9 to bot.example.test failed with status 502"),
    ],
)
def test_each_missing_rule_is_reported(
    project: Path, hub: FakeGitHub, change: Callable[[FakeGitHub], None], what: str
) -> None:
    hub.documents["rulesets/3"] = {"name": "everything", "bypass_actors": []}
    change(hub)
    found = findings(project, hub)
    assert any(isinstance(each, MissingRequirement) and what in each.problem and each.fix for each in found), found
    names = {each[0].rpartition(" to ")[2] for each in found}
    assert len(found) == 1 or names == {*repository.RELEASE_BRANCHES}


@pytest.mark.parametrize(
    ("change", "what", "why"),
    [
        (lambda hub: hub.documents.update({HOOKS: 404}), "the repository's webhooks", "webhooks"),
        (lambda hub: hub.documents.update({HOOKS: 422}), "the repository's webhooks", "status 422"),
        (lambda hub: hub.documents.update({HOOKS: 429}), "the repository's webhooks", "rate limit"),
        (lambda hub: hub.documents.update({WORKFLOW: 403}), "can open pull requests", "administration: read"),
        (
            lambda hub: hub.settings.clear(),
            "the merge methods for pull requests",
            "cannot read the repository's settings",
        ),
        (lambda hub: hub.documents["rulesets/2"].pop("bypass_actors"), "can push to production", "bypass list"),
        (
            lambda hub: (hub.documents[MAIN].clear(), hub.protected.add("main")),
            "the rules of main",
            "a classic branch protection rule",
        ),
        (
            lambda hub: hub.documents.update({f"{PRODUCTION}/deployment-branch-policies": 403}),
            "the protection rules of the GitHub environment production",
            "actions: read",
        ),
    ],
)
def test_unreadable_rules_are_reported_as_unchecked(
    project: Path, hub: FakeGitHub, change: Callable[[FakeGitHub], object], what: str, why: str
) -> None:
    change(hub)
    found = findings(project, hub)
    assert found
    assert all(isinstance(each, UncheckedRequirement) for each in found)
    assert any(
        isinstance(each, UncheckedRequirement) and what in each.subject and why in each.reason for each in found
    ), found


def test_a_workflow_checks_its_own_permissions(project: Path, hub: FakeGitHub) -> None:
    hub.documents[WORKFLOW] = hub.documents[HOOKS] = 403
    never = findings(project, hub, GITHUB_ACTIONS="true")
    assert len([each for each in never if "prevents workflows from pushing" in each[0]]) == len(
        repository.RELEASE_BRANCHES
    )
    hub.documents["rulesets/2"] = {"name": "releases", "current_user_can_bypass": "always"}
    assert [type(each) for each in findings(project, hub, GITHUB_ACTIONS="true")] == [UncheckedRequirement] * 2
