"""Rotations on the local Scaleway: what used the former key, login or passphrase works with the new one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from infra import naming
from ops.exit_codes import ExitCode
from tests.flows.test_bootstrap import (
    ENVIRONMENT,
    FOUNDATION,
    bootstrap_ok,
    documents,
    kept_in_buckets,
    keys_of,
    lab,
    settings,
    snu,
)
from tests.lab.interruption import Hold, Victim
from tests.lab.keys import Key, use
from tests.lab.lab import Lab
from tests.support.github import TOKEN, FakeGitHub
from tests.support.pulumi_cli import needs_pulumi

__all__ = ["lab"]

ENGINE = ("--engine", "embedded")
DEPLOY = naming.deploy_application("local")


def ready(lab: Lab) -> None:
    kept_in_buckets(lab)
    bootstrap_ok(lab)
    up = snu(lab, "up", ENVIRONMENT, *ENGINE, "--yes", "--skip-preview")
    assert up.returncode == ExitCode.OK, up.stdout + up.stderr


def check_unchanged(lab: Lab, *engine: str) -> None:
    run = snu(lab, "preview", ENVIRONMENT, *(engine or ENGINE), "--expect-no-changes")
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr


def passphrases(lab: Lab) -> dict[str, Any]:
    return {name: each["passphrase"] for name, each in documents(lab).items() if name.startswith("snu-local-state")}


def test_keys_logins_and_expiry(lab: Lab, tmp_path: Path) -> None:
    ready(lab)
    _rotate_state(lab)
    expires = (datetime.now(UTC) + timedelta(days=10)).date().isoformat()
    settings(lab, FOUNDATION, apiKeysExpireOn=expires)
    _rotate_deploy_key(lab, tmp_path / "keys", expires)


def _rotate_state(lab: Lab) -> None:
    before = documents(lab)
    rotated = snu(lab, "rotate", "state", ENVIRONMENT, "--yes")
    assert rotated.returncode == ExitCode.OK, rotated.stdout + rotated.stderr
    after = documents(lab)
    for name in ("snu-local-state", "snu-local-state-reader"):
        assert after[name]["accessKey"] != before[name]["accessKey"]
        assert after[name]["passphrase"] == before[name]["passphrase"]
    check_unchanged(lab)


def _rotate_deploy_key(lab: Lab, folder: Path, expires: str) -> None:
    lab.ask("POST", "/iam/v1alpha1/api-keys", {"application_id": lab.find("iam.application", DEPLOY)["id"]})
    (former,) = keys_of(lab, DEPLOY)
    with FakeGitHub() as hub:
        hub.environments = {"local": set()}
        refused = snu(lab, "rotate", "deploy-key", ENVIRONMENT, "--yes")
        assert refused.returncode == ExitCode.USAGE
        assert "No place to store the new key was specified" in refused.stderr
        github = {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": hub.url, "GITHUB_REPOSITORY": "octo/snu"}
        rotated = snu(lab, "rotate", "deploy-key", ENVIRONMENT, "--out", str(folder), "--yes", **github)
        assert rotated.returncode == ExitCode.OK, rotated.stdout + rotated.stderr
        (current,) = keys_of(lab, DEPLOY)
        assert current != former
        key = Key(hub.secrets["local", "SCW_ACCESS_KEY"], hub.secrets["local", "SCW_SECRET_KEY"])
        assert key.access == current
        assert key.secret == (folder / f"{DEPLOY}.secret-key").read_text().strip()
        assert key.secret not in rotated.stdout + rotated.stderr
    status = snu(lab, "status")
    assert f"the API key {current} of {DEPLOY} expires on {expires}" in status.stdout
    shown = json.loads(snu(lab, "status", "--json").stdout)["environments"]
    (environment,) = [each for each in shown if each["stack"] == ENVIRONMENT]
    assert [each["accessKey"] for each in environment["expiringKeys"]] == [current]
    doctor = snu(lab, "doctor", ENVIRONMENT)
    assert doctor.returncode == ExitCode.NOT_READY
    assert f"expires on {expires}. Fix: scripts/snu rotate deploy-key local --application {DEPLOY}" in doctor.stdout
    use(lab, ENVIRONMENT, key)
    check_unchanged(lab)


def test_a_passphrase_rotation_that_is_killed(lab: Lab) -> None:
    ready(lab)
    former = passphrases(lab)
    # Both documents have the next passphrase and the states are encrypted with it; no document has only the new one.
    hold = Hold(lab, lab.fault("hold", skip=2, match={"method": "POST", "path": "/secret-manager/*/versions"}))
    victim = Victim.start(lab, "rotate", "passphrase", ENVIRONMENT, "--yes")
    hold.await_request(victim)
    victim.kill()
    lab.clear_faults()
    assert passphrases(lab) == former
    refused = snu(lab, "preview", ENVIRONMENT, *ENGINE)
    assert refused.returncode == ExitCode.INTERRUPTED
    assert "continue it: scripts/snu rotate passphrase local" in refused.stderr
    continued = snu(lab, "rotate", "passphrase", ENVIRONMENT, "--yes")
    assert continued.returncode == ExitCode.OK, continued.stdout + continued.stderr
    assert "resuming an interrupted rotation" in continued.stdout
    assert "state of local: is already encrypted with the new passphrase" in continued.stdout
    assert not former.items() & passphrases(lab).items()
    assert len({*passphrases(lab).values()}) == 1
    check_unchanged(lab)
    up = snu(lab, "up", ENVIRONMENT, *ENGINE, "--yes", "--skip-preview")
    assert up.returncode == ExitCode.OK, up.stdout + up.stderr
    again = bootstrap_ok(lab)
    assert "secret snu-local-state: exists" in again.stdout


@needs_pulumi
def test_the_cli_opens_a_state_with_a_new_passphrase(lab: Lab) -> None:
    ready(lab)
    rotated = snu(lab, "rotate", "passphrase", ENVIRONMENT, "--yes")
    assert rotated.returncode == ExitCode.OK, rotated.stdout + rotated.stderr
    check_unchanged(lab, "--engine", "pulumi")
