"""`snu drift`: manual changes, deletions and creations are found, and nothing is written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.exit_codes import ExitCode
from ops.state.lock import acquire
from pulumi_state.store import open_store
from tests.lab.checks import check_clear
from tests.lab.drifting import check_clean, findings, look
from tests.lab.keys import deploy_key, use, without
from tests.lab.lab import Lab
from tests.support.github import TOKEN, FakeGitHub
from tests.support.workflow import Runner, StepFailed, prepare

pytestmark = pytest.mark.xdist_group("drift")  # one worker makes their lab

FOUNDATION, STACK = "foundation-local", "local"
REGION = "regions/fr-par"
CONTAINERS = f"/containers/v1/{REGION}"
SECRETS = f"/secret-manager/v1beta1/{REGION}/secrets"
RECORDS = "/domain/v2beta1/dns-zones/local.snu.localhost/records"
_BY_HAND = "made-by-hand"
_HIDDEN = ("a-new-mongo-url", "a-new-endpoint", "added-by-hand", "fake-mongo-url", "fake-api-analytics-endpoint")


@pytest.fixture
def lab(complete_lab: Lab) -> Lab:
    return complete_lab


def container(lab: Lab, app: str) -> dict[str, Any]:
    return lab.find("containers.container", f"{STACK}-{app}")


def project_id(lab: Lab) -> str:
    found = lab.find("account.project", "snu-local")["id"]
    return str(found)


def change_the_api(lab: Lab) -> None:
    """Its size, a plain variable, one that is secret in the state, one that nobody knows, a secret one."""
    api = container(lab, "api")
    plain = {"CLE": "false", "API_ANALYTICS_ENDPOINT": "a-new-endpoint", "ADDED": "added-by-hand"}
    body = {
        "memory_limit_bytes": 4_096_000_000,
        "environment_variables": {**api["environment_variables"], **plain},
        "secret_environment_variables": {
            **dict.fromkeys(api["secret_environment_variables"], ""),
            "MONGO_URL": _HIDDEN[0],
        },
    }
    lab.ask("PATCH", f"{CONTAINERS}/containers/{api['id']}", body)


# --- changed and deleted ----------------------------------------------------------------------------------


def test_changes_and_deletions_are_found_and_nothing_is_written(lab: Lab, engine: str, tmp_path: Path) -> None:
    change_the_api(lab)
    gone = container(lab, "tasks")
    lab.ask("DELETE", f"{CONTAINERS}/containers/{gone['id']}")
    home = str(tmp_path)
    found = look(lab, STACK, "--engine", engine, PULUMI_HOME=home)[STACK]
    assert findings(found) == [("changed", "api-container"), ("deleted", "tasks-container")]
    changed, deleted = found["findings"]
    assert deleted == {
        "kind": "deleted",
        "type": "scaleway:containers:Container",
        "name": "tasks-container",
        "id": f"fr-par/{gone['id']}",
        "region": "fr-par",
        "changes": [],
    }
    told = {each["path"]: (each["kind"], each["old"], each["new"]) for each in changed["changes"]}
    assert told == {
        "memoryLimitBytes": ("update", 2_048_000_000, 4_096_000_000),
        "environmentVariables.CLE": ("update", "true", "false"),
        "environmentVariables.ADDED": ("add", None, "[secret]"),
        "environmentVariables.API_ANALYTICS_ENDPOINT": ("update", "[secret]", "[secret]"),
        "secretEnvironmentVariables.MONGO_URL": ("update", "[secret]", "[secret]"),
    }
    run = lab.project.snu("drift", STACK, "--engine", engine, PULUMI_HOME=home)
    assert run.returncode == ExitCode.DRIFT
    for words in ("1 changed, 1 deleted", "~ memoryLimitBytes: 2048000000 → 4096000000", f"fr-par/{gone['id']}"):
        assert words in run.stdout
    for text in (json.dumps(found), run.stdout, run.stderr):
        assert not [value for value in _HIDDEN if value in text]
    lab.up_ok(STACK, "--refresh")
    check_clean(lab, FOUNDATION, STACK)


def test_status_reports_the_same(lab: Lab) -> None:
    def seen(*words: str) -> Any:
        environments = json.loads(lab.project.snu("status", *words, "--json").stdout)["environments"]
        (found,) = [each for each in environments if each["stack"] == STACK]
        return found["drift"]

    assert (seen(), seen("--drift")) == (None, False)
    change_the_api(lab)
    assert seen("--drift") is True
    assert "snu drift local" in lab.project.snu("status", "--drift").stdout


def test_the_workflow_maintains_an_issue(lab: Lab) -> None:
    with FakeGitHub() as hub:
        programs = prepare(lab.project.directory, sys.executable)
        environment = {**programs, "GITHUB_REPOSITORY": "octo/snu", "GITHUB_API_URL": hub.url}
        runner = Runner(lab.project.directory, environment, {"github.token": TOKEN})
        for stack in (FOUNDATION, STACK):
            runner.run("drift", "check", matrix__stack=stack)
        assert hub.issues == []
        change_the_api(lab)
        for _ in range(2):
            with pytest.raises(StepFailed, match="memoryLimitBytes: 2048000000 → 4096000000") as caught:
                runner.run("drift", "check", matrix__stack=STACK)
            assert caught.value.step.status == ExitCode.DRIFT
        (issue,) = hub.issues
        assert issue["state"] == "open"
        assert not [value for value in _HIDDEN if value in issue["body"]]
        lab.up_ok(STACK, "--refresh")
        runner.run("drift", "check", matrix__stack=STACK)
        assert issue["state"] == "closed"


def test_a_secret_input_stays_secret_when_a_refresh_takes_it_over(lab: Lab) -> None:
    change_the_api(lab)
    assert lab.project.snu("refresh", STACK, "--yes").returncode == ExitCode.OK
    text = lab.state_file(STACK).read_text()
    assert not [value for value in (_HIDDEN[0], _HIDDEN[1], *_HIDDEN[3:]) if value in text]


def test_a_refresh_is_previewed_before_it_asks(lab: Lab) -> None:
    unchanged = lab.project.snu("refresh", STACK)
    assert unchanged.returncode == ExitCode.OK
    assert "No change" in unchanged.stdout
    change_the_api(lab)
    before = lab.state_file(STACK).read_bytes()
    run = lab.project.snu("refresh", STACK)
    assert run.returncode == ExitCode.USAGE, run.stdout + run.stderr
    assert "Previewing the refresh of local" in run.stdout
    assert "memoryLimitBytes: 2048000000 → 4096000000" in run.stdout
    assert "To do: 1 to update" in run.stdout
    assert lab.state_file(STACK).read_bytes() == before


# --- orphans ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """A resource that is created manually in the project."""

    type: str
    path: str
    body: Callable[[Lab], dict[str, Any]]


def _in_project(**more: Any) -> Callable[[Lab], dict[str, Any]]:
    return lambda lab: {"name": _BY_HAND, "project_id": project_id(lab), **more}


def _named(lab: Lab, kind: str, name: str) -> str:
    return next(str(each["id"]) for each in lab.resources(kind) if each["name"] == name)


def _deployer(lab: Lab) -> str:
    return _named(lab, "iam.application", "snu-deploy-local")


ORPHANS = [
    Made("containers:Namespace", f"{CONTAINERS}/namespaces", _in_project()),
    Made(
        "containers:Container",
        f"{CONTAINERS}/containers",
        lambda lab: {"name": _BY_HAND, "namespace_id": _named(lab, "containers.namespace", "snu-local"), "image": "x"},
    ),
    Made("databases:ServerlessDatabase", f"/serverless-sqldb/v1alpha1/{REGION}/databases", _in_project(cpu_max=1)),
    Made(
        "job:Definition",
        f"/serverless-jobs/v1alpha2/{REGION}/job-definitions",
        _in_project(cpu_limit=100, memory_limit=128, image_uri="x", local_storage_capacity=1000),
    ),
    Made("observability:Source", f"/cockpit/v1/{REGION}/data-sources", _in_project(type="logs")),
    Made("observability:Token", f"/cockpit/v1/{REGION}/tokens", _in_project()),
    Made("registry:Namespace", f"/registry/v1/{REGION}/namespaces", _in_project()),
    Made("secrets:Secret", SECRETS, _in_project()),
    Made(
        "iam:ApiKey",
        "/iam/v1alpha1/api-keys",
        lambda lab: {"application_id": _deployer(lab), "description": _BY_HAND},
    ),
    Made(
        "iam:Policy",
        "/iam/v1alpha1/policies",
        lambda lab: {"name": _BY_HAND, "application_id": _deployer(lab), "rules": []},
    ),
    Made("iam:Application", "/iam/v1alpha1/applications", lambda _lab: {"name": "snu-state-bucket-local"}),
    Made(
        "domain:Zone",
        "/domain/v2beta1/dns-zones",
        lambda lab: {"domain": "snu.localhost", "subdomain": _BY_HAND, "project_id": project_id(lab)},
    ),
]


def test_manually_created_resources_are_orphans_until_accepted(lab: Lab) -> None:
    for made in ORPHANS:
        lab.ask("POST", made.path, made.body(lab))
    found = look(lab, FOUNDATION)[FOUNDATION]["findings"]
    assert sorted((each["kind"], each["type"], each["region"]) for each in found) == sorted(
        ("orphan", f"scaleway:{made.type}", "fr-par" if REGION in made.path else "") for made in ORPHANS
    )
    assert {each["name"] for each in found} == {_BY_HAND, "snu-state-bucket-local"}
    accepted = [{"id": each["id"], "reason": "a test"} for each in found]
    lab.project.change(FOUNDATION, lambda config: config.update({"snu:drift": {"ignoreOrphans": accepted}}))
    check_clean(lab, FOUNDATION)


def test_a_record_and_a_domain_in_no_state(lab: Lab) -> None:
    host = "by-hand.local.snu.localhost"
    target = f"{container(lab, 'tasks')['public_endpoint'].removeprefix('https://')}."
    record = {"name": "by-hand", "type": "CNAME", "data": target}
    lab.ask("PATCH", RECORDS, {"changes": [{"add": {"records": [record]}}]})
    lab.ask("PATCH", RECORDS, {"changes": [{"add": {"records": [{"name": "", "type": "TXT", "data": "x"}]}}]})
    lab.ask("POST", f"{CONTAINERS}/domains", {"container_id": container(lab, "tasks")["id"], "hostname": host})
    assert findings(look(lab, FOUNDATION)[FOUNDATION]) == [("orphan", "by-hand"), ("orphan", host)]


def test_resources_of_others_are_not_orphans(lab: Lab) -> None:
    """Other projects, other applications, and objects managed by Scaleway."""
    other = lab.ask("POST", "/account/v3/projects", {"name": "other", "description": ""})["id"]
    lab.ask("POST", f"{CONTAINERS}/namespaces", {"name": _BY_HAND, "project_id": other})
    application = lab.ask("POST", "/iam/v1alpha1/applications", {"name": "somebody-s"})["id"]
    lab.ask("POST", "/iam/v1alpha1/api-keys", {"application_id": application, "default_project_id": project_id(lab)})
    check_clean(lab, FOUNDATION)


def test_resources_of_a_lost_state_are_orphans(lab: Lab) -> None:
    lab.state_file(STACK).unlink()
    found = look(lab, FOUNDATION, STACK, expect=ExitCode.FAILED)
    assert found[STACK]["problems"] == [f"local has no state in {lab.project.backend_url}."]
    assert {kind for kind, _ in findings(found[FOUNDATION])} == {"orphan"}
    assert len(found[FOUNDATION]["findings"]) == 19


# --- what cannot be looked at -----------------------------------------------------------------------------


def test_an_unreachable_cloud_is_not_a_deletion(lab: Lab, engine: str, tmp_path: Path) -> None:
    lab.ask("DELETE", f"{CONTAINERS}/containers/{container(lab, 'tasks')['id']}")
    lab.fault("server_error", match={"resource": "container", "name": "local-api"})
    found = look(lab, STACK, "--engine", engine, expect=ExitCode.FAILED, PULUMI_HOME=str(tmp_path))[STACK]
    assert ("deleted", "api-container") not in findings(found)
    assert [each for each in found["problems"] if "1 resource could not be read (api-container): " in each]
    run = lab.project.snu("drift", STACK, "--engine", "embedded")
    check_clear(run, "partly unchecked", "1 resource could not be read (api-container): ", "- tasks-container")
    lab.clear_faults()
    assert findings(look(lab, STACK)[STACK]) == [("deleted", "tasks-container")]


def test_a_failed_list_gives_no_orphans(lab: Lab) -> None:
    lab.ask("POST", f"{CONTAINERS}/namespaces", {"name": _BY_HAND, "project_id": project_id(lab)})
    lab.fault("server_error", status=503, match={"path": "/registry/v1/*/namespaces"})
    found = look(lab, FOUNDATION, expect=ExitCode.FAILED)[FOUNDATION]
    assert found["findings"] == []
    assert any("registry" in problem and "503" in problem for problem in found["problems"])


def test_a_dropped_connection(lab: Lab) -> None:
    lab.fault("dropped_connection", match={"product": "containers"})
    found = look(lab, STACK, FOUNDATION, expect=ExitCode.FAILED)
    assert found[STACK]["findings"] == found[FOUNDATION]["findings"] == []
    assert len(found[STACK]["problems"]) == 1
    assert found[FOUNDATION]["problems"]
    assert "no drift" not in lab.project.snu("drift", STACK).stdout


def test_a_missing_permission_is_not_a_deletion(lab: Lab, engine: str, tmp_path: Path) -> None:
    """Scaleway's provider treats a record that is rejected with 403 as deleted."""
    use(lab, STACK, deploy_key(lab, "local"))
    words = (
        "up",
        STACK,
        "--yes",
        "--skip-preview",
        "--engine",
        engine,
    )  # the CLI reads with the key of the last update
    assert lab.project.snu(*words, PULUMI_HOME=str(tmp_path)).returncode == ExitCode.OK
    with without(lab, "local", "DomainsDNSFullAccess"):
        found = look(lab, STACK, "--engine", engine, expect=ExitCode.FAILED, PULUMI_HOME=str(tmp_path))[STACK]
    assert found["findings"] == []
    (problem,) = found["problems"]
    assert problem.startswith("5 resources could not be read (admin-record, ")


