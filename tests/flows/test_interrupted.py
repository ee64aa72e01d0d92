"""kill -9 of a run, or of the local Scaleway under it, and the way back: ``snu recover``, then the same again.

The moments are drawn from seeds and spread over whole runs. The foundation is the bigger half of the resource types;
the environment has the containers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.exit_codes import ExitCode
from tests.lab.checks import check_clear, check_no_duplicates, check_state
from tests.lab.interruption import Hold, Victim, census, check_pending, ids, made, pending
from tests.lab.lab import Lab, Run
from tests.support.pulumi_cli import needs_pulumi

pytestmark = pytest.mark.xdist_group("interrupted")  # one worker makes their lab

SECRETS = ("fake-mongo-url", "fake-sendinbluekey", "10ca1000-0000-4000-8000-00000000cafe")
REQUESTS = {
    ("foundation-local", "up"): 42,
    ("foundation-local", "destroy"): 28,
    ("local", "up"): 56,
    ("local", "destroy"): 27,
}
"""Of an undisturbed run, to the API."""


@dataclass(frozen=True)
class Saved:
    """One lab and what it held: before anything, with the foundation, with the keys it needs, with everything."""

    lab: Lab
    folders: Mapping[str, Path]
    census: Mapping[str, Mapping[str, int]]
    """By the same names: how many resources of each kind the local Scaleway had then."""


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Made once by each worker."""
    folder = tmp_path_factory.mktemp("interrupted")
    lab = Lab.at(folder / "project")
    counts = {}
    lab.project.start_cloud()
    for name, words in (
        ("empty", []),
        ("unstored", arguments("up", "foundation-local")),
        ("founded", ["keys", "store", "foundation-local"]),
        ("complete", arguments("up", "local")),
    ):
        if words:
            run = lab.project.snu(*words)
            assert run.returncode == ExitCode.OK, run.stdout + run.stderr
        counts[name] = census(lab)
        lab.save(folder / name)
        lab.project.start_cloud()
    return Saved(lab, {name: folder / name for name in counts}, counts)


@pytest.fixture
def lab(saved: Saved) -> Iterator[Lab]:
    """Stops the cloud in the end, whatever became of it."""
    yield saved.lab
    saved.lab.project.stop_cloud()


def begin(saved: Saved, stack: str, operation: str, transitions: float = 0.0) -> Lab:
    """The lab as it is before the operation."""
    before = {("foundation-local", "up"): "empty", ("local", "up"): "founded", ("local", "destroy"): "complete"}
    saved.lab.restore(saved.folders[before.get((stack, operation), "founded")])
    saved.lab.project.start_cloud(transitions)
    return saved.lab


def end_state(stack: str, operation: str) -> str:
    after = {("foundation-local", "up"): "unstored", ("local", "up"): "complete", ("local", "destroy"): "founded"}
    return after.get((stack, operation), "empty")


def snu(lab: Lab, *words: str, engine: str = "embedded") -> Run:
    home = str(lab.project.directory / ".pulumi-home")
    return lab.project.snu(*words, "--engine", engine, PULUMI_HOME=home)


def arguments(operation: str, stack: str) -> list[str]:
    return [operation, stack, "--yes", *(["--skip-preview"] if operation == "up" else [])]


def recover(lab: Lab, stack: str, engine: str = "embedded") -> Run:
    """It succeeds, shows no secret, and leaves nothing pending and no lock."""
    run = snu(lab, "recover", stack, "--yes", engine=engine)
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    check_clear(run)
    for secret in SECRETS:
        assert secret not in run.stdout + run.stderr
    if lab.state_file(stack).exists():
        check_state(lab, stack)
    locks = lab.project.directory / ".local/state/.pulumi/locks/organization/snu" / stack
    assert list(locks.glob("*.json")) == []
    return run


def results(lab: Lab, stack: str) -> list[str]:
    """How the runs in the stack's history have ended."""
    records = (lab.project.directory / ".local/state/.pulumi/history/snu" / stack).glob("*.history.json")
    return [json.loads(record.read_text())["result"] for record in records]


def completes(saved: Saved, stack: str, operation: str, engine: str = "embedded") -> None:
    """The operation, done again, ends where an undisturbed one ends."""
    lab = saved.lab
    lab.clear_faults()
    run = snu(lab, *arguments(operation, stack), engine=engine)
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    assert census(lab) == saved.census[end_state(stack, operation)]
    check_no_duplicates(lab)
    if operation == "up":
        check_state(lab, stack)
        assert {each["status"] for each in lab.resources("containers.container")} <= {"ready"}
        again = snu(lab, "preview", stack, "--expect-no-changes", engine=engine)
        assert again.returncode == ExitCode.OK, again.stdout + again.stderr
    else:
        assert ids(lab, stack) == set()


