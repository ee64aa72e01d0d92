"""Reports of drift: a GitHub issue, updated in place, and a Slack message."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.commands.drift import DriftReporter
from ops.drift import slack
from ops.drift.channels import ReportChannel
from ops.drift.findings import StackDrift
from ops.drift.issue import LABEL
from ops.drift.report import markdown, slack_text
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.findings import Finding, FindingKind
from ops.report.changes import Change
from ops.report.markdown import COMMENT_LIMIT
from tests.support.github import TOKEN, FakeGitHub
from tests.support.slack import Slack

MARKER = "<!-- snu:drift:stage -->"
CHANGED = Finding(
    FindingKind.CHANGED,
    "scaleway:containers:Container",
    "api-container",
    "fr-par/1",
    "fr-par",
    (
        Change("memoryLimitBytes", "update", 1, 2),
        Change("secretEnvironmentVariables.A", "update", "[secret]", "[secret]"),
    ),
)
ORPHAN = Finding(FindingKind.ORPHAN, "scaleway:secrets:Secret", "by-hand", "fr-par/2", "fr-par")
CLEAN = StackDrift("stage", 3)
DRIFT = StackDrift("stage", 3, (CHANGED,))
MORE = StackDrift("stage", 3, (CHANGED, ORPHAN))
UNKNOWN = StackDrift("stage", 0, problems=("Scaleway was asked and said: 503",), code=ExitCode.FAILED)


class Channels:
    """A fake GitHub and a fake Slack channel."""

    def __init__(self, hub: FakeGitHub, channel: Slack) -> None:
        self.hub, self.channel = hub, channel
        environ = {"GITHUB_TOKEN": TOKEN, "SLACK_WEBHOOK_URL": channel.webhook}
        self.both = DriftReporter.of([*ReportChannel], "octo/snu", hub.url, environ)
        self.slack = DriftReporter.of([ReportChannel.SLACK], None, hub.url, environ)

    @property
    def messages(self) -> list[str]:
        return [message["text"] for message in self.channel.messages]

    def state(self) -> tuple[str, str]:
        (issue,) = self.hub.issues
        return issue["state"], issue["body"].replace("\r\n", "\n")


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> Iterator[Channels]:
    monkeypatch.setattr("ops.github.RETRY_SECONDS", 0.0)
    monkeypatch.setattr("ops.drift.slack._RETRY_SECONDS", (0.0, 0.0))
    with FakeGitHub() as hub, Slack() as channel:
        yield Channels(hub, channel)


def test_an_issue_is_created_edited_closed_and_reopened(channels: Channels) -> None:
    hub = channels.hub
    assert channels.both.report(CLEAN) == ""
    assert not hub.issues
    assert not channels.messages

    assert "issue created: https://github.example/octo/snu/issues/50" in channels.both.report(DRIFT)
    assert hub.issues[0]["title"] == "Drift of stage"
    assert [each["name"] for each in hub.issues[0]["labels"]] == [LABEL]
    state, body = channels.state()
    assert (state, body.split("\n")[0]) == ("open", MARKER)
    assert "- memoryLimitBytes: 1\n+ memoryLimitBytes: 2" in body

    written = len(hub.writes)
    assert "unchanged" in channels.both.report(DRIFT)
    assert len(hub.writes) == written

    assert "issue edited" in channels.both.report(MORE)
    assert "by-hand" in channels.state()[1]

    assert "issue closed" in channels.both.report(CLEAN)
    assert channels.state()[0] == "closed"
    assert len(hub.comments) == 1
    assert channels.both.report(CLEAN).startswith("issue unchanged: https://github.example/octo/snu/issues/50")
    assert len(hub.comments) == 1

    assert "issue reopened" in channels.both.report(DRIFT)
    state, body = channels.state()
    assert state == "open"
    assert "by-hand" not in body
    first = [message.splitlines()[0] for message in channels.messages]
    assert first == [
        "*Drift of `stage`*: 1 changed",
        "*Drift of `stage`*: 1 changed, 1 orphan",
        "*Drift of `stage` resolved*",
        "*Drift of `stage`*: 1 changed",
    ]
    assert all("issues/50" in message for message in channels.messages)


def test_an_incomplete_check_closes_nothing(channels: Channels) -> None:
    channels.both.report(DRIFT)
    writes = len(channels.hub.writes)
    assert channels.both.report(UNKNOWN) == ""
    assert len(channels.hub.writes) == writes
    partly = StackDrift("stage", 3, (CHANGED,), UNKNOWN.problems, ExitCode.FAILED)
    channels.both.report(partly)
    assert "503" in channels.state()[1]


def test_without_an_issue_every_report_goes_to_slack(channels: Channels) -> None:
    for drift in (DRIFT, DRIFT, CLEAN, UNKNOWN):
        channels.slack.report(drift)
    assert len(channels.messages) == 2


def test_a_lost_response_creates_no_second_issue(channels: Channels) -> None:
    channels.hub.fail("POST", 502, document={"message": "Bad gateway"}, done=True)
    channels.both.report(DRIFT)
    assert len(channels.hub.issues) == 1


def test_issues_of_others_are_left_alone(channels: Channels) -> None:
    theirs = channels.hub.add_issue("Drift of stage", f"{MARKER}\ntext", [LABEL], login="mallory")
    unlabelled = channels.hub.add_issue("A talk about it", f"We had:\n{MARKER}", [LABEL])
    before = ({**theirs}, {**unlabelled})
    channels.both.report(DRIFT)
    channels.both.report(CLEAN)
    assert (theirs, unlabelled) == before
    assert len(channels.hub.issues) == 3


def test_duplicate_issues_are_closed(channels: Channels) -> None:
    for _ in range(2):
        channels.hub.add_issue("Drift of stage", f"{MARKER}\nold", [LABEL])
    channels.both.report(DRIFT)
    assert [each["state"] for each in channels.hub.issues] == ["open", "closed"]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_rejection_names_the_missing_permission(channels: Channels, status: int) -> None:
    channels.hub.fail("POST", status, document={"message": "no"})
    with pytest.raises(OpsError) as caught:
        channels.both.report(DRIFT)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert status != 403 or "issues: write" in str(caught.value)


@pytest.mark.parametrize("status", [302, 400, 404, 503])
def test_the_webhook_is_in_no_message(channels: Channels, status: int) -> None:
    channels.channel.status = status
    with pytest.raises(OpsError) as caught:
        channels.slack.report(DRIFT)
    assert str(status) in str(caught.value)
    assert "services" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "http://hooks.example/services/a", "nonsense", "https://[", "file:///etc/passwd"])
def test_an_invalid_webhook_is_rejected_and_not_printed(url: str) -> None:
    with pytest.raises(OpsError) as caught:
        slack.webhook({"SLACK_WEBHOOK_URL": url})
    assert caught.value.code is ExitCode.ENVIRONMENT
    assert "SLACK_WEBHOOK_URL" in str(caught.value)
    assert not url or url not in str(caught.value)


def test_missing_options_are_reported_before_the_check() -> None:
    with pytest.raises(OpsError, match="--repo"):
        DriftReporter.of([ReportChannel.GITHUB], None, "https://api.github.example", {"GITHUB_TOKEN": TOKEN})
    with pytest.raises(OpsError, match="GITHUB_TOKEN"):
        DriftReporter.of([ReportChannel.GITHUB], "octo/snu", "https://api.github.example", {})


_TEXT = st.text(max_size=300) | st.sampled_from(
    ["<!channel>", "@everyone", "```\n", "<b>", "[x](http://y)", "`", "&lt;"]
)
_CHANGES = st.builds(Change, _TEXT, st.sampled_from(["add", "update", "delete"]), _TEXT, _TEXT)
_FINDINGS = st.lists(
    st.builds(
        Finding, st.sampled_from(FindingKind), _TEXT, _TEXT, _TEXT, _TEXT, st.lists(_CHANGES, max_size=20).map(tuple)
    ),
    max_size=12,
).map(tuple)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(_FINDINGS, st.integers(1, 40), st.lists(_TEXT, max_size=3).map(tuple))
def test_reports_are_bounded_and_escape_markup(
    found: tuple[Finding, ...], times: int, problems: tuple[str, ...]
) -> None:
    drift = StackDrift("stage", 1, found * times, problems)
    text, message = markdown(drift), slack_text(drift)
    assert len(text) < COMMENT_LIMIT - len(MARKER) - 1
    assert len(message) < 40_000
    assert not {"<", ">"} & {*message.replace("&lt;", "").replace("&gt;", "")}
    for line in text.splitlines():
        outside = not line.startswith(("- ", "+ ", "! ", "    ", "<details>", "</details>"))
        assert not (outside and "<!channel>" in line)