def test_a_locked_stack_is_not_checked(lab: Lab) -> None:
    change_the_api(lab)
    with acquire(
        open_store(lab.project.backend_url, {}), "snu", STACK, "a test", timeout=0, on_wait=print, on_lost=print
    ):
        run = lab.project.snu("drift", STACK, "--json")
    assert run.returncode == ExitCode.LOCKED
    (found,) = json.loads(run.stdout)["stacks"]
    assert found["findings"] == []
    assert f"(pid {os.getpid()}) for a test" in found["problems"][0]


def test_an_interrupted_run_must_be_recovered_first(lab: Lab) -> None:
    lab.ask("DELETE", f"{CONTAINERS}/containers/{container(lab, 'tasks')['id']}")
    match = {"method": "POST", "resource": "container"}
    lab.fault("dropped_connection", when="after", match=match, times=1)
    assert lab.up(STACK, "--skip-preview", "--refresh").returncode == ExitCode.FAILED
    lab.clear_faults()
    found = look(lab, FOUNDATION, STACK, expect=ExitCode.INTERRUPTED)
    assert [each["findings"] for each in found.values()] == [[], []]
    assert all("snu recover local" in each["problems"][0] for each in found.values())


def test_a_moved_state_gives_no_orphans(lab: Lab) -> None:
    to = f"file://{lab.project.directory}/elsewhere"
    assert lab.project.snu("state", "move", STACK, "--to", to, "--yes").returncode == ExitCode.OK
    found = look(lab, FOUNDATION, STACK, expect=ExitCode.ENVIRONMENT)
    assert [each["findings"] for each in found.values()] == [[], []]
    assert all(to in each["problems"][0] for each in found.values())
    # The CLI runs the program, which refers to a stack of the other backend.
    found = look(lab, STACK, "--engine", "embedded", PULUMI_BACKEND_URL=to)
    assert found[STACK]["findings"] == []


