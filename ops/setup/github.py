"""Actions on GitHub: environments, secrets, rulesets and the repository's settings.

Sources of the request bodies: GitHub's REST API reference, sections "Deployment environments", "Deployment branch
policies", "Rules", "Actions permissions" and "Repositories".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

from ops.application_keys import ApplicationKeys, KeyHolder, foundation_settings, holders
from ops.doctor import repository, workflow
from ops.doctor.context import DoctorContext, MissingRequirement
from ops.exit_codes import ExitCode
from ops.github import READ_ACTIONS, WRITE_ADMINISTRATION, GitHub
from ops.process_environment import IDENTITY, SIGNING_KEY
from ops.report.factory import print_step
from ops.rotation.deploy_key import DeployKeyRotation, GitHubEnvironment, verify_with
from ops.scaleway.client import Client
from ops.setup.context import Action, SetupContext
from ops.stacks import Stack

_MAIN, _RELEASES = "snu: main", "snu: release branches"
"""Names of the rulesets."""
_FILES = {SIGNING_KEY: "signing", IDENTITY: "identity"}


def create_environments(context: SetupContext, subject: DoctorContext) -> Iterator[Action]:
    """Create missing environments with their rules, then store missing secrets."""
    github, required = context.github, repository.required_environments(subject)
    if github is None or not required:
        return
    existing = github.environments()
    for name, each in required.items():
        if name not in existing:
            text = f"create the GitHub environment {name}{_with_branches(each.branches)}"
            yield Action(text, partial(_configure, context, github, name, each.branches))
    lacking = {
        name: each.secrets - (github.secret_names(name) if name in existing else frozenset())
        for name, each in required.items()
    }
    yield from _store_keys(context, github, lacking)
    yield from _store_plan_keys(context, github, lacking)


def _with_branches(branches: frozenset[str] | None) -> str:
    return f" for {', '.join(sorted(branches))}" if branches is not None else " for all branches"


def configure_environments(context: SetupContext, subject: DoctorContext) -> Iterator[Action]:
    """Restrict the branches of existing environments, and add the reviewers to production."""
    github, required = context.github, repository.required_environments(subject)
    if github is None or not required:
        return
    existing = github.environments()
    for name, each in required.items():
        if each.branches is not None and name in existing and _is_incomplete(context, github, name, each.branches):
            text = f"restrict the GitHub environment {name} to {', '.join(sorted(each.branches))}"
            if name == repository.REVIEWED_ENVIRONMENT and context.reviewers:
                text += f", with the reviewers {', '.join(context.reviewers)}"
            yield Action(text, partial(_configure, context, github, name, each.branches))


def _is_incomplete(context: SetupContext, github: GitHub, name: str, branches: frozenset[str]) -> bool:
    """Whether the environment lacks branches, or has no reviewers although some were specified."""
    path, subject = f"environments/{quote(name, safe='')}", f"the GitHub environment {name}"
    environment = github.document(path, subject, READ_ACTIONS)
    policy = environment.get("deployment_branch_policy")
    if policy is None or (policy.get("custom_branch_policies") and branches - _branches(github, path, subject)):
        return True
    needs_reviewers = name == repository.REVIEWED_ENVIRONMENT and bool(context.reviewers)
    return needs_reviewers and not _existing_reviewers(environment)


def _branches(github: GitHub, path: str, subject: str) -> frozenset[str]:
    policies = github.document(f"{path}/deployment-branch-policies?per_page=100", subject, READ_ACTIONS)
    return frozenset(each["name"] for each in policies["branch_policies"])


def _configure(context: SetupContext, github: GitHub, name: str, branches: frozenset[str] | None) -> None:
    """Create or change an environment. Branches that are not needed are kept; `snu doctor` reports them."""
    path, subject = f"environments/{quote(name, safe='')}", f"the GitHub environment {name}"
    body: dict[str, Any] = {"deployment_branch_policy": None}
    if branches is not None:
        body = {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}}
    reviewers = [_reviewer(github, each) for each in context.reviewers]
    if name == repository.REVIEWED_ENVIRONMENT and reviewers:
        body["reviewers"] = reviewers
    elif name in github.environments():
        # A change replaces all rules, so the existing reviewers are repeated.
        body["reviewers"] = _existing_reviewers(github.document(path, subject, READ_ACTIONS))
    github.change("PUT", path, body, subject, WRITE_ADMINISTRATION)
    if branches is None:
        return
    for branch in sorted(branches - _branches(github, path, subject)):
        policy = {"name": branch, "type": "branch"}
        github.change("POST", f"{path}/deployment-branch-policies", policy, subject, WRITE_ADMINISTRATION)


def _reviewer(github: GitHub, name: str) -> dict[str, Any]:
    organization, separator, team = name.partition("/")
    path = f"/orgs/{quote(organization)}/teams/{quote(team)}" if separator else f"/users/{quote(name)}"
    kind = "Team" if separator else "User"
    return {"type": kind, "id": github.resource(path, f"{kind.lower()} {name}")["id"]}


def _existing_reviewers(environment: dict[str, Any]) -> list[dict[str, Any]]:
    rules = environment.get("protection_rules") or []
    return [
        {"type": each["type"], "id": each["reviewer"]["id"]}
        for rule in rules
        if rule.get("type") == "required_reviewers"
        for each in rule.get("reviewers") or []
        if each.get("reviewer")
    ]


def _store_keys(context: SetupContext, github: GitHub, lacking: dict[str, frozenset[str]]) -> Iterator[Action]:
    """Create a key for each application whose secrets are missing. Existing keys are kept."""
    for foundation in context.sources:
        for holder in holders(foundation, foundation_settings(foundation)):
            places = [
                GitHubEnvironment(github, environment, prefix)
                for prefix, environments in (("SCW", holder.github), ("SNU_SOURCE", holder.github_source))
                for environment in environments
                if {f"{prefix}_ACCESS_KEY", f"{prefix}_SECRET_KEY"} & lacking.get(environment, frozenset())
            ]
            if places:
                listed = ", ".join(place.environment for place in places)
                yield Action(
                    f"create an API key of {holder.application}, and store it in the GitHub environments {listed}",
                    partial(_store_key, context, foundation, holder, places),
                )


def _store_key(context: SetupContext, foundation: Stack, holder: KeyHolder, places: list[GitHubEnvironment]) -> None:
    with Client.of(foundation, context.environ, ExitCode.ENVIRONMENT) as client:
        keys = ApplicationKeys(foundation_settings(foundation), client)
        verify = verify_with(client.profile)
        DeployKeyRotation(keys, holder.application, places, verify, print_step, keeps_former=True).run()


def _store_plan_keys(context: SetupContext, github: GitHub, lacking: dict[str, frozenset[str]]) -> Iterator[Action]:
    """Store the private plan keys that are in the directory for private keys."""
    if context.out is None:
        return
    for stack in context.stacks:
        for secret, environments in workflow.environments_of_keys(context.project_dir, stack.name).items():
            path = context.out / f"{stack.name}-plan-{_FILES[secret]}.key"
            for environment in environments:
                if secret in lacking.get(environment, frozenset()) and path.exists():
                    text = path.read_text(encoding="utf-8").strip()
                    yield Action(
                        f"store {secret} from {path} in the GitHub environment {environment}",
                        partial(github.set_secret, environment, secret, text),
                    )


def create_rulesets(context: SetupContext, subject: DoctorContext) -> Iterator[Action]:
    """Create the rulesets for main and for the release branches, or restore them."""
    github = context.github
    if github is None or not repository.required_environments(subject):
        return
    for name, branches, body in (
        (_MAIN, (repository.MAIN,), _main_ruleset()),
        (_RELEASES, repository.RELEASE_BRANCHES, _release_ruleset()),
    ):
        problems = [each for branch in branches for each in repository.branch_problems(github, branch, subject)]
        if not any(isinstance(each, MissingRequirement) for each in problems):
            continue
        references = {"include": [f"refs/heads/{branch}" for branch in branches], "exclude": []}
        wanted = {"name": name, "target": "branch", "enforcement": "active", **body}
        wanted["conditions"] = {"ref_name": references}
        number = _ruleset(github, name)
        # A complete ruleset leaves only problems with other rulesets.
        if number is None or not _contains(github.document(f"rulesets/{number}", f"the ruleset {name!r}"), wanted):
            verb = "create" if number is None else "restore"
            text = f"{verb} the ruleset {name!r} for {', '.join(branches)}"
            yield Action(text, partial(_write_ruleset, github, name, wanted))


def _ruleset(github: GitHub, name: str) -> int | None:
    """The id of a ruleset; None if there is none of that name."""
    listed = github.document("rulesets?per_page=100", "the rulesets")
    return next((int(each["id"]) for each in listed if each["name"] == name), None)


def _contains(actual: Any, wanted: Any) -> bool:
    """Whether a document has all required values; GitHub adds its defaults to objects."""
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and all(_contains(actual.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(actual, list) and all(any(_contains(item, each) for item in actual) for each in wanted)
    return bool(actual == wanted)


def _write_ruleset(github: GitHub, name: str, document: dict[str, Any]) -> None:
    number = _ruleset(github, name)
    method, path = ("POST", "rulesets") if number is None else ("PUT", f"rulesets/{number}")
    github.change(method, path, document, f"the ruleset {name!r}", WRITE_ADMINISTRATION)


def _main_ruleset() -> dict[str, Any]:
    review = {
        "required_approving_review_count": 1,
        "dismiss_stale_reviews_on_push": True,
        "require_code_owner_review": False,
        "require_last_push_approval": False,
        "required_review_thread_resolution": False,
    }
    rules = [{"type": "pull_request", "parameters": review}, {"type": "deletion"}, {"type": "non_fast_forward"}]
    return {"bypass_actors": [], "rules": rules}


def _release_ruleset() -> dict[str, Any]:
    workflows = {"actor_type": "Integration", "actor_id": repository.ACTIONS_APP, "bypass_mode": "always"}
    return {"bypass_actors": [workflows], "rules": [{"type": "update"}]}


def allow_merges(context: SetupContext, subject: DoctorContext) -> Iterator[Action]:
    """Allow merge commits, and pull requests that workflows open."""
    github = context.github
    if github is None or not repository.required_environments(subject):
        return
    settings = github.document("", f"the settings of {github.repository}")
    if settings.get("allow_merge_commit") is False:
        body = {"allow_merge_commit": True}
        change = partial(github.change, "PATCH", "", body, "the repository's settings", WRITE_ADMINISTRATION)
        yield Action("allow merge commits", change)
    path = "actions/permissions/workflow"
    permissions = github.document(path, "workflow permissions", WRITE_ADMINISTRATION)
    if not permissions.get("can_approve_pull_request_reviews"):
        body = {**permissions, "can_approve_pull_request_reviews": True}
        yield Action(
            "allow workflows to open pull requests",
            partial(github.change, "PUT", path, body, "workflow permissions", WRITE_ADMINISTRATION),
        )
