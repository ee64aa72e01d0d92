"""Foundations run with the owner's key, environments with the deploy application's; its policy has what they need.

Each permission set of the policies that the program registers is taken away once. Where a flow of the program needs
it, the flow fails, names the permission, and completes when the set is back. Where only a flow outside of the
program needs it (images, logs), its API call is shown.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from ops.exit_codes import ExitCode
from tests.lab.checks import check_clear, check_no_duplicates, check_state
from tests.lab.keys import (
    OWNER,
    Key,
    deploy_key,
    deploy_policy,
    outputs,
    recorded_sets,
    use,
    without,
    write_preview,
)
from tests.lab.lab import Lab
from tests.support.seed import ORGANIZATION

PROGRAM_NEEDS = {
    "ContainersFullAccess": "insufficient permissions: write namespace",
    "DomainsDNSFullAccess": "insufficient permissions: write record",
    "SecretManagerReadOnly": "insufficient permissions: read secret_version",
    "SecretManagerSecretAccess": "insufficient permissions: access secret_version",
    "ServerlessJobsFullAccess": "insufficient permissions: write job_definition",
}
"""Permission set → what the user of ``up`` is told where it is missing."""

OTHERS_NEED = {
    "ContainerRegistryFullAccess": ("PATCH", "/registry/v1/regions/fr-par/namespaces/{registry}", "write", "namespace"),
    "ObservabilityReadOnly": ("GET", "/cockpit/v1/regions/fr-par/data-sources", "read", "data_source"),
    "ProjectReadOnly": ("GET", "/account/v3/projects/{project}", "read", "project"),
    "IAMReadOnly": ("GET", "/iam/v1alpha1/applications", "read", "application"),
}
"""Permission set → a request of a flow outside of the program: images, logs, the look at projects and keys."""

ELSEWHERE = {"ContainerRegistryReadOnly", "SecretManagerFullAccess"}
"""Sets that only one foundation gives: see the test of two projects."""

JOB = {"report": {"image": "api", "cpu": 140, "memory": 256, "timeout": 60}}
FOUNDATIONS = ("foundation-local", "foundation-ci", "foundation-production")


def test_every_set_of_every_foundation_is_looked_at() -> None:
    given = {name for foundation in FOUNDATIONS for name in recorded_sets(foundation)}
    assert given == PROGRAM_NEEDS.keys() | OTHERS_NEED.keys() | ELSEWHERE


def with_deploy_key(lab: Lab) -> Key:
    """The stack local runs with the deploy application's key, and has a job."""
    key = deploy_key(lab, "foundation-local")
    use(lab, "local", key, snu__jobs=JOB)
    return key


def fails(lab: Lab, stack: str, *says: str) -> None:
    run = lab.up(stack, "--skip-preview", "--no-refresh")  # the sets that writing needs
    assert run.returncode == ExitCode.FAILED, run.stdout + run.stderr
    check_clear(run, *says)


@pytest.mark.parametrize("permission_set", recorded_sets("foundation-local"))
def test_no_set_of_the_deploy_policy_can_be_spared(lab: Lab, permission_set: str) -> None:
    key = with_deploy_key(lab)
    _, rules = deploy_policy(lab, "local")
    assert [name for rule in rules for name in rule["permission_set_names"]] == recorded_sets("foundation-local")
    if permission_set in OTHERS_NEED:
        method, path, action, resource = OTHERS_NEED[permission_set]
        found = outputs(lab, "foundation-local")
        registry = lab.ask("GET", "/registry/v1/regions/fr-par/namespaces")["namespaces"][0]["id"]
        path = path.format(registry=registry, project=found["projectId"])
        body = {"description": "x"} if method == "PATCH" else None
        with without(lab, "local", permission_set):
            answer = lab.call(method, path, body, key=key.secret)
            assert answer.status_code == 403, answer.text
            assert answer.json()["details"] == [{"resource": resource, "action": action}]
        lab.ask(method, path, body, key=key.secret)
        return
    with without(lab, "local", permission_set):
        fails(lab, "local", PROGRAM_NEEDS[permission_set])
        if lab.state_file("local").exists():
            check_state(lab, "local")
    lab.up_ok("local")
    check_state(lab, "local")
    check_no_duplicates(lab)


