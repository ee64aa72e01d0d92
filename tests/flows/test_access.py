"""Foundations run with the owner's key, environments with the deploy application's; its policy has what they need.

Each permission set of the policies that the program registers is taken away once. Where a flow of the program needs
it, the flow fails, names the permission, and completes when the set is back. Where only a flow outside of the
program needs it (images, logs), its API call is shown.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra import naming
from ops.exit_codes import ExitCode
from tests.lab.checks import check_clear, check_no_duplicates, check_state
from tests.lab.keys import (
    OWNER,
    Key,
    deploy_key,
    deploy_policy,
    make_key,
    outputs,
    recorded_sets,
    use,
    without,
    write_preview,
)
from tests.lab.lab import Lab
from tests.support.reach import enable_release_commands, estate_with_release_commands
from tests.support.seed import ORGANIZATION

PROGRAM_NEEDS = {
    "ContainersFullAccess": "insufficient permissions: write namespace",
    "DomainsDNSFullAccess": "insufficient permissions: write record",
    "SecretManagerReadOnly": "insufficient permissions: read secret",
    "SecretManagerSecretAccess": "insufficient permissions: access secret_version",
    "ServerlessJobsFullAccess": "insufficient permissions: write job_definition",
}
"""Permission set → the message of ``up`` if it is missing."""

OTHERS_NEED = {
    "ContainerRegistryFullAccess": ("PATCH", "/registry/v1/regions/fr-par/namespaces/{registry}", "write", "namespace"),
    "ObservabilityReadOnly": ("GET", "/cockpit/v1/regions/fr-par/data-sources", "read", "data_source"),
    "ProjectReadOnly": ("GET", "/account/v3/projects/{project}", "read", "project"),
    "IAMReadOnly": ("GET", "/iam/v1alpha1/applications", "read", "application"),
}
"""Permission set → a request of a flow outside of the program: images, logs, the look at projects and keys."""

ELSEWHERE = {"ContainerRegistryReadOnly", "SecretManagerFullAccess"}
"""Sets that only a foundation on the real Scaleway or the previews' application gets: see the test of the table."""
UNCHECKED = {"ObjectStorageBucketsRead", "ObjectStorageObjectsRead"}
"""Sets of object storage, where the local Scaleway asks nobody for a permission."""

JOB = {"report": {"image": "api", "cpu": 140, "memory": 256, "timeout": 60}}
FOUNDATIONS = ("foundation-local", "foundation-ci", "foundation-stage", "foundation-production")


def test_every_set_of_every_foundation_is_looked_at() -> None:
    given = {name for foundation in FOUNDATIONS for name in recorded_sets(foundation)}
    assert given == PROGRAM_NEEDS.keys() | OTHERS_NEED.keys() | ELSEWHERE | UNCHECKED


def with_deploy_key(lab: Lab) -> Key:
    """The stack local runs with the deploy application's key, and has a job."""
    key = deploy_key(lab, "local")
    use(lab, "local", key, snu__jobs=JOB)
    return key


def fails(lab: Lab, stack: str, *says: str) -> None:
    run = lab.up(stack, "--skip-preview", "--no-refresh")  # the sets that writing needs
    assert run.returncode == ExitCode.FAILED, run.stdout + run.stderr
    check_clear(run, *says)


@pytest.mark.parametrize(
    "permission_set", [each for each in recorded_sets("foundation-local", "local") if each not in UNCHECKED]
)
def test_no_set_of_the_deploy_policy_can_be_spared(lab: Lab, permission_set: str) -> None:
    key = with_deploy_key(lab)
    _, rules = deploy_policy(lab, "local")
    given = [name for rule in rules for name in rule["permission_set_names"]]
    assert given == recorded_sets("foundation-local", "local")
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
NAMESPACES = "/containers/v1/regions/fr-par/namespaces"
JOBS = "/serverless-jobs/v1alpha2/regions/fr-par/job-definitions"


def write_document(lab: Lab, secret_id: str) -> None:
    """The environment's secret document, whose first version is written manually: here the local seed's."""
    (seed,) = lab.ask("GET", f"{SECRETS}/secrets?name=snu-local&project_id={_default_project(lab)}")["secrets"]
    lab.write_secret(secret_id.rpartition("/")[2], lab.read_secret(seed["id"]))


def _default_project(lab: Lab) -> str:
    projects = lab.ask("GET", "/account/v3/projects")["projects"]
    return str(next(project["id"] for project in projects if project["name"] == "default"))


PROJECTS = {"ci": "ci", "stage": "staging", "production": "production"}
"""Stack → its environment, and the project of its foundation."""


