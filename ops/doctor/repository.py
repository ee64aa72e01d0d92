"""Checks of the repository on GitHub: rules of branches and environments, merges, and what workflows may do.

Sources: GitHub's REST API, "Rules", "Deployment environments", "Deployment branch policies", "Actions permissions" and
"Repositories".
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
"""Workflows push to them. Whoever else may push there starts a release."""
PROTECTED_BRANCHES = frozenset({MAIN, *RELEASE_BRANCHES})
REVIEWED_ENVIRONMENT = "production"
"""The GitHub environment whose required reviewers approve a plan."""

_ACTIONS_APP = 15368
"""The id of the GitHub app whose tokens workflows have."""
_REFUSE_PUSHES = frozenset(
    {"creation", "update", "deletion", "pull_request", "required_status_checks", "required_signatures", "merge_queue"}
)
"""Types of rules that refuse a push of whoever may not bypass them."""
_RULES = "Settings, Rules, Rulesets"


def environment_rules(subject: DoctorContext) -> Iterator[Finding]:
    """Only protected branches may use the environments of releases, and reviewers approve what production gets."""
    github = subject.github
    if github is None:
        return  # the check of secrets reports it
    try:
        wanted = workflow.branches_by_environment(subject.project_dir)
        existing = github.environments()
    except OpsError:
        return  # as above
    for name, needed in wanted.items():
        if name not in existing:
            continue  # as above
        try:
            yield from _environment(github, name, needed)
        except OpsError as error:
            yield UncheckedRequirement(f"the rules of GitHub's environment {name}", first_line(error))


def _environment(github: GitHub, name: str, needed: frozenset[str]) -> Iterator[Finding]:
    what = f"GitHub's environment {name}"
    fix = f"Settings, Environments, {name}: docs/how-to/github.md"
    found = github.document(f"environments/{name}", what, READ_ENVIRONMENTS)
    policy = found.get("deployment_branch_policy")
    if policy is None:
        yield MissingRequirement(f"every branch, and so every pull request, may use {what}", fix)
    elif policy.get("custom_branch_policies"):
        listed = github.document(
            f"environments/{name}/deployment-branch-policies?per_page=100", what, READ_ENVIRONMENTS
        )
        branches = {each["name"] for each in listed["branch_policies"] if each.get("type", "branch") == "branch"}
        others = {each["name"] for each in listed["branch_policies"]} - (branches & PROTECTED_BRANCHES)
        if others:
            yield MissingRequirement(
                f"{what} may be used from {', '.join(sorted(others))}, which no rule protects", fix
            )
        if lacking := sorted(needed - branches):
            yield MissingRequirement(f"{what} may not be used from {', '.join(lacking)}, where the workflows run", fix)
    if name == REVIEWED_ENVIRONMENT:
        rules = found.get("protection_rules") or []
        if not any(rule.get("type") == "required_reviewers" and rule.get("reviewers") for rule in rules):
            yield MissingRequirement(f"{what} has no required reviewers, so nobody approves a plan", fix)
        elif found.get("can_admins_bypass"):
            yield MissingRequirement(f"administrators may bypass the required reviewers of {what}", fix)


def branch_rules(subject: DoctorContext) -> Iterator[Finding]:
    """Main takes reviewed pull requests only; workflows, and few else, may push to the branches of releases."""
    github = subject.github
    if github is None or not workflow.branches_by_environment(subject.project_dir):
        return
    for branch in (MAIN, *RELEASE_BRANCHES):
        try:
            rules = github.document(f"rules/branches/{branch}?per_page=100", f"the rules of {branch}")
            if not rules and github.is_protected(branch):
                why = "it has a branch protection rule of the older kind; a ruleset can be checked"
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
            f"{MAIN} takes changes that nobody has approved", f"{_RULES}: require a pull request, 1 approval"
        )
    elif not any(
        each.get("dismiss_stale_reviews_on_push") or each.get("require_last_push_approval") for each in reviews
    ):
        yield MissingRequirement(
            f"an approval of a pull request to {MAIN} holds for commits that are pushed after it",
            f"{_RULES}: dismiss stale approvals when new commits are pushed",
        )
    methods = [each["allowed_merge_methods"] for each in reviews if "allowed_merge_methods" in each]
    linear = any(rule["type"] == "required_linear_history" for rule in rules)
    if linear or any("merge" not in allowed for allowed in methods):
        yield MissingRequirement(
            f"{MAIN} takes no merge commits, so it does not hold the commits of releases that come back to it",
            f"{_RULES}: allow merge commits, and no linear history",
        )


def _release_branch(
    github: GitHub, branch: str, rules: list[dict[str, Any]], *, in_workflow: bool
) -> Iterator[Finding]:
    restricting = {rule["ruleset_id"]: rule["type"] for rule in rules if rule["type"] in _REFUSE_PUSHES}
    if not restricting:
        yield MissingRequirement(
            f"whoever may write can push to {branch}, and so start a release or change what a hotfix is cut from",
            f"{_RULES}: restrict updates of {branch}",
        )
    for ruleset, kind in restricting.items():
        found = github.document(f"rulesets/{ruleset}", f"the ruleset of {branch}")
        if in_workflow:
            may = found.get("current_user_can_bypass") == "always"
        elif "bypass_actors" in found:
            actors = [(each["actor_type"], each["actor_id"], each["bypass_mode"]) for each in found["bypass_actors"]]
            may = ("Integration", _ACTIONS_APP, "always") in actors
        else:
            yield UncheckedRequirement(
                f"whether workflows may push to {branch}", "the token may not read who bypasses the ruleset"
            )
            continue
        if not may:
            yield MissingRequirement(
                f"the rule {kind} of the ruleset {found.get('name')!r} keeps workflows from pushing to {branch}",
                f"{_RULES}, {found.get('name')}: add the app GitHub Actions to the bypass list",
            )


def _in_workflow(subject: DoctorContext) -> bool:
    """Whether the token is a workflow's own."""
    return subject.environ.get("GITHUB_ACTIONS") == "true"


def merges(subject: DoctorContext) -> Iterator[Finding]:
    """Pull requests can be merged with a merge commit, and workflows may open them."""
    github = subject.github
    if github is None or not workflow.branches_by_environment(subject.project_dir):
        return
    repository = github.repository
    try:
        allowed = github.document("", f"the settings of {repository}").get("allow_merge_commit")
        if allowed is None:
            yield UncheckedRequirement(
                "how pull requests may be merged", "the token may not read the settings of the repository"
            )
        elif not allowed:
            yield MissingRequirement(
                f"{repository} takes no merge commits, so {MAIN} does not hold the commits of releases that come back",
                f"gh api --method PATCH repos/{repository} -F allow_merge_commit=true",
            )
        permissions = github.document("actions/permissions/workflow", "what workflows may do", READ_ADMINISTRATION)
        if not permissions.get("can_approve_pull_request_reviews"):
            yield MissingRequirement(
                f"workflows of {repository} may not open pull requests, so no release comes back to {MAIN}",
                f"gh api --method PUT repos/{repository}/actions/permissions/workflow "
                "-F can_approve_pull_request_reviews=true",
            )
    except OpsError as error:
        yield UncheckedRequirement("whether workflows may open pull requests", first_line(error))
