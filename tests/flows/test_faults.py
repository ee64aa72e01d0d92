"""What the user of ``up`` meets when the platform has a bad day, fault by fault.

Each time: the text is clear, the state is sound, and the next run completes once the fault is over.
"""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from ops.exit_codes import ExitCode
from tests.lab.checks import check_clear, check_no_duplicates, check_state
from tests.lab.interruption import Victim
from tests.lab.lab import Lab, Run

ADMIN = {"name": "local-admin"}
CREATE_ADMIN = {**ADMIN, "method": "POST", "product": "containers", "resource": "container"}
APPS = 7
_READS = 3
_POLL_SECONDS = 0.05
RESOURCES = 28
"""Those that the command counts, of the stack local."""


def fails(lab: Lab, code: ExitCode, *says: str, preview: bool = False, pending: tuple[str, ...] = ()) -> Run:
    """The run under fault: it fails in clear words and leaves a sound state."""
    run = lab.up("local", *([] if preview else ["--skip-preview"]))
    assert run.returncode == code, run.stdout + run.stderr
    check_clear(run, *says)
    check_state(lab, "local", *pending)
    return run


def recovers(lab: Lab, *says: str) -> None:
    """State and cloud are brought together: nothing is pending any more."""
    lab.clear_faults()
    run = lab.project.snu("recover", "local", "--engine", "embedded", "--yes")
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    check_clear(run, *says)
    check_state(lab, "local")


def completes(lab: Lab) -> Run:
    """The run after the fault: all is there, once, and ready."""
    lab.clear_faults()
    run = lab.up_ok("local")
    check_state(lab, "local")
    containers = lab.resources("containers.container")
    assert [container["status"] for container in containers] == ["ready"] * APPS
    check_no_duplicates(lab)
    return run


def new_digest(lab: Lab, digit: str) -> None:
    """A new image for admin."""
    lab.project.change("local", lambda config: config["snu:images"]["admin"].update(digest=f"sha256:{digit * 64}"))


def test_a_container_in_error_fails_the_run_with_its_message(lab: Lab) -> None:
    """On its creation and on an update. It stays in error until it is deployed again: here with a fixed image."""
    lab.fault("container_error", message="port 8080 is silent", match=ADMIN, times=2)
    says = "Container local-admin is in error: port 8080 is silent"
    fails(lab, ExitCode.CONTAINERS, says, "Not started:\n  create", "create admin-domain")
    new_digest(lab, "1")
    fails(lab, ExitCode.CONTAINERS, says, "updated admin-container")
    assert lab.struck() == [2]
    fails(lab, ExitCode.CONTAINERS, says, "unchanged")
    new_digest(lab, "2")
    completes(lab)


def test_slow_transitions_are_waited_for(lab: Lab) -> None:
    """They last until the test ends them, once the run has asked for each container again and again."""
    lab.fault("slow_transition", seconds=3_600, match={"product": "containers", "resource": "container"})
    victim = Victim.start(lab, "up", "local", "--engine", "embedded", "--yes", "--skip-preview")
    waited_for: set[str] = set()
    while not victim.ended:
        for container in lab.resources("containers.container"):
            if container["status"] == "creating" and _times_read(lab, container["id"]) >= _READS:
                waited_for.add(container["name"])
                ready = {"kind": "containers.container", "id": container["id"], "status": "ready"}
                lab.ask("POST", "/_local/status", ready)
        time.sleep(_POLL_SECONDS)
    run = victim.wait()
    assert run.returncode == ExitCode.OK, run.stdout
    assert len(waited_for) == APPS
    check_clear(run, f"{RESOURCES} created")
    check_state(lab, "local")
    assert "unchanged" in completes(lab).stdout


def _times_read(lab: Lab, container_id: str) -> int:
    """How often the container itself was asked for, as the local Scaleway's log has it."""
    log = (lab.project.directory / ".local/test-scaleway.log").read_text()
    return len(re.findall(rf"GET \S+/containers/{container_id} ", log))


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("transient_state", {"current_state": "locking"}, "is in a transient state: locking"),
    ("quota_reached", {"quota": 12}, "quota exceeded(s): containers_containers has reached its quota (12/12)"),
    ("too_many_requests", {"retry_after": 0.1}, "http error 429 Too Many Requests: too many requests"),
]


