"""The GitHub deployments of preview environments, with a fake GitHub server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ops.github import GitHub, Repository
from ops.previews.deployment import DeploymentState, end, report, run_url
from ops.previews.eligibility import PreviewRequest
from tests.support.github import TOKEN, FakeGitHub

NAME = "pr-7"
ENVIRONMENT = "preview/pr-7"
URL = "https://app-pr-7.example.org"
FIRST, SECOND = "a" * 40, "b" * 40
DENIED = {"message": "Resource not accessible by integration"}


@pytest.fixture
def server() -> Iterator[FakeGitHub]:
    with FakeGitHub() as fake:
        yield fake


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.github.RETRY_SECONDS", 0.0)


def github(server: FakeGitHub, name: str = "octo/snu") -> GitHub:
    return GitHub(Repository(name, server.url), TOKEN)


def request_of(server: FakeGitHub, commit: str = FIRST, repository: str = "octo/snu") -> PreviewRequest:
    return PreviewRequest(NAME, "feature", 7, repository, github(server, repository), commit)


def bring_up(server: FakeGitHub, commit: str = FIRST) -> None:
    request = request_of(server, commit)
    report(request, DeploymentState.IN_PROGRESS)
    report(request, DeploymentState.SUCCESS, URL)


def test_a_deployment_has_the_commit_the_address_and_the_run(
    server: FakeGitHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"SERVER_URL": "https://github.com", "REPOSITORY": "octo/snu", "RUN_ID": "42"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    bring_up(server)
    (deployment,) = server.deployments
    assert (deployment["ref"], deployment["environment"]) == (FIRST, ENVIRONMENT)
    assert deployment["production_environment"] is False
    begun, done = deployment["statuses"]
    run = "https://github.com/octo/snu/actions/runs/42"
    assert begun == {"state": "in_progress", "target_url": run}
    assert done == {"state": "success", "target_url": run, "environment_url": URL}
    assert capsys.readouterr() == ("", "")


def test_a_repeated_run_uses_its_deployment_and_a_new_commit_replaces_it(server: FakeGitHub) -> None:
    bring_up(server)
    bring_up(server)
    assert server.states(ENVIRONMENT) == [["in_progress", "success"] * 2]
    bring_up(server, SECOND)
    assert [states[-1] for states in server.states(ENVIRONMENT)] == ["inactive", "success"]
    report(request_of(server, "c" * 40), DeploymentState.FAILURE)
    assert [states[-1] for states in server.states(ENVIRONMENT)] == ["inactive", "success", "failure"]


def test_a_removed_environment_has_no_active_deployment(server: FakeGitHub, capsys: pytest.CaptureFixture[str]) -> None:
    bring_up(server)
    bring_up(server, SECOND)
    for _ in range(2):
        end(github(server), NAME)
        assert [states[-1] for states in server.states(ENVIRONMENT)] == ["inactive", "inactive"]
        assert ENVIRONMENT not in server.environments
    assert [states.count("inactive") for states in server.states(ENVIRONMENT)] == [1, 1]
    assert capsys.readouterr() == ("", "")


def test_a_workflow_s_token_may_not_delete_the_environment(
    server: FakeGitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    bring_up(server)
    server.may_delete_environments = False
    end(github(server), NAME)
    assert server.states(ENVIRONMENT)[0][-1] == "inactive"
    output = capsys.readouterr()
    assert output.err == ""
    assert f"GitHub still lists the environment {ENVIRONMENT}" in output.out
    assert "administration: write" in output.out


def test_only_pull_requests_are_reported(server: FakeGitHub) -> None:
    branch = PreviewRequest("br-feature-12345678", "feature", None, "octo/snu")
    report(branch, DeploymentState.SUCCESS, URL)
    end(github(server), branch.name)
    end(github(server), NAME)  # has never been deployed
    assert server.writes == []


@pytest.mark.parametrize(
    ("status", "document", "headers", "warning"),
    [
        (403, DENIED, {}, "it needs `deployments: write`"),
        (404, {"message": "Not Found"}, {}, "There is no repository octo/snu, or the token cannot access it (404)"),
        (422, {"message": "No ref found"}, {}, "GitHub returned status 422 for octo/snu: No ref found"),
        (403, {"message": "API rate limit exceeded"}, {"X-RateLimit-Reset": "1700000000"}, "exceeded until 22:13:20"),
        (403, {"message": "You have exceeded a secondary rate limit."}, {"Retry-After": "60"}, "for 60 seconds"),
        (429, {"message": "Too many requests"}, {"Retry-After": "60"}, "for 60 seconds"),
    ],
)
def test_errors_are_warnings(
    server: FakeGitHub,
    status: int,
    document: Any,
    headers: dict[str, str],
    warning: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.fail("POST", status, document=document, headers=headers)
    report(request_of(server), DeploymentState.IN_PROGRESS)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("warning: the deployment of pr-7 is not up to date on GitHub: ")
    assert warning in output.err
    assert output.err.count("\n") == 1
    assert TOKEN not in output.err
    bring_up(server)  # the next run
    assert server.states(ENVIRONMENT) == [["in_progress", "success"]]


def test_an_error_while_it_ends_is_a_warning(server: FakeGitHub, capsys: pytest.CaptureFixture[str]) -> None:
    bring_up(server)
    server.fail("POST", 403, document=DENIED)
    end(github(server), NAME)
    assert "it needs `deployments: write`" in capsys.readouterr().err


@pytest.mark.parametrize("done", [False, True])
def test_a_lost_response_creates_no_second_deployment(server: FakeGitHub, done: bool) -> None:
    server.fail("POST", 502, done=done)
    bring_up(server)
    assert server.states(ENVIRONMENT) == [["in_progress", "success"]]


def test_a_renamed_repository_is_followed(server: FakeGitHub, capsys: pytest.CaptureFixture[str]) -> None:
    server.former_name = "octo/old"
    report(request_of(server, repository="octo/old"), DeploymentState.IN_PROGRESS)
    assert server.states(ENVIRONMENT) == [["in_progress"]]
    assert "warning" not in capsys.readouterr().err


def test_outside_github_actions_there_is_no_run() -> None:
    assert run_url({}) == ""