@dataclass(frozen=True)
class Case:
    """What is killed, in which run, and when."""

    seed: int
    stack: str
    operation: str
    victim: str
    """``engine`` or ``cloud``."""
    requests: int
    """How many requests were answered before."""
    when: str
    """Whether those that were under way were carried out (``after``) or not (``before``)."""
    transitions: float
    """How long statuses such as ``creating`` last, in seconds."""

    def __str__(self) -> str:
        slow = "-slow" if self.transitions else ""
        return f"{self.seed}-{self.victim}-{self.operation}-{self.stack}-{self.requests}-{self.when}{slow}"

    @classmethod
    def of(cls, seed: int) -> Case:
        """Kinds take turns; the moment is drawn."""
        draw = random.Random(seed)
        stack, operation = list(REQUESTS)[seed % 4]
        victim = ("engine", "cloud")[seed // 4 % 2]
        requests = draw.randrange(REQUESTS[stack, operation])
        transitions = 0.3 if seed % 3 == 0 else 0.0
        return cls(seed, stack, operation, victim, requests, draw.choice(("before", "after")), transitions)


def interrupt(lab: Lab, case: Case) -> None:
    """Run until the moment has come, and kill."""
    hold = Hold.after(case.requests, lab, when=case.when)
    victim = Victim.start(lab, *arguments(case.operation, case.stack), "--engine", "embedded")
    hold.await_request(victim)
    if case.victim == "engine":
        victim.kill()
        lab.clear_faults()
        return
    lab.project.kill_cloud()
    run = victim.wait()
    check_clear(run)
    assert run.returncode in (ExitCode.FAILED, ExitCode.LOCAL_CLOUD, ExitCode.CONTAINERS), run.stdout
    lab.project.start_cloud(case.transitions)


@pytest.mark.parametrize("case", [Case.of(seed) for seed in range(24)], ids=str)
def test_killed_recovered_and_completed(saved: Saved, lab: Lab, case: Case) -> None:
    begin(saved, case.stack, case.operation, case.transitions)
    known = len(results(lab, case.stack))
    interrupt(lab, case)
    # The last requests are those of the check of containers: the engine has recorded its update by then.
    engine_ended = len(results(lab, case.stack)) > known
    check_pending(lab, case.stack, deleting=case.operation == "destroy")
    if pending(lab, case.stack):
        refused = snu(lab, *arguments(case.operation, case.stack))
        assert refused.returncode == ExitCode.INTERRUPTED, refused.stdout + refused.stderr
        assert f"snu recover {case.stack}" in refused.stderr
    recover(lab, case.stack)
    assert results(lab, case.stack).count("interrupted") == (case.victim == "engine" and not engine_ended)
    if case.operation == "up" and lab.state_file(case.stack).exists():
        strays = {token["id"] for token in made(lab).get("cockpit.token", [])} - ids(lab, "foundation-local")
        assert not strays, "tokens whose secret nobody knows"
    completes(saved, case.stack, case.operation)


# --- single cases ---------------------------------------------------------------------------------------


def test_a_token_that_was_made_and_not_recorded_is_replaced(saved: Saved, lab: Lab) -> None:
    """Its answer, with the secret key, is lost each time; the client asks again, and is killed while it waits."""
    begin(saved, "foundation-local", "up")
    match = {"method": "POST", "resource": "token"}
    lab.fault("dropped_connection", when="after", match=match, times=1)
    hold = Hold(lab, lab.fault("hold", skip=1, match=match))
    victim = Victim.start(lab, *arguments("up", "foundation-local"), "--engine", "embedded")
    hold.await_request(victim)
    victim.kill()
    lab.clear_faults()
    assert ("creating", "observability-logs-reader") in pending(lab, "foundation-local")
    run = recover(lab, "foundation-local")
    assert "its secret key only once; the next up replaces it" in run.stdout
    completes(saved, "foundation-local", "up")


def test_a_container_whose_answer_was_lost_is_adopted(saved: Saved, lab: Lab) -> None:
    """The client asks again and finds the name taken: the creation stays pending, and recover finds what it made."""
    begin(saved, "local", "up")
    match = {"method": "POST", "resource": "container", "name": "local-admin"}
    lab.fault("dropped_connection", when="after", match=match, times=1)
    run = lab.up("local", "--skip-preview")
    assert run.returncode == ExitCode.FAILED, run.stdout + run.stderr
    assert pending(lab, "local") == [("creating", "admin-container")]
    made_once = lab.find("containers.container", "local-admin")
    assert f"it was created as fr-par/{made_once['id']}" in recover(lab, "local").stdout
    completes(saved, "local", "up")
    assert made_once["id"] in ids(lab, "local")


def test_a_live_process_keeps_its_lock(saved: Saved, lab: Lab) -> None:
    begin(saved, "local", "up")
    hold = Hold.after(0, lab, method="POST")
    victim = Victim.start(lab, *arguments("up", "local"), "--engine", "embedded")
    hold.await_request(victim)
    refused = snu(lab, "recover", "local", "--yes")
    assert refused.returncode == ExitCode.LOCKED
    assert f"(pid {victim.pid})" in refused.stderr
    lab.clear_faults()
    assert victim.wait().returncode == ExitCode.OK


def test_nothing_is_done_where_nothing_was_interrupted(saved: Saved, lab: Lab) -> None:
    begin(saved, "local", "destroy")
    before = lab.state_file("local").read_text()
    assert "nothing to recover" in recover(lab, "local").stdout
    assert lab.state_file("local").read_text() == before


@needs_pulumi
@pytest.mark.parametrize(
    ("stack", "operation", "done"), [("foundation-local", "up", 9), ("local", "up", 8), ("local", "destroy", 6)]
)
def test_the_real_cli_killed(saved: Saved, lab: Lab, stack: str, operation: str, done: int) -> None:
    begin(saved, stack, operation)
    hold = Hold.after(done, lab, method="POST" if operation == "up" else "DELETE", when="after")
    home = {"PULUMI_HOME": str(lab.project.directory / ".pulumi-home")}
    victim = Victim.start(lab, *arguments(operation, stack), "--engine", "pulumi", environment=home)
    hold.await_request(victim)
    victim.kill("pulumi")
    lab.clear_faults()
    assert pending(lab, stack)
    # It writes its note in place, so the kill may come just then.
    state = lab.state_file(stack)
    state.with_name(f"{state.name}.attrs").write_bytes(b"")
    recover(lab, stack, "pulumi")
    assert results(lab, stack).count("interrupted") == 1
    completes(saved, stack, operation, "pulumi")
