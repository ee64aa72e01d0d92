"""From a crash to exactly one Slack message, in spite of failures on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.exit_codes import ExitCode
from tests.lab.alerting import HOUR_MILLISECONDS, Alerting
from tests.lab.lab import Lab
from tests.support.apps.workspace import Workspace, workspace
from tests.support.fake_server import FakeServer
from tests.support.slack import Slack

__all__ = ["workspace"]

# One platform for all of them.
pytestmark = pytest.mark.xdist_group("alerts")

DAY = 86_400 * 1_000_000_000


@pytest.fixture(scope="module")
def deployed(
    tmp_path_factory: pytest.TempPathFactory, founded: tuple[Lab, Path], workspace: Workspace
) -> Iterator[Alerting]:
    """The stack local is up, and its document has the stand-in's address."""
    lab, saved = founded
    lab.begin(saved)
    lab.up_ok("local")
    with Slack() as slack:
        alerting = Alerting(lab, workspace, slack, tmp_path_factory.mktemp("run"))
        alerting.prepare()
        never = lab.project.snu("alerts", "local")
        assert never.returncode == ExitCode.ALERTS_SILENT, never.stdout + never.stderr
        assert "the job has never run" in never.stdout
        alerting.run()
        yield alerting


@pytest.fixture
def alerting(deployed: Alerting) -> Alerting:
    """The last run was right now, and nothing has happened since."""
    deployed.forget()
    return deployed


@pytest.fixture
def no_lines(alerting: Alerting) -> None:
    """No line of any time is there."""
    alerting.forget_lines()


def test_one_crash_gives_one_message(alerting: Alerting) -> None:
    alerting.crash("cannot reach fake-mongo-url for jane@example.org")
    alerting.run()
    (message,) = alerting.slack.texts
    for part in ("local: api", "4f2a", "once", "users.js:7:11", "[MONGO_URL]", alerting.container()):
        assert part in message
    for secret in ("fake-mongo-url", "jane@", "hush"):
        assert secret not in message
        assert secret not in json.dumps(alerting.state())
    alerting.run()
    alerting.crash("cannot reach fake-mongo-url for john@example.org", times=3)
    alerting.run()
    assert len(alerting.slack.messages) == 1
    alerting.let_pass(HOUR_MILLISECONDS)
    alerting.run()
    assert "3 more times" in alerting.slack.texts[-1]
    alerting.let_pass(HOUR_MILLISECONDS)
    alerting.run()
    assert len(alerting.slack.messages) == 2


def test_slack_down_loses_nothing(alerting: Alerting) -> None:
    alerting.slack.status = 503
    alerting.crash("one")
    failed = alerting.run(status=1)
    assert "Slack: 503" in failed[-1]["message"]
    alerting.crash("two")
    alerting.run(status=1)
    looked = alerting.lab.project.snu("alerts", "local")
    assert looked.returncode == ExitCode.OK
    assert "2 messages not posted to Slack yet" in looked.stdout
    assert "Slack: 503" in looked.stdout
    assert "hush" not in looked.stdout
    alerting.slack.status = 200
    alerting.run()
    assert ["one" in text or "two" in text for text in alerting.slack.texts] == [True, True]
    assert alerting.state()["outbox"] == []


def test_overlapping_runs_tell_once(alerting: Alerting) -> None:
    alerting.crash()
    runs = [alerting.start() for _ in range(4)]
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * 4, said
    assert any('"event":"held"' in text for text in said)
    assert len(alerting.slack.messages) == 1


def test_a_run_that_is_killed_is_made_up_for(alerting: Alerting) -> None:
    alerting.crash()
    alerting.slack.status, alerting.slack.retry_after = 503, 30
    run = alerting.start()
    while alerting.slack.refused == 0:
        assert run.poll() is None
        time.sleep(0.02)
    run.kill()
    run.communicate()
    alerting.slack.status = 200
    assert alerting.run()[-1]["event"] == "held"
    assert alerting.slack.messages == []
    lease = alerting.state()["lease"]
    assert lease["until"] < (time.time() + 5 * 60) * 1000
    alerting.change_state(lease={**lease, "until": (time.time() + 30 * 86_400) * 1000})
    alerting.run()
    assert len(alerting.slack.messages) == 1


@pytest.mark.usefixtures("no_lines")
def test_an_outage_misses_no_window(alerting: Alerting) -> None:
    now = time.time_ns()
    alerting.change_state(cursor=str(now - 2 * DAY))
    alerting.crash("first", at=now - 2 * DAY)
    alerting.crash("second", times=2_500, at=now - DAY)
    alerting.crash("last", at=now - DAY + 900 * 1_000_000_000 - 1)
    alerting.run()
    told = alerting.slack.texts
    assert len(told) == 3
    assert "2500 times" in told[1]
    alerting.run()
    assert len(alerting.slack.messages) == 3


