"""Checks the GitHub repository's branch rules, environment rules, merge settings, workflow permissions and webhooks.

Sources: GitHub's REST API reference, sections "Rules", "Deployment environments", "Deployment branch policies",
"Actions permissions", "Repositories" and "Repository webhooks".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ops.doctor import workflow
from ops.doctor.context import DoctorContext, Finding, MissingRequirement, UncheckedRequirement, first_line
from ops.doctor.workflow import WorkflowEnvironment
from ops.errors import OpsError
from ops.github import READ_ACTIONS, READ_ADMINISTRATION, READ_WEBHOOKS, GitHub

MAIN = "main"
RELEASE_BRANCHES = ("production", "release_candidate", "production_hotfix")
"""Branches that only workflows should push to, because a push can start a release."""
PROTECTED_BRANCHES = frozenset({MAIN, *RELEASE_BRANCHES})
REVIEWED_ENVIRONMENT = "production"
"""The GitHub environment in which required reviewers approve a plan."""

NO_GITHUB = "set GITHUB_TOKEN and use --repo OWNER/NAME"
ACTIONS_APP = 15368
"""ID of the GitHub Actions app, which issues the workflows' tokens."""
_REFUSE_PUSHES = frozenset(
    {"creation", "update", "deletion", "pull_request", "required_status_checks", "required_signatures", "merge_queue"}
)
"""Rule types that reject pushes from actors without bypass permission."""
_RULES = "Settings, Rules, Rulesets"


def required_environments(subject: DoctorContext) -> Mapping[str, WorkflowEnvironment]:
    """The GitHub environments to check: in a workflow, only those of a release, so that others do not block it.

    Empty if the stacks are local. Raises OpsError.
    """
    if subject.is_local:
        return {}
    files = workflow.FILES if subject.in_workflow else workflow.all_files(subject.project_dir)
    return workflow.environments(subject.project_dir, files)


def environment_rules(subject: DoctorContext) -> Iterator[Finding]:
    """Only protected branches can use release environments, and reviewers approve deployments to production."""
    github, rules = subject.github, "the protection rules of GitHub's environments"
    try:
        required = required_environments(subject)
    except OpsError:
        return  # reported by the check of secrets
    if not required:
        return
    if github is None:
        yield UncheckedRequirement(rules, NO_GITHUB)
        return
    try:
        existing = github.environments()
    except OpsError as error:
        yield UncheckedRequirement(rules, first_line(error))
        return
    for name, each in required.items():
        if each.branches is None or name not in existing:
            continue  # open to pull requests, or reported by the check of secrets
        try:
            yield from _environment(github, name, each.branches)
        except OpsError as error:
            yield UncheckedRequirement(f"the protection rules of the GitHub environment {name}", first_line(error))


def _environment(github: GitHub, name: str, needed: frozenset[str]) -> Iterator[Finding]:
    subject = f"the GitHub environment {name}"
    fix = f"Settings, Environments, {name}: docs/explanation/workflows.md"
    environment = github.document(f"environments/{name}", subject, READ_ACTIONS)
    policy = environment.get("deployment_branch_policy")
    if policy is None:
        yield MissingRequirement(f"any branch, and therefore any pull request, can use {subject}", fix)
    elif policy.get("custom_branch_policies"):
        listed = github.document(f"environments/{name}/deployment-branch-policies?per_page=100", subject, READ_ACTIONS)
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
    if not required_environments(subject):
        return
    if github is None:
        yield UncheckedRequirement("the rules of GitHub's branches", NO_GITHUB)
        return
    for branch in (MAIN, *RELEASE_BRANCHES):
        yield from branch_problems(github, branch, subject)


def branch_problems(github: GitHub, branch: str, subject: DoctorContext) -> Iterator[Finding]:
    """Problems with one branch's rules."""
    try:
        rules = github.document(f"rules/branches/{branch}?per_page=100", f"the rules of {branch}")
        if not rules and github.is_protected(branch):
            why = "it has a classic branch protection rule; only rulesets can be checked"
            yield UncheckedRequirement(f"the rules of {branch}", why)
        elif branch == MAIN:
            yield from _main(rules)
        else:
            yield from _release_branch(github, branch, rules, in_workflow=subject.in_workflow)
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
            may_push = ("Integration", ACTIONS_APP, "always") in actors
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


def merges(subject: DoctorContext) -> Iterator[Finding]:
    """Pull requests can be merged with a merge commit, and workflows are allowed to open them."""
    github = subject.github
    if not required_environments(subject):
        return
    if github is None:
        yield UncheckedRequirement("the merge methods for pull requests", NO_GITHUB)
        return
    repository = github.repository
    try:
        allowed = github.document("", f"the settings of {repository}").get("allow_merge_commit")
        if allowed is None:
            yield UncheckedRequirement(
                "the merge methods for pull requests", "the token cannot read the repository's settings"
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


def webhooks(subject: DoctorContext) -> Iterator[Finding]:
    """Workflows need no webhooks; any that exist use verified TLS, are signed, and are accepted by their receivers."""
    github = subject.github
    if not required_environments(subject):
        return
    if github is None:
        yield UncheckedRequirement("the repository's webhooks", NO_GITHUB)
        return
    try:
        hooks = github.document("hooks?per_page=100", "webhooks", READ_WEBHOOKS)
    except OpsError as error:
        yield UncheckedRequirement("the repository's webhooks", first_line(error))
        return
    for hook in hooks:
        if hook.get("active"):
            yield from _webhook(hook)


def _webhook(hook: Mapping[str, Any]) -> Iterator[Finding]:
    config, code = hook.get("config") or {}, (hook.get("last_response") or {}).get("code")
    # Without its path and query, which may contain a token.
    address = urlsplit(str(config.get("url") or ""))
    name = f"the webhook {hook.get('id')} to {address.hostname}"
    fix = f"Settings, Webhooks, {address.hostname}"
    if address.scheme != "https" or str(config.get("insecure_ssl", "0")) != "0":
        yield MissingRequirement(f"{name} is sent without verified TLS", f"{fix}: use https and verify SSL")
    if not config.get("secret"):
        yield MissingRequirement(f"{name} is not signed", f"{fix}: set a secret")
    if isinstance(code, int) and not 200 <= code < 300:
        yield MissingRequirement(f"the last delivery of {name} failed with status {code}", f"{fix}: see its deliveries")
