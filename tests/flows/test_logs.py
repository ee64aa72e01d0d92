"""Logs and jobs of an environment, with the keys that its foundation provides."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from infra import naming
from ops.exit_codes import ExitCode
from tests.lab.keys import OWNER, Key, make_key, use
from tests.lab.lab import Lab
from tests.support.environment import clean_environment

pytestmark = pytest.mark.xdist_group("logs")

RUN = re.compile(r"Started run (\S+) of crash-alerts\.")
JOB_RUNS = "/serverless-jobs/v1alpha2/regions/fr-par/job-runs"


@pytest.fixture(scope="module")
def lab(complete: tuple[Lab, Path]) -> Lab:
    made, saved = complete
    made.begin(saved)
    return made


def add(lab: Lab, *texts: str, **more: Any) -> None:
    container = lab.find("containers.container", "local-api")["id"]
    lines = [{"text": text, "instance": "1-1-1", "stream": "stdout", **more} for text in texts]
    lab.ask("POST", f"/_local/containers/{container}/logs", {"lines": lines})


@contextmanager
def running(lab: Lab, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """The command as long as the block lasts, and its output."""
    command = [sys.executable, "-m", "ops", *arguments, "-C", str(lab.project.directory)]
    with subprocess.Popen(
        command, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


@contextmanager
def using(lab: Lab, key: Key) -> Iterator[None]:
    use(lab, "local", key)
    try:
        yield
    finally:
        use(lab, "local", OWNER)


def nobody(lab: Lab) -> Key:
    """A key of an application without a policy."""
    application = lab.ask("POST", "/iam/v1alpha1/applications", {"name": "nobody"})
    made = lab.ask("POST", "/iam/v1alpha1/api-keys", {"application_id": application["id"]})
    return Key(made["access_key"], made["secret_key"])


def stranger(lab: Lab) -> Key:
    """A key that may do everything in another project."""
    project = lab.ask("POST", "/account/v3/projects", {"name": "another"})
    application = lab.ask("POST", "/iam/v1alpha1/applications", {"name": "stranger"})
    sets = ["SecretManagerFullAccess", "ContainersFullAccess", "ServerlessJobsFullAccess"]
    rules = [{"permission_set_names": sets, "project_ids": [project["id"]]}]
    policy = {"name": "stranger", "application_id": application["id"], "rules": rules}
    lab.ask("POST", "/iam/v1alpha1/policies", policy)
    made = lab.ask("POST", "/iam/v1alpha1/api-keys", {"application_id": application["id"]})
    return Key(made["access_key"], made["secret_key"])


def test_a_key_that_only_reads_logs_reads_them_and_nothing_else(lab: Lab) -> None:
    add(lab, "GET / 200", "GET /broken 500", 'a "quoted" line')
    with using(lab, make_key(lab, naming.logs_application("local"))):
        ended = lab.project.snu("logs", "api", "--grep", "^GET .*500$", "--json")
        assert ended.returncode == ExitCode.OK, ended.stderr
        line = json.loads(ended.stdout)
        assert (line["message"], line["instance"], line["stream"]) == ("GET /broken 500", "1-1-1", "stdout")
        assert lab.project.snu("logs", "api", "--grep", '"quoted"').stdout.endswith('1-1-1 stdout a "quoted" line\n')
        refused = lab.project.snu("job", "run", "crash-alerts")
        assert refused.returncode == ExitCode.FAILED
        assert "403" in refused.stderr
        assert lab.up("local", "--skip-preview").returncode != ExitCode.OK


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (lambda _lab: Key("SCWXXXXXXXXXXXXXXXXX", "00000000-0000-4000-8000-000000000000"), "is not valid (401)"),
        (nobody, "is not allowed to read the secret snu-local-logs (403)"),
        (stranger, "snu-local-logs, which does not exist or is not visible to the current API key"),
    ],
    ids=["wrong", "without a policy", "of another project"],
)
def test_other_keys_are_refused_with_a_remedy(lab: Lab, key: Any, message: str) -> None:
    with using(lab, key(lab)):
        ended = lab.project.snu("logs", "api")
    assert ended.returncode == ExitCode.ENVIRONMENT
    assert message in ended.stderr
    assert "set SCW_ACCESS_KEY and SCW_SECRET_KEY to a key of snu-logs-local" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_address_and_token_can_be_given(lab: Lab) -> None:
    secret = lab.find("secret_manager.secret", "snu-local-logs")
    content = json.loads(lab.read_secret(secret["id"]))
    add(lab, "it is read")
    given = {"SNU_LOGS_URL": content["logsUrl"], "SNU_LOGS_TOKEN": content["logsToken"]}
    assert lab.project.snu("logs", "api", "--lines", "1", **given).stdout.endswith("it is read\n")
    half = lab.project.snu("logs", "api", SNU_LOGS_URL=content["logsUrl"])
    assert half.returncode == ExitCode.ENVIRONMENT
    assert "SNU_LOGS_TOKEN is not set" in half.stderr
    wrong = lab.project.snu("logs", "api", **{**given, "SNU_LOGS_TOKEN": "hush-hush"})
    assert wrong.returncode == ExitCode.ENVIRONMENT
    assert "the token in SNU_LOGS_TOKEN is not valid (401)" in wrong.stderr
    assert "hush" not in wrong.stderr


def test_an_invalid_pattern_and_an_unknown_app(lab: Lab) -> None:
    ended = lab.project.snu("logs", "api", "--grep", "a(")
    assert ended.returncode == ExitCode.USAGE
    assert "--grep a(: " in ended.stderr
    ended = lab.project.snu("logs", "apy")
    assert ended.returncode == ExitCode.USAGE
    assert "no app or job apy. Apps: api, tasks" in ended.stderr


def test_ctrl_c_ends_following(lab: Lab) -> None:
    with running(lab, "logs", "api", "--follow", "--lines", "1") as (process, output):
        add(lab, "before")
        output.readline()
        add(lab, "after")
        while not (line := output.readline()).endswith("after\n"):
            assert line
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == ExitCode.CANCELLED
    assert errors == "Interrupted.\n"


def test_a_deleted_token_is_replaced_by_the_foundation(lab: Lab) -> None:
    (token,) = [each for each in lab.resources("cockpit.token") if each["name"].endswith("logs-reader")]
    lab.ask("DELETE", f"/cockpit/v1/regions/fr-par/tokens/{token['id']}")
    ended = lab.project.snu("logs", "api")
    assert ended.returncode == ExitCode.ENVIRONMENT
    assert "the token in the secret snu-local-logs is not valid (401)" in ended.stderr
    assert "scripts/snu up foundation-local" in ended.stderr
    lab.up_ok("foundation-local")
    assert lab.project.snu("logs", "api").returncode == ExitCode.OK


# --- jobs -------------------------------------------------------------------------------------------------


@pytest.fixture
def endless(lab: Lab) -> Iterator[None]:
    """Runs take an hour."""
    lab.ask("POST", "/_local/transitions", {"seconds": 3_600})
    yield
    lab.ask("POST", "/_local/transitions", {"seconds": 0})


def test_a_job_runs_with_arguments_and_variables(lab: Lab) -> None:
    ended = lab.project.snu(
        "job",
        "run",
        "crash-alerts",
        "--wait",
        "--arg",
        "up",
        "--arg=--dry",
        "--env",
        "A=b=c",
        "--env",
        "FROM",
        FROM="it",
    )
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert "crash-alerts succeeded after 0.0s." in ended.stdout
    started = RUN.search(ended.stdout)
    assert started
    run = lab.ask("GET", f"{JOB_RUNS}/{started[1]}")
    assert run["args"] == ["up", "--dry"]
    assert {"A": "b=c", "FROM": "it"}.items() <= run["environment_variables"].items()
    listed = json.loads(lab.project.snu("job", "runs", "crash-alerts", "--json").stdout)["runs"]
    assert (listed[0]["id"], listed[0]["state"], listed[0]["exitCode"]) == (started[1], "succeeded", 0)
    (job,) = json.loads(lab.project.snu("job", "list", "--json").stdout)["jobs"]
    assert (job["job"], job["name"], job["lastRun"]["id"]) == ("crash-alerts", "local-crash-alerts", started[1])


@pytest.mark.usefixtures("endless")
def test_the_run_goes_on_after_ctrl_c_and_is_stopped_by_another_command(lab: Lab) -> None:
    with running(lab, "job", "run", "crash-alerts", "--wait") as (process, output):
        started = RUN.match(output.readline())
        assert started
        run = started[1]
        lab.ask("POST", f"/_local/job-runs/{run}/logs", {"lines": [{"text": "it works"}]})
        assert output.readline().endswith(f"{run} stderr it works\n")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == ExitCode.CANCELLED
    command = f"scripts/snu logs crash-alerts --stack local --instance {run[:8]}"
    assert f"The run continues. To follow its log: {command}" in errors
    stop = re.search(r"scripts/snu (job stop .*)", errors)
    assert stop
    assert lab.ask("GET", f"{JOB_RUNS}/{run}")["state"] == "queued"
    assert "it works" in lab.project.snu("logs", "crash-alerts", "--instance", run[:8]).stdout
    stopped = lab.project.snu(*stop[1].split())
    assert stopped.returncode == ExitCode.OK, stopped.stderr
    assert lab.ask("GET", f"{JOB_RUNS}/{run}")["state"] == "interrupted"


@pytest.mark.usefixtures("endless")
def test_the_exit_code_of_waiting(lab: Lab) -> None:
    late = lab.project.snu("job", "run", "crash-alerts", "--wait", "--timeout", "1s")
    assert late.returncode == ExitCode.JOB_UNFINISHED
    assert "error: crash-alerts has not finished after 1s. The run continues." in late.stderr
    with running(lab, "job", "run", "crash-alerts", "--wait") as (process, output):
        started = RUN.match(output.readline())
        assert started
        time.sleep(1)
        lab.project.snu("job", "stop", "crash-alerts", started[1])
        _, errors = process.communicate(timeout=30)
    assert process.returncode == ExitCode.FAILED
    assert f"Run {started[1]} of crash-alerts was interrupted: cancellation." in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nope"), "has no job nope. Jobs: crash-alerts."),
        (("run", "crash-alerts", "--env", "SURELY_NOT_SET"), "SURELY_NOT_SET: the variable is not set in this shell"),
        (("run", "crash-alerts", "--env", "=x"), "the variable has no name"),
        (("run", "crash-alerts", "--timeout", "5m"), "--timeout requires --wait. Nothing was started."),
        (
            ("stop", "crash-alerts", "zzz"),
            "has no runs whose ids start with zzz; expected exactly one. Nothing was stopped.",
        ),
        (("stop", "crash-alerts", ""), "The run id is empty. Nothing was stopped."),
        (("list", "--stack", "foundation-local"), "is a foundation, which has no apps or jobs"),
    ],
)
def test_bad_input(lab: Lab, arguments: tuple[str, ...], message: str) -> None:
    ended = lab.project.snu("job", *arguments)
    assert ended.returncode == ExitCode.USAGE
    assert message in ended.stderr
