"""``snu comment`` with a fake GitHub server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.pull_request import CommentResult, CommentTarget, Outcome, marker, read_token, write_comment
from tests.support.environment import clean_environment
from tests.support.github import TOKEN, FakeGitHub, Pull
from tests.support.ports import silent_port

TEXT = "### Preview of `stage`: 1 to update\n\ntext"
MARKED = f"<!-- snu:plan:stage -->\n{TEXT}"


@pytest.fixture
def server() -> Iterator[FakeGitHub]:
    with FakeGitHub() as fake:
        yield fake


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.github.RETRY_SECONDS", 0.0)


def write(server: FakeGitHub, text: str = TEXT, stack: str = "stage", author: str | None = None) -> CommentResult:
    return write_comment(CommentTarget("octo/snu", 7, server.url, author), stack, text, TOKEN)


def refused(server: FakeGitHub, token: str = TOKEN) -> str:
    with pytest.raises(OpsError) as caught:
        write_comment(CommentTarget("octo/snu", 7, server.url), "stage", TEXT, token)
    assert caught.value.code is ExitCode.FAILED
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)
    return str(caught.value)


def test_a_comment_is_created_then_unchanged_then_edited(server: FakeGitHub) -> None:
    server.add("somebody's")
    first = write(server)
    assert (first.outcome, first.removed) == (Outcome.CREATED, 0)
    assert first.url.endswith("#issuecomment-101")
    assert server.bodies() == ["somebody's", MARKED]
    assert write(server, f"{TEXT}\n").outcome is Outcome.UNCHANGED
    assert server.writes == ["POST"]
    edited = write(server, "other")
    assert edited == CommentResult(Outcome.EDITED, first.url, 0)
    assert server.bodies() == ["somebody's", "<!-- snu:plan:stage -->\nother"]


def test_each_stack_has_its_own_comment(server: FakeGitHub) -> None:
    write(server)
    write(server, stack="ci")
    write(server, "new", stack="ci")
    assert server.bodies() == [MARKED, "<!-- snu:plan:ci -->\nnew"]


def test_duplicates_on_all_pages_are_deleted(server: FakeGitHub) -> None:
    server.add(MARKED)
    for number in range(230):
        server.add(f"comment {number}", login="somebody")
    server.add(MARKED)
    server.add(MARKED)
    assert write(server) == CommentResult(Outcome.UNCHANGED, server.comments[0]["html_url"], 2)
    assert server.writes == ["DELETE", "DELETE"]
    assert len(server.comments) == 231


def test_comments_of_others_are_left_alone(server: FakeGitHub) -> None:
    server.add(MARKED, login="mallory")
    server.add(f"quoted:\n{MARKED}")
    assert write(server, "new").outcome is Outcome.CREATED
    assert server.bodies()[:2] == [MARKED, f"quoted:\n{MARKED}"]


def test_a_workflow_token_writes_as_the_bot(server: FakeGitHub) -> None:
    server.integration, server.login = True, "github-actions[bot]"
    assert write(server).outcome is Outcome.CREATED
    assert write(server).outcome is Outcome.UNCHANGED


def test_another_author(server: FakeGitHub) -> None:
    server.add(MARKED, login="Snu-App[bot]")
    assert write(server, author="snu-app[bot]").outcome is Outcome.UNCHANGED
    assert ("GET", "/user") not in server.requests


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_server_errors_are_retried(server: FakeGitHub, method: str) -> None:
    server.add(MARKED)
    server.add(MARKED)
    server.fail(method, 502, 503)
    assert write(server, "new") == CommentResult(Outcome.EDITED, server.comments[0]["html_url"], 1)


@pytest.mark.parametrize("done", [False, True])
def test_a_creation_with_a_lost_response_is_not_repeated(server: FakeGitHub, done: bool) -> None:
    server.fail("POST", 502, done=done)
    assert write(server).outcome is (Outcome.UNCHANGED if done else Outcome.CREATED)
    assert server.bodies() == [MARKED]


def test_errors_of_github_are_one_readable_sentence(server: FakeGitHub) -> None:
    assert "rejected the token (401)" in refused(server, "wrong")
    server.fail("POST", 403, document={"message": "Resource not accessible by integration"})
    assert "it needs `pull-requests: write`" in refused(server)
    server.fail("POST", 422, document={"message": "Validation Failed"})
    assert "GitHub returned status 422 for octo/snu#7: Validation Failed" in refused(server)
    server.fail("POST", *[502] * 4)
    assert "GitHub returned status 502" in refused(server)
    server.fail("GET", 404, document={"message": "Not Found"})
    assert "There is no pull request octo/snu#7" in refused(server)
    assert server.comments == []


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000000"}, " until 22:13:20 UTC"),
        ({"Retry-After": "60"}, " for 60 seconds"),
        ({}, ""),
    ],
)
def test_a_rate_limit_is_not_waited_for(
    server: FakeGitHub, headers: dict[str, str], until: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = (
        "You have exceeded a secondary rate limit." if not until.startswith(" until") else "API rate limit exceeded"
    )
    server.fail("GET", 403, document={"message": message}, headers=headers)
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    assert refused(server).startswith(f"GitHub's rate limit is exceeded{until}. ")
    assert waited == []
    assert len(server.requests) == 1
    server.fail("GET", 429, document={"message": message}, headers=headers)
    assert refused(server).startswith("GitHub's rate limit is exceeded")


def test_a_connection_that_is_refused() -> None:
    with silent_port() as port:
        server = FakeGitHub()
        server.port = port
        assert "GitHub cannot be reached at 127.0.0.1:" in refused(server)


@pytest.mark.parametrize("url", ["http://api.github.com", "ftp://127.0.0.1", "http://127.0.0.1.example.org"])
def test_the_token_is_sent_over_https_only(url: str) -> None:
    with pytest.raises(OpsError, match="expected an https:// URL"):
        CommentTarget("octo/snu", 7, url)


def test_invalid_names() -> None:
    with pytest.raises(OpsError, match="expected OWNER/NAME"):
        CommentTarget("octo", 7, "https://api.github.com")
    with pytest.raises(OpsError, match="expected letters"):
        marker("stage --> @everyone")


def test_an_oversized_comment_is_rejected_before_any_request(server: FakeGitHub) -> None:
    with pytest.raises(OpsError, match="65536"):
        write(server, "x" * 65_536)
    assert server.requests == []


def test_the_token_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert read_token({"GITHUB_TOKEN": "x"}) == "x"
    assert read_token({"GITHUB_TOKEN": "x", "SNU_GITHUB_TOKEN_FILE": str(file)}) == "from-file"
    for environ in ({}, {"GITHUB_TOKEN": "a b"}, {"SNU_GITHUB_TOKEN_FILE": str(tmp_path / "none")}):
        with pytest.raises(OpsError) as caught:
            read_token(environ)
        assert caught.value.code is ExitCode.ENVIRONMENT


def snu(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in clean_environment().items() if not key.startswith("GITHUB_")}
    return subprocess.run(
        [sys.executable, "-m", "ops", "comment", *arguments],
        env=kept | environment,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )


def test_the_command(server: FakeGitHub, tmp_path: Path) -> None:
    file = tmp_path / "plan.md"
    file.write_text(TEXT)
    arguments = ("--repo", "octo/snu", "--pr", "7", "--stack", "stage", "--file", str(file), "--api-url", server.url)
    ended = snu(*arguments, GITHUB_TOKEN=TOKEN)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert ended.stdout == f"Comment on octo/snu#7 for stage created: {server.comments[0]['html_url']}\n"
    again = snu(*arguments, GITHUB_TOKEN=TOKEN)
    assert "for stage unchanged: " in again.stdout
    lost = snu(*arguments)
    assert lost.returncode == ExitCode.ENVIRONMENT
    assert "The GitHub token is missing" in lost.stderr
    file.write_text("\n")
    assert snu(*arguments, GITHUB_TOKEN=TOKEN).returncode == ExitCode.USAGE


def test_the_command_for_a_merged_commit(server: FakeGitHub, tmp_path: Path) -> None:
    file = tmp_path / "plan.md"
    file.write_text(TEXT)
    merged, pushed, open_one = "a" * 40, "b" * 40, "c" * 40
    server.pulls = {7: Pull("feature"), 8: Pull("fix", is_open=False, commit="d" * 40, merged_as=merged)}
    arguments = ("--repo", "octo/snu", "--stack", "stage", "--file", str(file), "--api-url", server.url)
    ended = snu(*arguments, "--commit", merged, GITHUB_TOKEN=TOKEN)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert (server.bodies(8), server.bodies(7)) == ([MARKED], [])
    for commit in (pushed, open_one):
        nowhere = snu(*arguments, "--commit", commit, GITHUB_TOKEN=TOKEN)
        assert (nowhere.returncode, nowhere.stderr) == (ExitCode.OK, "")
        assert nowhere.stdout == f"Commit {commit} did not merge a pull request; no comment was written.\n"
    assert server.writes == ["POST"]
    for wrong in (("--commit", "a" * 7), ("--commit", merged, "--pr", "8"), ()):
        assert snu(*arguments, *wrong, GITHUB_TOKEN=TOKEN).returncode == ExitCode.USAGE
