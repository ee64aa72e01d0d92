"""A setup of the local stacks in buckets, from an empty account."""

from __future__ import annotations

import json
from typing import Any

from ops.exit_codes import ExitCode
from tests.flows.test_bootstrap import ENVIRONMENT, documents, kept_in_buckets, lab, snu
from tests.lab.interruption import Hold, Victim
from tests.lab.lab import Lab

__all__ = ["lab"]


def steps(lab: Lab, *options: str) -> tuple[int, dict[str, Any]]:
    run = snu(lab, "setup", ENVIRONMENT, "--json", *options)
    assert run.stdout.startswith("{"), run.stdout + run.stderr
    return run.returncode, {step["check"]: step for step in json.loads(run.stdout)["steps"]}


def test_an_empty_account_is_set_up(lab: Lab) -> None:
    kept_in_buckets(lab)
    before = lab.journal()
    code, dry = steps(lab)
    assert code == ExitCode.NOT_READY
    assert [each["action"] for each in dry["states"]["actions"]] == ["scripts/snu bootstrap foundation-local"]
    assert [each["method"] for each in lab.journal()[len(before) :] if each["method"] != "GET"] == []
    assert documents(lab) == {}

    hold = Hold.after(3, lab, method="POST")
    victim = Victim.start(lab, "setup", ENVIRONMENT, "--apply", "--yes")
    hold.await_request(victim)
    victim.kill()
    lab.clear_faults()
    recovered = snu(lab, "recover", "foundation-local", "--engine", "embedded", "--yes")
    assert recovered.returncode == ExitCode.OK, recovered.stdout + recovered.stderr
    code, done = steps(lab, "--apply", "--yes")
    assert code == ExitCode.OK, done
    outcomes = {each["action"]: each["outcome"] for each in done["states"]["actions"]}
    assert outcomes == {
        "scripts/snu bootstrap foundation-local": "done",
        "add an encryptionsalt for the passphrase of local to Pulumi.local.yaml": "done",
    }
    assert "snu-local-state" in documents(lab)

    code, again = steps(lab, "--apply", "--yes")
    assert code == ExitCode.OK
    assert [step["actions"] for step in again.values() if step["actions"]] == []
    up = snu(lab, "up", ENVIRONMENT, "--engine", "embedded", "--yes", "--skip-preview")
    assert up.returncode == ExitCode.OK, up.stdout + up.stderr