def test_a_changed_image_and_a_changed_job_need_their_sets(lab: Lab) -> None:
    with_deploy_key(lab)
    lab.up_ok("local")
    lab.project.change("local", lambda config: config["snu:apps"]["antivirus"].update(memory=3072))
    with without(lab, "local", "ContainersFullAccess"):
        fails(lab, "local", "antivirus-container", "insufficient permissions: write container")
    lab.project.change("local", lambda config: config["snu:jobs"]["report"].update(timeout=90))
    with without(lab, "local", "ServerlessJobsFullAccess"):
        fails(lab, "local", "report-definition", "insufficient permissions: write job_definition")
    assert "unchanged" in lab.up_ok("local").stdout


def test_a_key_that_does_not_exist(lab: Lab) -> None:
    use(lab, "local", Key(OWNER.access, "10ca1000-0000-4000-8000-00000000dead"))
    fails(lab, "local", "denied authentication")


SECRETS = "/secret-manager/v1beta1/regions/fr-par"
REGISTRIES = "/registry/v1/regions/fr-par/namespaces"
DATABASES = "/serverless-sqldb/v1alpha1/regions/fr-par/databases"


def write_document(lab: Lab, secret_id: str) -> None:
    """The environment's secret document, as people write its first version: here the local seed's."""
    (seed,) = lab.ask("GET", f"{SECRETS}/secrets?name=snu-local&project_id={_default_project(lab)}")["secrets"]
    lab.write_secret(secret_id.rpartition("/")[2], lab.read_secret(seed["id"]))


def _default_project(lab: Lab) -> str:
    projects = lab.ask("GET", "/account/v3/projects")["projects"]
    return str(next(project["id"] for project in projects if project["name"] == "default"))


