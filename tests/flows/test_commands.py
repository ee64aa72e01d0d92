"""Release and seed commands: jobs that run before containers change, started with a key of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra import naming
from ops.exit_codes import ExitCode
from tests.lab.keys import deploy_key, use
from tests.lab.lab import Lab
from tests.support.environment import clean_environment

JOB_RUNS = "/serverless-jobs/v1alpha2/regions/fr-par/job-runs"
RELEASE = {"command": ["npm", "run", "migrate"], "documentVariables": ["MONGO_URL"]}
_PATIENCE_SECONDS = 60.0


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """The stack local has two apps that run the image api, and does not exist yet."""
    lab.project.change("local", _only_two_apps)
    return lab


def _only_two_apps(config: dict[str, Any]) -> None:
    apps = config["snu:apps"]
    config["snu:apps"] = {"api": {**apps["api"], "variables": {}, "release": RELEASE}, "tasks": apps["tasks"]}
    del config["snu:crashAlerts"]


def enable(lab: Lab) -> None:
    """Let the foundation provide the key."""
    lab.project.change("foundation-local", lambda each: each["snu:environments"]["local"].update(releaseCommands=True))
    lab.up_ok("foundation-local")
    use(lab, "local", deploy_key(lab, "local"))


def version(lab: Lab, letter: str) -> str:
    """Let the stack run another version of the image; returns its digest."""
    digest = f"sha256:{letter * 64}"
    lab.project.change("local", lambda config: config["snu:images"]["api"].update(version=letter, digest=digest))
    return digest


def runs(lab: Lab) -> list[dict[str, Any]]:
    """The runs of commands, newest first."""
    found: list[dict[str, Any]] = lab.ask("GET", f"{JOB_RUNS}?order_by=created_at_desc")["job_runs"]
    return found


def served(lab: Lab) -> set[str]:
    """The digests of the images that containers run."""
    return {each["image"].rpartition("@")[2] for each in lab.resources("containers.container")}


def transitions(lab: Lab, seconds: float) -> None:
    lab.ask("POST", "/_local/transitions", {"seconds": seconds})


@contextmanager
def updating(lab: Lab, engine: str, seconds: float = 3_600) -> Iterator[subprocess.Popen[str]]:
    """An update in the background, in which the release command is queued for a time and then runs as long."""
    before = len(runs(lab))
    transitions(lab, seconds)
    command = [sys.executable, "-m", "ops", "up", "local", "--engine", engine, "--yes", "--skip-preview"]
    with subprocess.Popen(
        [*command, "-C", str(lab.project.directory)],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _until(lambda: len(runs(lab)) > before)
            yield process
        finally:
            transitions(lab, 0)
            process.kill()


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def stop(lab: Lab) -> None:
    lab.ask("POST", f"{JOB_RUNS}/{runs(lab)[0]['id']}/stop")
    transitions(lab, 0)


def test_a_preview_says_what_the_foundation_lacks(lab: Lab) -> None:
    lacking = lab.project.snu("preview", "local", "--engine", "embedded")
    assert lacking.returncode == ExitCode.FAILED
    assert "set snu:environments.local.releaseCommands to true in Pulumi.foundation-local.yaml" in lacking.stdout
    assert "run `scripts/snu up foundation-local` and `scripts/snu keys store foundation-local`" in lacking.stdout
    lab.project.change("foundation-local", lambda each: each["snu:environments"]["local"].update(releaseCommands=True))
    foundation = lab.up("foundation-local", "--skip-preview")
    assert foundation.returncode == ExitCode.OK, foundation.stderr
    assert "missing or outdated: snu-local-release. Run `scripts/snu keys store" in foundation.stderr
    lacking = lab.project.snu("preview", "local", "--engine", "embedded")
    assert "the secret snu-local-release has no version" in lacking.stdout
    assert "run `scripts/snu keys store foundation-local`" in lacking.stdout


def test_a_release_command_runs_once_for_each_version(lab: Lab, engine: str) -> None:
    enable(lab)
    first = lab.project.config("local")["snu:images"]["api"]["digest"]
    up = lab.project.snu("up", "local", "--engine", engine, "--yes")
    assert up.returncode == ExitCode.OK, up.stdout + up.stderr
    previewed, _, updated = up.stdout.partition("Updating local")
    assert "would run the release command of api: npm run migrate" in previewed
    assert "the release command of api has succeeded" in updated
    (run,) = runs(lab)
    assert run["environment_variables"]["SNU_RELEASE"] == first
    assert run["environment_variables"]["MONGO_URL"]
    assert "SECRET" not in run["environment_variables"]
    assert run["startup_command"] == RELEASE["command"]
    listed = lab.project.snu("job", "runs", "api-release")
    assert run["id"][:8] in listed.stdout, listed.stderr
    (key,) = [each for each in lab.resources("iam.api_key") if _stored(lab)["accessKey"] == each["access_key"]]
    application = lab.find("iam.application", naming.release_application("local"))
    assert key["application_id"] == application["id"]
    for path in lab.project.directory.rglob("*"):
        if path.is_file() and "scaleway" not in path.parts and ".venv" not in path.parts:
            assert _stored(lab)["secretKey"].encode() not in path.read_bytes(), path

    # A change of anything else does not run it.
    lab.project.change("local", lambda config: config["snu:apps"]["api"].update(memory=4096))
    lab.up_ok("local", "--engine", engine)
    assert len(runs(lab)) == 1

    # A failure: nothing that runs the image changes, and the next update runs the command again.
    second = version(lab, "b")
    with updating(lab, engine) as process:
        stop(lab)
        output, errors = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode != ExitCode.OK
    assert "the release command of api was interrupted: cancellation" in output + errors
    assert f"scripts/snu logs api-release --stack local --instance {runs(lab)[0]['id'][:8]}" in output + errors
    assert served(lab) == {first}
    assert len(runs(lab)) == 2
    lab.up_ok("local", "--engine", engine)
    assert served(lab) == {second}
    assert len(runs(lab)) == 3

    # Back to a version whose command has succeeded.
    lab.project.change("local", lambda config: config["snu:images"]["api"].update(version="a", digest=first))
    again = lab.up_ok("local", "--engine", engine)
    assert "the release command of api has already succeeded" in again.stdout
    assert len(runs(lab)) == 3
    assert served(lab) == {first}


def _stored(lab: Lab) -> dict[str, str]:
    stored: dict[str, str] = json.loads(lab.read_secret(lab.find("secret_manager.secret", "snu-local-release")["id"]))
    return stored


def test_a_run_goes_on_after_a_cancelled_update_and_the_next_one_waits_for_it(lab: Lab, engine: str) -> None:
    enable(lab)
    lab.up_ok("local", "--engine", engine)
    second = version(lab, "b")
    with updating(lab, engine, seconds=10) as process:
        process.send_signal(signal.SIGINT)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=_PATIENCE_SECONDS)
        print(output, errors)
        assert process.returncode != ExitCode.OK
        assert runs(lab)[0]["state"] in ("queued", "running")
    assert second not in served(lab)
    lab.project.snu("unlock", "local", "--yes")
    up = lab.up_ok("local", "--engine", engine)
    assert f"waiting for the release command of api (run {runs(lab)[0]['id']})" in up.stdout
    assert len(runs(lab)) == 2
    assert served(lab) == {second}