@pytest.mark.usefixtures("no_lines")
def test_logs_that_are_not_kept_any_more_are_told(alerting: Alerting) -> None:
    alerting.change_state(cursor=str(time.time_ns() - 30 * DAY))
    alerting.run()
    assert "logs were missed" in alerting.slack.texts[-1]


def test_a_failed_deploy_and_a_restart_loop_are_told(alerting: Alerting) -> None:
    container = alerting.container("local-app")
    alerting.lab.fault("container_error", message="cannot pull fake-mongo-url", match={"name": "local-app"})
    try:
        alerting.lab.ask("PATCH", f"/containers/v1/regions/fr-par/containers/{container}", {"max_scale": 2})
        for n in range(6):
            alerting.crash(f"loop {'x' * n}", name="local-admin")
        alerting.run()
    finally:
        alerting.lab.clear_faults()
        alerting.lab.ask("PATCH", f"/containers/v1/regions/fr-par/containers/{container}", {"max_scale": 1})
    told = "\n".join(alerting.slack.texts)
    assert "local: app is in error" in told
    assert "cannot pull [MONGO_URL]" in told
    assert "local: admin restarts in a loop" in told
    count = len(alerting.slack.messages)
    alerting.run()
    assert len(alerting.slack.messages) == count


def test_a_service_that_expects_good_runs_is_asked_after_each(alerting: Alerting) -> None:
    with FakeServer() as service, alerting.heartbeat_at(f"{service.url}/beat"):
        service.expect_request("/beat").respond_with_data("ok")
        alerting.run()
        assert service.requests == [("GET", "/beat")]
        alerting.crash("a crash that is not reported")
        alerting.slack.status = 500
        alerting.run(status=1)
        assert service.requests == [("GET", "/beat")]
        alerting.slack.status = 200
        alerting.run()
        assert service.requests == [("GET", "/beat")] * 2
    with alerting.heartbeat_at("http://127.0.0.1:9/beat"):
        assert "heartbeat" in {line.get("event") for line in alerting.run()}


def test_a_heartbeat_that_is_missing_is_noticed(alerting: Alerting) -> None:
    alerting.run()
    well = alerting.lab.project.snu("alerts", "local", "--json")
    assert well.returncode == ExitCode.OK, well.stdout + well.stderr
    (watch,) = json.loads(well.stdout)["stacks"]
    assert (watch["silent"], watch["waiting"], watch["lastError"]) == (False, 0, "")
    heartbeat = alerting.state()["heartbeat"]
    alerting.change_state(heartbeat={**heartbeat, "lastGoodRun": heartbeat["lastGoodRun"] - 16 * 60_000})
    silent = alerting.lab.project.snu("alerts", "local")
    assert silent.returncode == ExitCode.ALERTS_SILENT
    assert "16 minutes ago" in silent.stdout
    alerting.change_state(cursor=str(time.time_ns() + DAY), heartbeat=heartbeat)
    future = alerting.lab.project.snu("alerts", "local")
    assert future.returncode == ExitCode.ALERTS_SILENT
    assert "in the future: check the clocks" in future.stdout
    alerting.run()
    assert any("logs were missed" in text for text in alerting.slack.texts)
    assert alerting.lab.project.snu("alerts", "local").returncode == ExitCode.OK


def test_logs_that_cannot_be_read_are_read_later(alerting: Alerting) -> None:
    alerting.slack.status = 503
    alerting.crash("before")
    alerting.run(status=1)
    alerting.slack.status = 200
    alerting.crash()
    token = alerting.access["logsToken"]
    (alerting.folder / "wrong.json").write_text(json.dumps({**alerting.access, "logsToken": "fake"}))
    failed = alerting.run(status=1, ACCESS_FILE=str(alerting.folder / "wrong.json"))
    assert "Cannot read the logs from Cockpit: 401" in failed[-1]["message"]
    assert token not in json.dumps(failed)
    (waited,) = alerting.slack.texts
    assert "crashed: before" in waited
    alerting.run()
    assert len(alerting.slack.messages) == 2


def test_a_document_without_a_webhook_is_told_by_the_deploy(alerting: Alerting) -> None:
    """Also where the document lost it later: the run says so."""
    alerting.lab.project.edit("local", "webhook: SLACK_WEBHOOK_URL", "webhook: NOT_THERE")
    try:
        run = alerting.lab.up("local", "--skip-preview")
    finally:
        alerting.lab.project.edit("local", "webhook: NOT_THERE", "webhook: SLACK_WEBHOOK_URL")
    assert run.returncode != 0
    assert "NOT_THERE: missing (used by snu:crashAlerts as webhook)" in run.stdout + run.stderr
    said = alerting.run(status=78, WEBHOOK_KEY="NOT_THERE")
    assert "lacks the key NOT_THERE" in said[-1]["message"]
