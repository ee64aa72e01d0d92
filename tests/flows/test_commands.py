"""Release and seed commands: jobs that run before containers change, started with a key of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra import naming
from ops.exit_codes import ExitCode
from ops.logs.recent import FAILED_COMMAND
from tests.lab.keys import deploy_key, make_key, use
from tests.lab.lab import Lab
from tests.lab.release_commands import JOB_RUNS, RELEASE, enable, runs, served
from tests.support.environment import clean_environment

STARTER = naming.release_application("local")
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


def version(lab: Lab, letter: str) -> str:
    """Let the stack run another version of the image; returns its digest."""
    digest = f"sha256:{letter * 64}"
    lab.project.change("local", lambda config: config["snu:images"]["api"].update(version=letter, digest=digest))
    return digest


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


def wrong(lab: Lab, check: str) -> dict[str, str]:
    """What `snu doctor` misses, with the fix."""
    checked = json.loads(lab.project.snu("doctor", "local", "--json").stdout)
    assert not [each for each in checked["unchecked"] if each["check"] == check], checked["unchecked"]
    return {each["requirement"]: each["fix"] for each in checked["missing"] if each["check"] == check}


def _check_alerts(lab: Lab) -> None:
    """Their secret needs a version only if the stack has alerts."""
    secret = lab.find("secret_manager.secret", "snu-local-alerts")["id"]
    disable = f"/secret-manager/v1beta1/regions/fr-par/secrets/{secret}/versions/latest_enabled"
    lab.ask("POST", f"{disable}/disable")
    assert wrong(lab, "stored keys") == {}
    alerts = {"webhook": "PM2_SLACK_URL", "intervalMinutes": 5}
    with lab.project.edited("local", lambda config: config.update({"snu:crashAlerts": alerts})):
        assert [*wrong(lab, "stored keys")] == ["the secret snu-local-alerts has no version"]
    lab.up_ok("foundation-local")


def test_the_key_is_checked_expires_and_is_rotated_as_the_other_stored_keys(lab: Lab, tmp_path: Path) -> None:
    snu = lab.project.snu
    assert wrong(lab, "stored keys") == {}
    _check_alerts(lab)
    lab.project.change("foundation-local", lambda each: each["snu:environments"]["local"].update(releaseCommands=True))
    assert wrong(lab, "permissions") == {f"the application {STARTER} does not exist": "scripts/snu up foundation-local"}
    store = "scripts/snu keys store foundation-local"
    assert wrong(lab, "stored keys") == {"the secret snu-local-release does not exist": store}
    assert lab.up("foundation-local", "--skip-preview").returncode == ExitCode.OK
    assert wrong(lab, "stored keys") == {"the secret snu-local-release has no version": store}
    lab.up_ok("foundation-local")
    assert {**wrong(lab, "stored keys"), **wrong(lab, "permissions")} == {}

    # Another key than the one in the secret, as a run leaves it that is killed in between.
    lab.ask("DELETE", f"/iam/v1alpha1/api-keys/{_stored(lab)['accessKey']}")
    make_key(lab, STARTER)
    assert wrong(lab, "stored keys") == {f"the secret snu-local-release contains no valid API key of {STARTER}": store}
    warned = lab.up("foundation-local", "--skip-preview")
    assert "missing or outdated: snu-local-release. Run `scripts/snu keys store" in warned.stderr
    expires = str(datetime.now(UTC).date() + timedelta(days=10))
    lab.project.change("foundation-local", lambda each: each.update({"snu:apiKeysExpireOn": expires}))
    lab.up_ok("foundation-local")
    key = _stored(lab)
    listed = snu("keys", "list", "foundation-local").stdout
    assert f"{STARTER}: runs release commands of local, key stored in the secret snu-local-release (1 key)" in listed
    expiring = f"the API key {key['accessKey']} of {STARTER} expires on {expires}"
    assert wrong(lab, "expiry of API keys")[expiring] == f"{store} --rotate"
    assert expiring in snu("status").stdout
    for command in (
        ("make", "foundation-local", STARTER, "--out", str(tmp_path / "keys")),
        ("revoke", "foundation-local", key["accessKey"], "--yes"),
    ):
        refused = snu("keys", *command)
        assert refused.returncode == ExitCode.USAGE
        assert f"the key of {STARTER} is managed in the secret snu-local-release" in refused.stderr

    lab.project.change("foundation-local", lambda each: each.pop("snu:apiKeysExpireOn"))
    use(lab, "local", deploy_key(lab, "local"))  # which may not read the alerts' secret
    outdated = {f"the secret snu-local-{name} does not match the settings": store for name in ("alerts", "release")}
    assert wrong(lab, "stored keys") == outdated
    rotated = snu("rotate", "state", "local", "--yes")
    assert rotated.returncode == ExitCode.OK, rotated.stdout + rotated.stderr
    assert wrong(lab, "stored keys") == {}
    assert _stored(lab)["accessKey"] != key["accessKey"]
    assert lab.call("GET", "/account/v3/projects", key=key["secretKey"]).status_code == 401
    assert "the release command of api has succeeded" in lab.up_ok("local").stdout


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
    application = lab.find("iam.application", STARTER)
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
    reported = FAILED_COMMAND.search(output + errors)
    assert reported is not None
    assert reported.groupdict() == {"job": "api-release", "run": runs(lab)[0]["id"][:8]}
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
