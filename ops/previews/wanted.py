"""Which preview environment is meant, and whether there is to be one."""

from __future__ import annotations

from dataclasses import dataclass

from infra.settings.models import Previews
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub
from ops.previews import names
from ops.previews.template import Template


class NotWantedError(OpsError):
    """There is to be no environment: nothing for a workflow to worry about."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.NOT_WANTED)


@dataclass(frozen=True)
class Wanted:
    """The preview environment of a pull request or of a branch."""

    name: str
    branch: str
    pull_request: int | None = None
    repository: str = ""
    """``owner/name``; empty where GitHub was not named."""
    github: GitHub | None = None
    """Where the pull request is."""

    def closed(self) -> str:
        """Empty as long as the pull request is open, or else what is said of it. Raises OpsError."""
        if self.pull_request is None or self.github is None:
            return ""
        is_open = self.github.pull_request(self.pull_request).is_open
        return "" if is_open else f"The pull request {self.repository}#{self.pull_request} is closed."


def of_pull_request(template: Template, rules: Previews, github: GitHub, number: int) -> Wanted:
    """Raises NotWantedError where the pull request is to have none, OpsError when GitHub does not say."""
    name = pull_request_name(template, number)
    found = github.pull_request(number)
    what = f"The pull request {github.repository}#{number}"
    if not found.is_open:
        raise NotWantedError(f"{what} is closed.")
    if found.head.lower() != github.repository.name.lower():
        raise NotWantedError(
            f"{what} comes from {found.head or 'a repository that is gone'}: what a fork brings does not run beside "
            f"the secrets of {template.parent}."
        )
    _refuse_no_ci(found.branch)
    if rules.label is not None and rules.label not in found.labels:
        raise NotWantedError(
            f"{what} does not have the label {rules.label!r}, which snu:previews of {template.parent} asks for."
        )
    return Wanted(name, found.branch, number, github.repository.name, github)


def of_branch(template: Template, branch: str, repository: str) -> Wanted:
    """Raises NotWantedError where the branch's name says so."""
    _refuse_no_ci(branch)
    return Wanted(branch_name(template, branch), branch, None, repository)


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


def _refuse_no_ci(branch: str) -> None:
    if names.is_no_ci(branch):
        raise NotWantedError(f"The branch {branch!r} gets no environment: its name says no-ci.")
