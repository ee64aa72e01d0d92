"""The decisions of a sweep, and the comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from infra.settings.models import Previews
from ops.github import GitHub, Repository
from ops.previews.cloud import CloudObject
from ops.previews.comment import CommentBody, containers_by_app
from ops.previews.inventory import Preview, RecordedState
from ops.previews.metadata import PreviewMetadata
from ops.previews.sweep import SweepAction, SweepRules
from ops.scaleway.catalogue import CONTAINER
from tests.support.github import TOKEN, FakeGitHub, Pull

RULES = Previews.model_validate({"expireAfter": 24})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    monkeypatch.setattr("ops.github.RETRY_SECONDS", 0.0)
    with FakeGitHub() as fake:
        yield fake


def judge(hub: FakeGitHub | None) -> SweepRules:
    return SweepRules(RULES, GitHub(Repository("octo/snu", hub.url), TOKEN) if hub else None)


def preview(
    name: str = "pr-7", hours: float = 1, repository: str = "octo/snu", *, state: bool = True, cloud: bool = True
) -> Preview:
    updated = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    return Preview(
        name,
        PreviewMetadata("feature", 7 if name == "pr-7" else None, repository, updated),
        RecordedState(datetime.now(UTC), 1, {}, None) if state else None,
        (thing(name, "api"),) if cloud else (),
    )


def thing(name: str, app: str, status: str = "ready") -> CloudObject:
    return CloudObject(CONTAINER, f"{name}-{app}", "id", name, status)


BRANCH = "br-feature-12345678"


def action(hub: FakeGitHub | None, one: Preview) -> SweepAction:
    return judge(hub).decide(one).action


def test_incomplete_environments_are_decided_without_github() -> None:
    assert action(None, preview(state=False)) is SweepAction.REMOVE
    assert action(None, preview(cloud=False)) is SweepAction.FORGET
    assert action(None, preview(state=False, cloud=False)) is SweepAction.FORGET
    assert action(
        None, Preview("pr-7", None, RecordedState(datetime.now(UTC), 0, {}, None), (thing("pr-7", "a"),))
    ) is (SweepAction.REMOVE)


def test_an_unreadable_state_gives_no_decision(hub: FakeGitHub) -> None:
    unreadable = Preview("pr-7", None, None, (thing("pr-7", "api"),), "it is damaged")
    assert action(hub, unreadable) is SweepAction.ASK
    assert action(hub, Preview("pr-7", None, None, (), "it is damaged")) is SweepAction.ASK


def test_pull_requests(hub: FakeGitHub) -> None:
    assert action(hub, preview()) is SweepAction.KEEP
    assert action(hub, preview(hours=25)) is SweepAction.DOWN
    hub.pulls[7].labels = ("persist",)
    assert action(hub, preview(hours=25)) is SweepAction.KEEP
    hub.pulls[7].is_open = False
    assert action(hub, preview()) is SweepAction.DOWN
    assert action(hub, preview(repository="other/repository")) is SweepAction.KEEP
    assert action(hub, preview(repository="Octo/SNU")) is SweepAction.DOWN
    assert action(None, preview(hours=25)) is SweepAction.KEEP


def test_branches(hub: FakeGitHub) -> None:
    assert action(hub, preview(BRANCH)) is SweepAction.DOWN
    assert action(hub, preview(BRANCH, repository="")) is SweepAction.KEEP
    hub.branches["feature"] = "1" * 40
    assert action(hub, preview(BRANCH)) is SweepAction.KEEP
    assert action(hub, preview(BRANCH, hours=25)) is SweepAction.DOWN
    assert action(None, preview(BRANCH, hours=25)) is SweepAction.DOWN


def test_errors_of_github_take_nothing_down(hub: FakeGitHub) -> None:
    del hub.pulls[7]
    assert action(hub, preview(hours=25)) is SweepAction.ASK
    hub.pulls[7] = Pull("feature")
    for status in (401, 403, 404, 500):
        hub.fail("GET", *[status] * 9, document={"message": "no"})
        assert action(hub, preview()) is SweepAction.ASK, status
        assert action(hub, preview(BRANCH)) is SweepAction.ASK, status
    hub.fail("GET", *[200] * 9, document={"number": 7, "url": f"{hub.url}/x"})
    assert action(hub, preview()) is SweepAction.ASK


def test_the_comment_shows_each_app_and_no_logs() -> None:
    containers = containers_by_app("pr-7", [thing("pr-7", "api", "error"), thing("pr-7", "admin")])
    report = CommentBody(
        "pr-7",
        "failed",
        {"api": "https://api-pr-7.ci.example.org"},
        {"api": "0123456789abcdef", "app": "2"},
        containers,
        "Container pr-7-api is in error: ```\n    a line of its log\nThe last lines of api-release (run 1a2b):\n"
        "    one\n    another\nhttps://x: says that it is version 1",
    )
    assert report.markdown().splitlines() == [
        "### Preview environment `pr-7`: failed",
        "",
        "| App | Status | URL | Version |",
        "|---|---|---|---|",
        "| `admin` | ready |  |  |",
        "| `api` | error | https://api-pr-7.ci.example.org | `0123456789ab` |",
        "| `app` | missing |  | `2` |",
        "",
        "```text",
        "    Container pr-7-api is in error: ```",
        "    https://x: says that it is version 1",
        "```",
        "",
        "See the workflow run's log for the full output.",
    ]
