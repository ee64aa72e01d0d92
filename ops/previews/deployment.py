"""The GitHub deployments of a preview environment, which the pull request shows with their status and URL.

Deployments are only informational, so errors are printed as warnings. Call these functions while the environment is
locked. Source: GitHub's REST API, "Deployments", "Deployment statuses" and "Deployment environments".
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.github import WRITE_DEPLOYMENTS, GitHub, client, current_repository, readable_errors, with_retries
from ops.previews import names
from ops.previews.eligibility import PreviewRequest
from ops.process_environment import process_environment

if TYPE_CHECKING:
    from github.Deployment import Deployment
    from github.Repository import Repository as Hosted


class DeploymentState(StrEnum):
    """GitHub's name for the state of a deployment."""

    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILURE = "failure"
    INACTIVE = "inactive"


def environment_name(name: str) -> str:
    """Name of a preview environment on GitHub."""
    return f"preview/{name}"


def report(request: PreviewRequest, state: DeploymentState, url: str = "") -> None:
    """Set the state of the deployment of the pull request's commit, creating the deployment if it does not exist.

    ``url``: the environment's URL. A success makes earlier deployments of the environment inactive.
    """
    from github.GithubObject import NotSet

    if request.github is None or request.pull_request is None:
        return
    with _repository(request.github, request.name) as hosted:
        deployment, *older = with_retries(lambda: _deployments(hosted, request))
        log = run_url(process_environment())
        deployment.create_status(state, target_url=log or NotSet, environment_url=url or NotSet)
        if state is DeploymentState.SUCCESS:
            # GitHub does this by itself only for environments that are not transient.
            _deactivate(older, stop_at_inactive=True)


def _deployments(hosted: Hosted, request: PreviewRequest) -> list[Deployment]:
    """The environment's deployments, newest first; the first one is of the pull request's commit."""
    environment = environment_name(request.name)
    known = list(hosted.get_deployments(environment=environment))
    if known and known[0].sha == request.commit:
        return known
    created = hosted.create_deployment(
        request.commit,
        auto_merge=False,  # otherwise, GitHub merges the default branch into the pull request's branch
        required_contexts=[],  # otherwise, GitHub refuses the deployment while other checks are running
        environment=environment,
        description=f"Preview environment of #{request.pull_request}",
        transient_environment=True,
        production_environment=False,
    )
    return [created, *known]


def end(github: GitHub, name: str) -> None:
    """Make all deployments of a removed environment inactive, and delete it on GitHub if the token has permission."""
    if names.pull_request_of(name) is None:
        return  # only environments of pull requests are reported
    environment = environment_name(name)
    with _repository(github, name) as hosted:
        deployments = list(hosted.get_deployments(environment=environment))
        _deactivate(deployments)
        if deployments and not _deleted(hosted, environment):
            print(
                f"GitHub still lists the environment {environment}, without an active deployment: deleting it needs "
                "`administration: write`, which a workflow's token never has."
            )


def _deactivate(deployments: Iterable[Deployment], *, stop_at_inactive: bool = False) -> None:
    for deployment in deployments:
        latest = next(iter(deployment.get_statuses()), None)
        if latest is None or latest.state != DeploymentState.INACTIVE:
            deployment.create_status(DeploymentState.INACTIVE)
        elif stop_at_inactive:
            return


def _deleted(hosted: Hosted, environment: str) -> bool:
    """Delete an environment on GitHub. Returns False if the token lacks permission."""
    from github import GithubException, RateLimitExceededException, UnknownObjectException

    try:
        hosted.delete_environment(environment)
    except UnknownObjectException:
        return True
    except RateLimitExceededException:
        raise
    except GithubException as error:
        if error.status == 403:
            return False
        raise
    return True


@contextmanager
def _repository(github: GitHub, name: str) -> Iterator[Hosted]:
    """The repository, with its current name if it was renamed. GitHub and network errors are printed as a warning."""
    repository = github.repository
    errors = readable_errors(repository, "repository", repository.name, WRITE_DEPLOYMENTS)
    try:
        with errors, client(repository, github.token) as connected:
            yield current_repository(connected, repository)
    except OpsError as error:
        sys.stderr.write(f"warning: the deployment of {name} is not up to date on GitHub: {error}\n")


def run_url(environ: Mapping[str, str]) -> str:
    """URL of the workflow run; empty outside GitHub Actions."""
    server, repository, run = (environ.get(f"GITHUB_{each}", "") for each in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""
