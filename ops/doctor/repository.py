"""Checks the GitHub repository's branch rules, environment rules, merge settings and workflow permissions.

Sources: GitHub's REST API reference, sections "Rules", "Deployment environments", "Deployment branch policies",
"Actions permissions" and "Repositories".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ops.doctor import workflow
from ops.doctor.context import DoctorContext, Finding, MissingRequirement, UncheckedRequirement, first_line
from ops.errors import OpsError
from ops.github import READ_ADMINISTRATION, READ_ENVIRONMENTS, GitHub

MAIN = "main"
RELEASE_BRANCHES = ("production", "release_candidate", "production_hotfix")
"""Branches that only workflows should push to, because a push can start a release."""
PROTECTED_BRANCHES = frozenset({MAIN, *RELEASE_BRANCHES})
REVIEWED_ENVIRONMENT = "production"
"""The GitHub environment in which required reviewers approve a plan."""

_ACTIONS_APP = 15368
"""ID of the GitHub Actions app, which issues the workflows' tokens."""
_REFUSE_PUSHES = frozenset(
    {"creation", "update", "deletion", "pull_request", "required_status_checks", "required_signatures", "merge_queue"}
)
"""Rule types that reject pushes from actors without bypass permission."""
_RULES = "Settings, Rules, Rulesets"


def environment_rules(subject: DoctorContext) -> Iterator[Finding]:
    """Only protected branches can use release environments, and reviewers approve deployments to production."""
    github = subject.github
    if github is None:
        return  # reported by the check of secrets
    try:
        required = workflow.branches_by_environment(subject.project_dir)
        existing = github.environments()
    except OpsError:
        return  # also reported by the check of secrets
    for name, needed in required.items():
        if name not in existing:
            continue  # also reported by the check of secrets
        try:
            yield from _environment(github, name, needed)
        except OpsError as error:
            yield UncheckedRequirement(f"the protection rules of the GitHub environment {name}", first_line(error))


def _environment(github: GitHub, name: str, needed: frozenset[str]) -> Iterator[Finding]:
    subject = f"the GitHub environment {name}"
    fix = f"Settings, Environments, {name}: docs/explanation/workflows.md"
    environment = github.document(f"environments/{name}", subject, READ_ENVIRONMENTS)
    policy = environment.get("deployment_branch_policy")
    if policy is None:
        yield MissingRequirement(f"any branch, and so any pull request, can use {subject}", fix)
    elif policy.get("custom_branch_policies"):
        listed = github.document(
            f"environments/{name}/deployment-branch-policies?per_page=100", subject, READ_ENVIRONMENTS
        )
        branches = {each["name"] for each in listed["branch_policies"] if each.get("type", "branch") == "branch"}
        others = {each["name"] for each in listed["branch_policies"]} - (branches & PROTECTED_BRANCHES)
        if others:
            yield MissingRequirement(
                f"{subject} can be used from unprotected branches or tags: {', '.join(sorted(others))}", fix
            )
        if lacking := sorted(needed - branches):
            yield MissingRequirement(
                f"{subject} cannot be used from {', '.join(lacking)}, where workflows need it", fix
            )
    if name == REVIEWED_ENVIRONMENT:
        rules = environment.get("protection_rules") or []
        if not any(rule.get("type") == "required_reviewers" and rule.get("reviewers") for rule in rules):
            yield MissingRequirement(f"{subject} has no required reviewers, so plans are applied without approval", fix)
        elif environment.get("can_admins_bypass"):
            yield MissingRequirement(f"administrators can bypass the required reviewers of {subject}", fix)


def branch_rules(subject: DoctorContext) -> Iterator[Finding]:
    """Changes to main require a review, and only workflows can push to release branches."""
    github = subject.github
    if github is None or not workflow.branches_by_environment(subject.project_dir):
        return
    for branch in (MAIN, *RELEASE_BRANCHES):
        try:
            rules = github.document(f"rules/branches/{branch}?per_page=100", f"the rules of {branch}")
            if not rules and github.is_protected(branch):
                why = "it has a classic branch protection rule; only rulesets can be checked"
                yield UncheckedRequirement(f"the rules of {branch}", why)
            elif branch == MAIN:
                yield from _main(rules)
            else:
                yield from _release_branch(github, branch, rules, in_workflow=_in_workflow(subject))
        except OpsError as error:
            yield UncheckedRequirement(f"the rules of {branch}", first_line(error))