def test_each_key_opens_what_the_table_says(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All foundations and their environments in one Scaleway; each key of the tables tries each thing in them.

    The foundations have keys for release commands, which change nothing for the other keys.
    """
    with Lab.running(tmp_path_factory.mktemp("estate") / "project") as lab:
        found: dict[str, dict[str, Any]] = {}
        for stack, environment in PROJECTS.items():
            foundation = f"foundation-{stack}"
            more = {"snu__deploy": {"readRegistriesOf": [found["ci"]["projectId"]]}} if stack == "stage" else {}
            use(lab, foundation, OWNER, **more)
            lab.project.change(foundation, enable_release_commands)
            lab.up_ok(foundation)
            found[stack] = outputs(lab, foundation)
            for secret in found[stack]["secretIds"].values():
                write_document(lab, secret)
            use(lab, stack, deploy_key(lab, environment))
            lab.up_ok(stack)
            check_state(lab, stack)
            _keep_state_documents(lab, environment, found[stack]["projectId"])
        check_no_duplicates(lab)
        holders = estate_with_release_commands().holders.values()
        keys = {each.application: make_key(lab, each.application) for each in holders if not each.secret}
        keys |= {naming.release_application(name): _release_key(lab, name) for name in PROJECTS.values()}
        for application, key in keys.items():
            for stack, environment in PROJECTS.items():
                assert _tried(lab, key, environment, found[stack]) == _in_table(application, stack), application
        _stage_may_copy_from_ci(lab, keys["snu-deploy-staging"])
        _previews_write_secrets(lab, keys["snu-deploy-ci-previews"])


def _keep_state_documents(lab: Lab, environment: str, project_id: str) -> None:
    """As `snu bootstrap` does."""
    for name in (naming.environment_state_secret(environment), naming.state_reader_secret(environment)):
        made = lab.ask("POST", f"{SECRETS}/secrets", {"name": name, "project_id": project_id, "type": "opaque"})
        lab.write_secret(made["id"], b"{}")


def _in_table(application: str, place: str) -> dict[str, str]:
    everything = estate_with_release_commands()
    opened, starter = everything.reach(application), naming.release_application(PROJECTS[place])
    found = application != starter and starter in everything.keys_of(application)
    kinds = ("secrets", "registry", "containers", "jobs", "state")
    return {kind: opened.get((place, kind), "") for kind in kinds} | {"release key": "read" if found else ""}


def _release_key(lab: Lab, environment: str) -> Key:
    """The key that `snu keys store` has stored."""
    secret = lab.find("secret_manager.secret", naming.release_secret(environment))
    stored = json.loads(lab.read_secret(secret["id"]))
    return Key(stored["accessKey"], stored["secretKey"])


def _tried(lab: Lab, key: Key, environment: str, found: dict[str, Any]) -> dict[str, str]:
    """What Scaleway answers a key, by kind of thing: as in the table."""
    ids = {each["name"]: each["id"] for each in lab.ask("GET", f"{SECRETS}/secrets?page_size=100")["secrets"]}
    (registry,) = lab.ask("GET", f"{REGISTRIES}?project_id={found['projectId']}")["namespaces"]
    (namespace,) = lab.ask("GET", f"{NAMESPACES}?project_id={found['projectId']}&name=snu-{environment}")["namespaces"]
    job = lab.ask("GET", f"{JOBS}?project_id={found['projectId']}")["job_definitions"][0]

    def allowed(method: str, path: str, body: dict[str, Any] | None = None) -> bool:
        answer = lab.call(method, path, body, key=key.secret)
        assert answer.status_code in (200, 403), answer.text
        return answer.status_code == 200

    def opens(secret: str) -> bool:
        return allowed("GET", f"{SECRETS}/secrets/{ids[secret]}/versions/latest_enabled/access")

    def access(read: bool, written: bool) -> str:
        return "write" if written else "read" if read else ""

    document = naming.secret(environment)
    described = {"description": "tried"}
    state = opens(naming.state_reader_secret(environment)), opens(naming.environment_state_secret(environment))
    secrets = opens(document), allowed("PATCH", f"{SECRETS}/secrets/{ids[document]}", described)
    registries = (
        allowed("GET", f"{REGISTRIES}/{registry['id']}"),
        allowed("PATCH", f"{REGISTRIES}/{registry['id']}", described),
    )
    containers = (
        allowed("GET", f"{NAMESPACES}/{namespace['id']}"),
        allowed("PATCH", f"{NAMESPACES}/{namespace['id']}", described),
    )
    jobs = allowed("GET", f"{JOBS}/{job['id']}"), allowed("PATCH", f"{JOBS}/{job['id']}", described)
    return {
        "secrets": access(*secrets),
        "registry": access(*registries),
        "containers": access(*containers),
        "jobs": access(*jobs),
        "state": access(*state),
        "release key": access(opens(naming.release_secret(environment)), written=False),
    }


def _pull(lab: Lab, key: Key, repository: str) -> httpx.Response:
    token = base64.b64encode(f"nologin:{key.secret}".encode()).decode()
    url = f"{lab.project.api_url}/v2/{repository}/tags/list"
    return httpx.get(url, headers={"Authorization": f"Basic {token}"})


def _stage_may_copy_from_ci(lab: Lab, key: Key) -> None:
    """Images are promoted from there: it may read them, and no more than its policy says."""
    allowed = _pull(lab, key, "snu-ci/api")
    assert allowed.status_code == 404, allowed.text  # nothing was pushed; without the right to read it is 403
    with without(lab, "staging", "ContainerRegistryReadOnly"):
        denied = _pull(lab, key, "snu-ci/api")
        assert denied.status_code == 403, denied.text
        assert "DENIED" in denied.text


def _previews_write_secrets(lab: Lab, key: Key) -> None:
    stack = write_preview(lab.project.directory, "pr-12")
    use(lab, stack, deploy_key(lab, "ci"))
    fails(lab, stack, "insufficient permissions: write secret")
    use(lab, stack, key)
    lab.up_ok(stack)
    check_state(lab, stack)


def test_keys_that_must_expire_are_replaced_when_their_day_changes(lab: Lab, tmp_path: Path) -> None:
    """Environments read the new keys where the old ones were."""
    settings = f"/iam/v1alpha1/organizations/{ORGANIZATION}/security-settings"
    lab.ask("PATCH", settings, {"max_api_key_expiration_duration": f"{90 * 86_400}s"})
    today = datetime.now(UTC).date()
    made: list[set[str]] = []
    day = ""
    for days in (40, 80):
        day = str(today + timedelta(days=days))
        with lab.project.edited("foundation-local", partial(_expire_on, day)):
            lab.up_ok("foundation-local")
        keys = [each for each in lab.resources("iam.api_key") if each.get("application_id")]
        assert {each["expires_at"] for each in keys} == {f"{day}T00:00:00Z"}
        made.append({each["access_key"] for each in keys})
    assert len(made[0]) == len(made[1]) > 0
    assert made[0].isdisjoint(made[1])
    with lab.project.edited("foundation-local", partial(_expire_on, day)):
        _check_the_command(lab, tmp_path / "keys", day)


def _check_the_command(lab: Lab, folder: Path, day: str) -> None:
    """`snu keys`: what it makes works, is in no state, is no drift, and ends when it is revoked."""
    application = "snu-deploy-local"
    made = lab.project.snu("keys", "make", "foundation-local", application, "--out", str(folder))
    assert made.returncode == ExitCode.OK, made.stderr
    key = Key(*((folder / f"{application}.{half}").read_text().strip() for half in ("access-key", "secret-key")))
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    assert key.secret not in made.stdout
    assert f"gh secret set SCW_SECRET_KEY --env local < {folder}" in made.stdout
    listed = lab.project.snu("keys", "list", "foundation-local").stdout
    assert f"{key.access}, created on" in listed
    assert f"expires on {day}" in listed
    again = lab.project.snu("keys", "make", "foundation-local", application, "--out", str(folder))
    assert again.returncode == ExitCode.USAGE
    use(lab, "local", key)
    lab.up_ok("local")
    for stack in ("foundation-local", "local"):
        assert key.access not in lab.state_file(stack).read_text()
    drift = lab.project.snu("drift", "foundation-local")
    assert drift.returncode == ExitCode.OK, drift.stdout + drift.stderr
    alerts = lab.find("iam.application", "snu-alerts-local")["id"]
    stored = next(each["access_key"] for each in lab.resources("iam.api_key") if each.get("application_id") == alerts)
    refused = lab.project.snu("keys", "revoke", "foundation-local", stored, "--yes")
    assert refused.returncode == ExitCode.USAGE
    assert "the key of snu-alerts-local is managed in the secret snu-local-alerts" in refused.stderr
    foreign = lab.project.snu("keys", "revoke", "foundation-local", OWNER.access, "--yes")
    assert foreign.returncode == ExitCode.USAGE
    revoked = lab.project.snu("keys", "revoke", "foundation-local", key.access, "--yes")
    assert revoked.returncode == ExitCode.OK, revoked.stderr
    assert lab.call("GET", "/account/v3/projects", key=key.secret).status_code == 401


def _expire_on(day: str, config: dict[str, Any]) -> None:
    config |= {"snu:protect": True, "snu:apiKeysExpireOn": day}