@pytest.mark.parametrize(("fault", "parameters", "says"), REFUSALS, ids=[refusal[0] for refusal in REFUSALS])
def test_a_refusal_is_told_and_the_rest_is_kept(lab: Lab, fault: str, parameters: dict[str, Any], says: str) -> None:
    lab.fault(fault, match=CREATE_ADMIN, **parameters)
    fails(lab, ExitCode.FAILED, says, "admin-container", preview=fault == "transient_state")
    made = {container["name"] for container in lab.resources("containers.container")}
    assert "local-admin" not in made
    completes(lab)


def test_server_errors_are_told_after_the_retries(lab: Lab) -> None:
    phrases = {
        500: "500 Internal Server Error: internal error",
        502: "502 Bad Gateway: bad gateway",
        503: "503 Service Unavailable: service unavailable",
        504: "504 Gateway Timeout: gateway timeout",
    }
    for app, status in zip(("admin", "app", "antivirus", "apiv2"), phrases, strict=True):
        lab.fault("server_error", status=status, match={**CREATE_ADMIN, "name": f"local-{app}"})
    fails(lab, ExitCode.FAILED, *phrases.values())
    assert lab.struck() == [4, 4, 4, 4]
    completes(lab)


def test_what_passes_within_the_retries_is_not_noticed(lab: Lab) -> None:
    """One fault each on different containers, and a slower answer to everything."""
    for rule in (
        {"fault": "server_error", "status": 503},
        {"fault": "too_many_requests", "retry_after": 0.2},
        {"fault": "dropped_connection"},
    ):
        lab.fault(**rule, times=1, match={"method": "POST", "resource": "container"})
    lab.fault("latency", milliseconds=50)
    run = lab.up_ok("local")
    assert lab.struck()[:3] == [1, 1, 1]
    check_clear(run, f"{RESOURCES} created")
    assert "unchanged" in completes(lab).stdout


def test_a_connection_that_is_always_dropped(lab: Lab) -> None:
    """Nobody knows what became of the last attempt: the creation stays pending until it is looked up."""
    lab.fault("dropped_connection", match=CREATE_ADMIN)
    says = "no response: the local Scaleway closed the connection (4 attempts)"
    fails(lab, ExitCode.FAILED, "admin-container", says, pending=("admin-container",))
    assert "local-admin" not in {container["name"] for container in lab.resources("containers.container")}
    recovers(lab, "admin-container")
    completes(lab)


def test_an_answer_that_is_lost_after_the_work(lab: Lab) -> None:
    """The client sends its request again and finds the name taken, by what it does not know to be its own.

    It stays pending, and is found again and adopted, not made twice.
    """
    lab.fault("dropped_connection", when="after", match=CREATE_ADMIN, times=1)
    says = ("admin-container", "resource already exists", "an earlier attempt got no response")
    fails(lab, ExitCode.FAILED, *says, pending=("admin-container",))
    stray = lab.find("containers.container", "local-admin")
    assert stray["id"] not in lab.state_file("local").read_text()
    recovers(lab, "admin-container")
    assert stray["id"] in lab.state_file("local").read_text()
    completes(lab)
    assert stray["id"] in {container["id"] for container in lab.resources("containers.container")}


def test_answers_that_are_lost_after_a_change_or_a_deletion_do_no_harm(lab: Lab) -> None:
    lab.up_ok("local")
    lab.project.change("local", lambda config: config["snu:apps"]["antivirus"].update(port=8090))
    for method in ("PATCH", "DELETE"):
        match = {"method": method, "product": "containers", "resource": "container"}
        lab.fault("dropped_connection", when="after", match=match, times=1)
    assert "1 updated" in lab.up_ok("local").stdout
    destroyed = lab.project.snu("destroy", "local", "--engine", "embedded", "--yes")
    assert destroyed.returncode == ExitCode.OK, destroyed.stdout + destroyed.stderr
    assert lab.struck() == [1, 1]
    assert lab.resources("containers.container") == []


def test_a_certificate_that_cannot_be_had_fails_the_run(lab: Lab) -> None:
    """The domain stays in error until it is created again: here by another host name for the app, and back."""
    match = {"name": "admin.local.snu.localhost"}
    lab.fault("certificate_failure", message="no answer to the challenge", match=match, times=1)
    says = "Domain admin.local.snu.localhost is in error: no answer to the challenge"
    fails(lab, ExitCode.CONTAINERS, says)
    lab.project.edit("local", "host: admin.local.snu.localhost", "host: console.local.snu.localhost")
    completes(lab)