def _main(rules: list[dict[str, Any]]) -> Iterator[Finding]:
    reviews = [rule.get("parameters") or {} for rule in rules if rule["type"] == "pull_request"]
    if not any(each.get("required_approving_review_count") for each in reviews):
        yield MissingRequirement(
            f"{MAIN} accepts changes without approval", f"{_RULES}: require a pull request with 1 approval"
        )
    elif not any(
        each.get("dismiss_stale_reviews_on_push") or each.get("require_last_push_approval") for each in reviews
    ):
        yield MissingRequirement(
            f"approvals of pull requests to {MAIN} stay valid after new commits",
            f"{_RULES}: dismiss stale approvals when new commits are pushed",
        )
    methods = [each["allowed_merge_methods"] for each in reviews if "allowed_merge_methods" in each]
    linear = any(rule["type"] == "required_linear_history" for rule in rules)
    if linear or any("merge" not in allowed for allowed in methods):
        yield MissingRequirement(
            f"{MAIN} does not allow merge commits, which are needed to merge releases back",
            f"{_RULES}: allow merge commits, and do not require a linear history",
        )


def _release_branch(
    github: GitHub, branch: str, rules: list[dict[str, Any]], *, in_workflow: bool
) -> Iterator[Finding]:
    restricting = {rule["ruleset_id"]: rule["type"] for rule in rules if rule["type"] in _REFUSE_PUSHES}
    if not restricting:
        yield MissingRequirement(
            f"anyone with write access can push to {branch}, which can start a release or change the base of a hotfix",
            f"{_RULES}: restrict updates of {branch}",
        )
    for ruleset, kind in restricting.items():
        rule_set = github.document(f"rulesets/{ruleset}", f"the ruleset of {branch}")
        if in_workflow:
            may_push = rule_set.get("current_user_can_bypass") == "always"
        elif "bypass_actors" in rule_set:
            actors = [(each["actor_type"], each["actor_id"], each["bypass_mode"]) for each in rule_set["bypass_actors"]]
            may_push = ("Integration", _ACTIONS_APP, "always") in actors
        else:
            yield UncheckedRequirement(
                f"whether workflows can push to {branch}", "the token cannot read the ruleset's bypass list"
            )
            continue
        if not may_push:
            yield MissingRequirement(
                f"the rule {kind} of the ruleset {rule_set.get('name')!r} prevents workflows from pushing to {branch}",
                f"{_RULES}, {rule_set.get('name')}: add the GitHub Actions app to the bypass list",
            )


def _in_workflow(subject: DoctorContext) -> bool:
    """Whether the checks run in a workflow, with the workflow's token."""
    return subject.environ.get("GITHUB_ACTIONS") == "true"


def merges(subject: DoctorContext) -> Iterator[Finding]:
    """Pull requests can be merged with a merge commit, and workflows are allowed to open them."""
    github = subject.github
    if github is None or not workflow.branches_by_environment(subject.project_dir):
        return
    repository = github.repository
    try:
        allowed = github.document("", f"the settings of {repository}").get("allow_merge_commit")
        if allowed is None:
            yield UncheckedRequirement(
                "how pull requests can be merged", "the token cannot read the repository's settings"
            )
        elif not allowed:
            yield MissingRequirement(
                f"{repository} does not allow merge commits, which are needed to merge releases back into {MAIN}",
                f"gh api --method PATCH repos/{repository} -F allow_merge_commit=true",
            )
        permissions = github.document("actions/permissions/workflow", "workflow permissions", READ_ADMINISTRATION)
        if not permissions.get("can_approve_pull_request_reviews"):
            yield MissingRequirement(
                f"workflows in {repository} cannot open pull requests, so releases cannot be merged back into {MAIN}",
                f"gh api --method PUT repos/{repository}/actions/permissions/workflow "
                "-F can_approve_pull_request_reviews=true",
            )
    except OpsError as error:
        yield UncheckedRequirement("whether workflows can open pull requests", first_line(error))