def test_ci_and_production_are_closed_to_each_other(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Both foundations and all their environments in one Scaleway."""
    with Lab.running(tmp_path_factory.mktemp("estate") / "project") as lab:
        use(lab, "foundation-ci", OWNER)
        lab.up_ok("foundation-ci")
        ci = outputs(lab, "foundation-ci")
        use(lab, "foundation-production", OWNER, snu__deploy={"readRegistriesOf": [ci["projectId"]]})
        lab.up_ok("foundation-production")
        production = outputs(lab, "foundation-production")
        keys = {name: deploy_key(lab, f"foundation-{name}") for name in ("ci", "production")}
        for secret in (*ci["secretIds"].values(), *production["secretIds"].values()):
            write_document(lab, secret)
        for stack, project in (("ci", "ci"), ("stage", "production"), ("production", "production")):
            use(lab, stack, keys[project])
            lab.up_ok(stack)
            check_state(lab, stack)
        check_no_duplicates(lab)
        _ci_sees_nothing_of_production(lab, keys["ci"], production)
        _production_may_copy_from_ci(lab, keys["production"])
        _previews_write_secrets(lab, keys["ci"])


def refused(lab: Lab, key: Key, method: str, path: str, action: str, resource: str) -> None:
    answer = lab.call(method, path, key=key.secret)
    assert answer.status_code == 403, f"{method} {path}: {answer.status_code} {answer.text}"
    assert answer.json()["details"] == [{"resource": resource, "action": action}]


def _ci_sees_nothing_of_production(lab: Lab, key: Key, production: dict[str, object]) -> None:
    project = production["projectId"]
    secret_ids = production["secretIds"]
    assert isinstance(secret_ids, dict)
    for secret in (each.rpartition("/")[2] for each in secret_ids.values()):
        refused(lab, key, "GET", f"{SECRETS}/secrets/{secret}", "read", "secret")
        refused(lab, key, "GET", f"{SECRETS}/secrets/{secret}/versions/latest/access", "access", "secret_version")
    registries = lab.ask("GET", f"{REGISTRIES}?project_id={project}")["namespaces"]
    databases = lab.ask("GET", f"{DATABASES}?project_id={project}")["databases"]
    assert len(registries) == len(databases) == 2
    for registry in registries:
        refused(lab, key, "GET", f"{REGISTRIES}/{registry['id']}", "read", "namespace")
    for database in databases:
        refused(lab, key, "GET", f"{DATABASES}/{database['id']}", "read", "database")
    visible = lab.ask("GET", f"{SECRETS}/secrets", key=key.secret)["secrets"]
    assert {each["project_id"] for each in visible}.isdisjoint({project})
    assert lab.ask("GET", f"{REGISTRIES}?project_id={project}", key=key.secret)["namespaces"] == []


def _pull(lab: Lab, key: Key, repository: str) -> httpx.Response:
    token = base64.b64encode(f"nologin:{key.secret}".encode()).decode()
    url = f"{lab.project.api_url}/v2/{repository}/tags/list"
    return httpx.get(url, headers={"Authorization": f"Basic {token}"})


def _production_may_copy_from_ci(lab: Lab, key: Key) -> None:
    """Images are promoted from there: it may read them and not write, and no more than its policy says."""
    (registry,) = [each for each in lab.ask("GET", REGISTRIES)["namespaces"] if each["name"] == "snu-ci"]
    path = f"{REGISTRIES}/{registry['id']}"
    lab.ask("GET", path, key=key.secret)
    refused(lab, key, "DELETE", path, "write", "namespace")
    (document,) = [each for each in lab.ask("GET", f"{SECRETS}/secrets")["secrets"] if each["name"].endswith("ci")]
    refused(lab, key, "GET", f"{SECRETS}/secrets/{document['id']}", "read", "secret")
    allowed = _pull(lab, key, "snu-ci/api")
    assert allowed.status_code == 404, allowed.text  # nothing was pushed; who may not read is told 403
    with without(lab, "production", "ContainerRegistryReadOnly"):
        refused(lab, key, "GET", path, "read", "namespace")
        denied = _pull(lab, key, "snu-ci/api")
        assert denied.status_code == 403, denied.text
        assert "DENIED" in denied.text


def _previews_write_secrets(lab: Lab, key: Key) -> None:
    stack = write_preview(lab.project.directory, "pr-12")
    use(lab, stack, key)
    with without(lab, "ci", "SecretManagerFullAccess"):
        fails(lab, stack, "insufficient permissions: write secret")
    lab.up_ok(stack)
    check_state(lab, stack)


def test_keys_that_must_expire_are_replaced_when_their_day_changes(lab: Lab) -> None:
    """Also where everything else is protected. Environments read the new keys where the old ones were."""
    settings = f"/iam/v1alpha1/organizations/{ORGANIZATION}/security-settings"
    lab.ask("PATCH", settings, {"max_api_key_expiration_duration": f"{90 * 86_400}s"})
    today = datetime.now(UTC).date()
    made: list[set[str]] = []
    for days in (40, 80):
        day = str(today + timedelta(days=days))
        with lab.project.edited("foundation-local", partial(_expire_on, day)):
            run = lab.up("foundation-local")
        assert run.returncode == 0, run.stdout + run.stderr
        keys = [each for each in lab.resources("iam.api_key") if each.get("application_id")]
        assert {each["expires_at"] for each in keys} == {f"{day}T00:00:00Z"}
        made.append({each["access_key"] for each in keys})
    assert len(made[0]) == len(made[1]) > 0
    assert made[0].isdisjoint(made[1])
    use(lab, "local", deploy_key(lab, "foundation-local"))
    lab.up_ok("local")


def _expire_on(day: str, config: dict[str, Any]) -> None:
    config |= {"snu:protect": True, "snu:apiKeysExpireOn": day}