def test_an_unknown_stack_is_rejected_before_any_check(lab: Lab) -> None:
    run = lab.project.snu("drift", STACK, "nowhere")
    assert run.returncode == ExitCode.USAGE
    assert "There is no stack 'nowhere'" in run.stderr
    assert run.stdout == ""


def test_without_names_it_shows_what_can_be_reached_and_does_not_call_the_rest_good(lab: Lab) -> None:
    lab.project.stack_file("unborn").write_text(lab.project.stack_file(STACK).read_text())
    run = lab.project.snu("drift", "--json")
    assert run.returncode == ExitCode.INCOMPLETE, run.stderr
    document = json.loads(run.stdout)
    assert [each["stack"] for each in document["stacks"]] == [FOUNDATION, STACK]
    assert {"ci", "stage", "production", "unborn"} <= document["skipped"].keys()
    for stack in ("ci", "foundation-ci", "foundation-production", "foundation-stage", "production", "stage"):
        lab.project.stack_file(stack).unlink()
    run = lab.project.snu("drift")
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    assert "No state yet: dev, unborn" in run.stdout
    lab.project.stop_cloud()
    run = lab.project.snu("drift")
    assert run.returncode != ExitCode.OK
    assert "no drift" not in run.stdout
    assert run.stdout.count("The local Scaleway is not running at") == 1  # to two stacks
