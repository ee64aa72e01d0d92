"""Which preview environment is meant, and whether there is to be one."""

from __future__ import annotations

from dataclasses import dataclass

from infra.settings.models import Previews
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub, PullRequest
from ops.previews import names
from ops.previews.template import Template


class NotEligibleError(OpsError):
    """There is to be no environment: nothing for a workflow to worry about."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.NOT_WANTED)


@dataclass(frozen=True)
class PreviewRequest:
    """The preview environment of a pull request or of a branch."""

    name: str
    branch: str
    pull_request: int | None = None
    repository: str = ""
    """``owner/name``; empty where GitHub was not named."""
    github: GitHub | None = None
    """Where the pull request is."""

    def objection(self, template: Template, rules: Previews) -> str:
        """Why the pull request is no longer to have the environment; empty if it is. Raises OpsError."""
        if self.pull_request is None or self.github is None:
            return ""
        found = self.github.pull_request(self.pull_request)
        return objection(template, rules, self.github.repository.name, found)


def of_pull_request(template: Template, rules: Previews, github: GitHub, number: int) -> PreviewRequest:
    """Raises NotWantedError where the pull request is to have none, OpsError when GitHub does not say."""
    name = pull_request_name(template, number)
    found = github.pull_request(number)
    if reason := objection(template, rules, github.repository.name, found):
        raise NotEligibleError(reason)
    return PreviewRequest(name, found.branch, number, github.repository.name, github)


def objection(template: Template, rules: Previews, repository: str, found: PullRequest) -> str:
    """Why a pull request is to have no environment; empty if it is to have one.

    ``repository``: ``owner/name``.
    """
    what = f"The pull request {repository}#{found.number}"
    if not found.is_open:
        return f"{what} is closed."
    if found.head.lower() != repository.lower():
        return (
            f"{what} comes from {found.head or 'a repository that is gone'}: what a fork brings does not run beside "
            f"the secrets of {template.parent}."
        )
    if names.is_no_ci(found.branch):
        return _no_ci(found.branch)
    if rules.label is not None and rules.label not in found.labels:
        return f"{what} does not have the label {rules.label!r}, which snu:previews of {template.parent} asks for."
    return ""


def of_branch(template: Template, branch: str, repository: str) -> PreviewRequest:
    """Raises NotWantedError where the branch's name says so."""
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
        raise OpsError("--branch is empty; expected the name of a branch", ExitCode.USAGE)
    return names.of_branch(branch, template.longest_name)


def _no_ci(branch: str) -> str:
    return f"The branch {branch!r} gets no environment: its name says no-ci."
