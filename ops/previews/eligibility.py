"""Decides whether a pull request or branch gets a preview environment, and determines its name."""

from __future__ import annotations

from dataclasses import dataclass

from infra.settings.models import Previews
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub, PullRequest
from ops.previews import names
from ops.previews.template import Template


class NotEligibleError(OpsError):
    """The pull request or branch is not eligible for an environment; this is not a failure."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.NOT_WANTED)


@dataclass(frozen=True)
class PreviewRequest:
    """A request for the preview environment of a pull request or branch."""

    name: str
    branch: str
    pull_request: int | None = None
    repository: str = ""
    """``owner/name``; empty if no GitHub repository was given."""
    github: GitHub | None = None
    """The pull request's repository."""
    commit: str = ""
    """Latest commit of the pull request's branch; empty without GitHub."""

    def objection(self, template: Template, rules: Previews) -> str:
        """Why the pull request is no longer eligible; empty if it is. Raises OpsError."""
        if self.pull_request is None or self.github is None:
            return ""
        pull_request = self.github.pull_request(self.pull_request)
        return objection(template, rules, self.github.repository.name, pull_request)


def of_pull_request(template: Template, rules: Previews, github: GitHub, number: int) -> PreviewRequest:
    """Raises NotEligibleError if the pull request is not eligible, and OpsError if GitHub cannot be queried."""
    name = pull_request_name(template, number)
    pull_request = github.pull_request(number)
    if reason := objection(template, rules, github.repository.name, pull_request):
        raise NotEligibleError(reason)
    return PreviewRequest(name, pull_request.branch, number, github.repository.name, github, pull_request.commit)


def objection(template: Template, rules: Previews, repository: str, pull_request: PullRequest) -> str:
    """Why a pull request is not eligible for an environment; empty if it is.

    ``repository``: ``owner/name``.
    """
    subject = f"The pull request {repository}#{pull_request.number}"
    if not pull_request.is_open:
        return f"{subject} is closed."
    if pull_request.head.lower() != repository.lower():
        return (
            f"{subject} comes from {pull_request.head or 'a deleted repository'}: code from forks is not run "
            f"with the secrets of {template.parent}."
        )
    if names.is_no_ci(pull_request.branch):
        return _no_ci(pull_request.branch)
    if rules.label is not None and rules.label not in pull_request.labels:
        return f"{subject} lacks the label {rules.label!r}, which snu:previews of {template.parent} requires."
    return ""


def of_branch(template: Template, branch: str, repository: str) -> PreviewRequest:
    """Raises NotEligibleError if the branch name opts out with ``no-ci``."""
    if names.is_no_ci(branch):
        raise NotEligibleError(_no_ci(branch))
    return PreviewRequest(branch_name(template, branch), branch, None, repository)


def pull_request_name(template: Template, number: int) -> str:
    """Raises OpsError."""
    try:
        return names.of_pull_request(number, template.longest_name)
    except ValueError as error:
        raise OpsError(f"--pr: {error}", ExitCode.USAGE) from None


def branch_name(template: Template, branch: str) -> str:
    """Raises OpsError."""
    if not branch.strip():
        raise OpsError("--branch is empty; expected a branch name", ExitCode.USAGE)
    return names.of_branch(branch, template.longest_name)


def _no_ci(branch: str) -> str:
    return f"The branch {branch!r} gets no preview environment because its name contains no-ci."
