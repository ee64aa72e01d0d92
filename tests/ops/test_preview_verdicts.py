"""What a sweep decides, and what the comment on a pull request says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from infra.settings.models import Previews
from ops.github import GitHub, Repository
from ops.previews.about import About
from ops.previews.cloud import Thing
from ops.previews.comment import Report, containers_by_app
from ops.previews.look import Preview, State
from ops.previews.sweep import Action, Judge
from ops.scaleway.catalogue import CONTAINER
from tests.support.github import TOKEN, FakeGitHub, Pull

RULES = Previews.model_validate({"expireAfter": 24})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    monkeypatch.setattr("ops.github.RETRY_SECONDS", 0.0)
    with FakeGitHub() as fake:
        yield fake


def judge(hub: FakeGitHub | None) -> Judge:
    return Judge(RULES, GitHub(Repository("octo/snu", hub.url), TOKEN) if hub else None)


def preview(
    name: str = "pr-7", hours: float = 1, repository: str = "octo/snu", *, state: bool = True, cloud: bool = True
) -> Preview:
    updated = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    return Preview(
        name,
        About("feature", 7 if name == "pr-7" else None, repository, updated),
        State(datetime.now(UTC), 1, {}, None) if state else None,
        (thing(name, "api"),) if cloud else (),
    )


def thing(name: str, app: str, status: str = "ready") -> Thing:
    return Thing(CONTAINER, f"{name}-{app}", "id", name, status)


BRANCH = "br-feature-12345678"


def action(hub: FakeGitHub | None, one: Preview) -> Action:
    return judge(hub).verdict(one).action


def test_half_of_an_environment_needs_no_github() -> None:
    assert action(None, preview(state=False)) is Action.REMOVE
    assert action(None, preview(cloud=False)) is Action.FORGET
    assert action(None, preview(state=False, cloud=False)) is Action.FORGET
    assert action(None, Preview("pr-7", None, State(datetime.now(UTC), 0, {}, None), (thing("pr-7", "a"),))) is (
        Action.REMOVE
    )


def test_a_state_that_cannot_be_read_is_neither(hub: FakeGitHub) -> None:
    unreadable = Preview("pr-7", None, None, (thing("pr-7", "api"),), "it is damaged")
    assert action(hub, unreadable) is Action.ASK
    assert action(hub, Preview("pr-7", None, None, (), "it is damaged")) is Action.ASK


def test_pull_requests(hub: FakeGitHub) -> None:
    assert action(hub, preview()) is Action.KEEP
    assert action(hub, preview(hours=25)) is Action.DOWN
    hub.pulls[7].labels = ("persist",)
    assert action(hub, preview(hours=25)) is Action.KEEP
    hub.pulls[7].is_open = False
    assert action(hub, preview()) is Action.DOWN
    assert action(hub, preview(repository="other/repository")) is Action.KEEP
    assert action(hub, preview(repository="Octo/SNU")) is Action.DOWN
    assert action(None, preview(hours=25)) is Action.KEEP


def test_branches(hub: FakeGitHub) -> None:
    assert action(hub, preview(BRANCH)) is Action.DOWN
    assert action(hub, preview(BRANCH, repository="")) is Action.KEEP
    hub.branches["feature"] = "1" * 40
    assert action(hub, preview(BRANCH)) is Action.KEEP
    assert action(hub, preview(BRANCH, hours=25)) is Action.DOWN
    assert action(None, preview(BRANCH, hours=25)) is Action.DOWN


def test_what_github_does_not_say_takes_nothing_down(hub: FakeGitHub) -> None:
    del hub.pulls[7]
    assert action(hub, preview(hours=25)) is Action.ASK
    hub.pulls[7] = Pull("feature")
    for status in (401, 403, 404, 500):
        hub.fail("GET", *[status] * 9, document={"message": "no"})
        assert action(hub, preview()) is Action.ASK, status
        assert action(hub, preview(BRANCH)) is Action.ASK, status
    hub.fail("GET", *[200] * 9, document={"number": 7, "url": f"{hub.url}/x"})
    assert action(hub, preview()) is Action.ASK


def test_the_comment_shows_each_app_and_no_line_of_a_log() -> None:
    containers = containers_by_app("pr-7", [thing("pr-7", "api", "error"), thing("pr-7", "admin")])
    report = Report(
        "pr-7",
        "failed",
        {"api": "https://api-pr-7.ci.example.org"},
        {"api": "0123456789abcdef", "app": "2"},
        containers,
        "Container pr-7-api is in error: ```\n    a line of its log\nhttps://x: says that it is version 1",
    )
    assert report.markdown().splitlines() == [
        "### Environment `pr-7`: failed",
        "",
        "| app | status | address | version |",
        "|---|---|---|---|",
        "| `admin` | ready |  |  |",
        "| `api` | error | https://api-pr-7.ci.example.org | `0123456789ab` |",
        "| `app` | not there |  | `2` |",
        "",
        "```text",
        "    Container pr-7-api is in error: ```",
        "    https://x: says that it is version 1",
        "```",
        "",
        "The job that brought it up shows all that was said.",
    ]
