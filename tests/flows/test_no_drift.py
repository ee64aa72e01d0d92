"""What this project does by itself is never taken for drift: a look after each of its flows finds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from infra import naming
from ops.exit_codes import ExitCode
from pulumi_state.store import bucket
from tests.lab.drifting import check_clean, findings, look
from tests.lab.interruption import Hold, Victim
from tests.lab.lab import Lab
from tests.lab.planning import PlanLab
from tests.lab.previews import APPS, PreviewLab
from tests.lab.promotion import Stages
from tests.support.github import FakeGitHub, Pull
from tests.support.stack_yaml import stack_yaml

FOUNDATION, STACK = "foundation-local", "local"
_REGION = "fr-par"
_CONTAINERS = "/containers/v1/regions/fr-par/containers"
_JOBS = "/serverless-jobs/v1alpha2/regions/fr-par/job-definitions"


def ok(lab: Lab, *words: str, **environment: str) -> None:
    run = lab.project.snu(*words, **environment)
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr


# --- a stack and its foundation ---------------------------------------------------------------------------


def nothing(_lab: Lab) -> None:
    """The foundation alone."""


def ups(lab: Lab) -> None:
    lab.up_ok(STACK)
    lab.up_ok(STACK, "--refresh")
    lab.up_ok(FOUNDATION)


def refreshed(lab: Lab) -> None:
    lab.up_ok(STACK)
    for stack in (FOUNDATION, STACK):
        ok(lab, "refresh", stack, "--yes")


def a_changed_file_that_was_applied(lab: Lab) -> None:
    lab.up_ok(STACK)
    _change(lab)
    lab.up_ok(STACK)


def a_changed_file_that_was_not_applied(lab: Lab) -> None:
    """It is what the program would do, and no drift."""
    lab.up_ok(STACK)
    _change(lab)


def _change(lab: Lab) -> None:
    lab.project.change(STACK, lambda config: config["snu:apps"]["api"].update(memory=1024))


def container_in_error_and_well_again(lab: Lab) -> None:
    lab.up_ok(STACK)
    container = lab.resources("containers.container")[0]["id"]
    for status, kinds in (("error", ["failed"]), ("ready", [])):
        body = {"kind": "containers.container", "id": container, "status": status, "error_message": "port 8080"}
        lab.ask("POST", "/_local/status", body)
        assert [kind for kind, _ in findings(look(lab, STACK)[STACK])] == kinds


def redeployed_by_hand(lab: Lab) -> None:
    lab.up_ok(STACK)
    lab.ask("POST", f"{_CONTAINERS}/{lab.resources('containers.container')[0]['id']}/redeploy", {})


def restarted(lab: Lab) -> None:
    lab.up_ok(STACK)
    lab.project.stop_cloud()
    lab.project.start_cloud()


def people_write_the_secret_document(lab: Lab) -> None:
    lab.up_ok(STACK)
    (secret,) = [
        each
        for each in lab.resources("secret_manager.secret")
        if each["name"] == "snu-local" and each["project_id"] != lab.resources("account.project")[0]["organization_id"]
    ]
    lab.write_secret(secret["id"], b"{}")


def a_job_that_somebody_starts(lab: Lab) -> None:
    lab.up_ok(STACK)
    for job in lab.resources("serverless_jobs.definition"):
        lab.ask("POST", f"{_JOBS}/{job['id']}/start", {})


def backups(lab: Lab) -> None:
    lab.up_ok(STACK)
    ok(lab, "state", "backup", STACK)


def killed_and_recovered(lab: Lab) -> None:
    hold = Hold.after(4, lab, method="POST")
    victim = Victim.start(lab, "up", STACK, "--yes", "--skip-preview", "--engine", "embedded")
    hold.await_request(victim)
    victim.kill()
    lab.clear_faults()
    ok(lab, "recover", STACK, "--yes")
    lab.up_ok(STACK)


def an_answer_that_was_lost(lab: Lab) -> None:
    match = {"method": "POST", "resource": "container", "name": "local-admin"}
    lab.fault("dropped_connection", when="after", match=match, times=1)
    assert lab.up(STACK, "--skip-preview").returncode == ExitCode.FAILED
    ok(lab, "recover", STACK, "--yes")
    lab.up_ok(STACK)


def a_failed_up(lab: Lab) -> None:
    """What it made is in the state, and what it did not make is nowhere."""
    lab.fault("quota_reached", match={"method": "POST", "resource": "domain"})
    assert lab.up(STACK, "--skip-preview").returncode == ExitCode.FAILED
    lab.clear_faults()


def destroyed(lab: Lab) -> None:
    lab.up_ok(STACK)
    ok(lab, "destroy", STACK, "--yes")


FLOWS: list[Callable[[Lab], None]] = [
    nothing,
    ups,
    refreshed,
    a_changed_file_that_was_applied,
    a_changed_file_that_was_not_applied,
    container_in_error_and_well_again,
    redeployed_by_hand,
    restarted,
    people_write_the_secret_document,
    a_job_that_somebody_starts,
    backups,
    killed_and_recovered,
    an_answer_that_was_lost,
    a_failed_up,
    destroyed,
]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_after_a_flow_of_a_stack(lab: Lab, flow: Callable[[Lab], None]) -> None:
    flow(lab)
    check_clean(lab, FOUNDATION, *([] if flow is nothing else [STACK]))


def test_after_a_destruction_of_everything(lab: Lab) -> None:
    lab.up_ok(STACK)
    for stack in (STACK, FOUNDATION):
        ok(lab, "destroy", stack, "--yes")
    check_clean(lab, STACK, FOUNDATION)


def test_after_plan_and_apply(tmp_path: Path) -> None:
    with PlanLab.prepared(tmp_path, "embedded") as lab:
        lab.begin()
        check_clean(lab.lab, STACK, FOUNDATION)  # planned, and not applied
        assert lab.apply().returncode == ExitCode.OK
        check_clean(lab.lab, STACK, FOUNDATION)


# --- more stacks ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def previews(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreviewLab]:
    with Lab.running(tmp_path_factory.mktemp("previews") / "project") as lab, FakeGitHub() as hub:
        made = PreviewLab(lab)
        made.prepare()
        made.hub = hub
        yield made


def test_after_preview_environments_come_and_go(previews: PreviewLab) -> None:
    assert previews.hub is not None
    check_clean(previews.lab, FOUNDATION, STACK)
    previews.hub.pulls[8] = Pull("f8")
    for number in ("7", "8"):
        previews.snu("env", "up", "--pr", number)
    check_clean(previews.lab, FOUNDATION, STACK, "pr-7", "pr-8")
    for name in ("pr-7", "pr-8"):  # on another machine, which has not brought them up
        (previews.folder / f"Pulumi.{name}.yaml").unlink()
    check_clean(previews.lab, FOUNDATION, STACK)
    previews.change(APPS[0])
    previews.snu("env", "up", "--pr", "7")
    check_clean(previews.lab, FOUNDATION, STACK, "pr-7")
    previews.snu("env", "down", "--pr", "7")
    check_clean(previews.lab, FOUNDATION, STACK)
    previews.hub.pulls[8].is_open = False
    previews.snu("env", "sweep", "--yes")
    check_clean(previews.lab, FOUNDATION, STACK)


def test_after_promotions_and_a_way_back(tmp_path: Path) -> None:
    stages = Stages(tmp_path)
    everything = (FOUNDATION, "ci", "stage", "production")
    try:
        stages.prepare()
        stages.begin()
        stages.release("stage", "ci")
        stages.release("production", "stage")
        check_clean(stages.lab, *everything)
        stages.change("api", "Mend the api")
        stages.deploy_ci()
        check_clean(stages.lab, *everything)
        stages.release("stage", "ci")
        check_clean(stages.lab, *everything)
        stages.ok("rollback", "stage", "--commit")
        check_clean(stages.lab, *everything)
        stages.deploy("stage")
        stages.ok("images", "clean", "--all", "--older-than", "0", "--yes")
        check_clean(stages.lab, *everything)
    finally:
        stages.lab.project.stop_cloud()


@pytest.fixture
def in_buckets(tmp_path: Path) -> Iterator[Lab]:
    """Before the bootstrap of a foundation that keeps states in buckets."""
    lab = Lab.at(tmp_path / "project")
    environments = {STACK: {"database": {"kind": "bucket"}, "secret": {"initial": {"secret": "snu-local"}}}}
    for stack, changes in (
        (FOUNDATION, {"snu:state": {"backend": "bucket"}, "snu:environments": environments}),
        (STACK, {"snu:state": {"backend": "foundation"}}),
    ):
        path = lab.project.stack_file(stack)
        document = yaml.safe_load(path.read_text())
        del document["encryptionsalt"]
        document["config"] |= changes
        path.write_text(stack_yaml(document))
    lab.project.start_cloud()
    yield lab
    lab.project.stop_cloud()


def test_after_a_bootstrap_with_states_in_buckets(in_buckets: Lab) -> None:
    for _ in range(2):
        ok(in_buckets, "bootstrap", FOUNDATION, "--yes")
        check_clean(in_buckets, FOUNDATION)
    in_buckets.up_ok(STACK)
    _make_bucket(in_buckets, naming.alerts_bucket("local", "local"))  # the crash alerts' job does
    check_clean(in_buckets, FOUNDATION, STACK)
    _make_bucket(in_buckets, "made-by-hand")
    assert findings(look(in_buckets, FOUNDATION)[FOUNDATION]) == [("orphan", "made-by-hand")]


def _make_bucket(lab: Lab, name: str) -> None:
    client = bucket.client(lab.ask("GET", "/_local/object-storage")["url"], _REGION, "SCWFAKE", "fake")
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": _REGION})  # type: ignore[typeddict-item]  # not a region of AWS
    client.close()
