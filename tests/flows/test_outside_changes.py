"""What somebody deletes or changes by hand, and containers in error: said by each command, and put right by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.exit_codes import ExitCode
from tests.lab.checks import check_clear, check_no_duplicates, check_state
from tests.lab.drifting import check_clean, findings, look
from tests.lab.lab import Lab, Run
from tests.support.pulumi_cli import Cli, needs_pulumi

pytestmark = pytest.mark.xdist_group("drift")  # one worker makes their lab

STACK, FOUNDATION = "local", "foundation-local"
REGION = "regions/fr-par"
CONTAINERS = f"/containers/v1/{REGION}"
SECRETS = f"/secret-manager/v1beta1/{REGION}/secrets"
REGISTRIES = f"/registry/v1/{REGION}/namespaces"


@pytest.fixture
def lab(complete_lab: Lab) -> Lab:
    return complete_lab


def snu(lab: Lab, *words: str, expect: ExitCode = ExitCode.OK, home: Path | None = None) -> Run:
    """The command, on the embedded engine where no other is named."""
    engine = () if "--engine" in words else ("--engine", "embedded")
    run = lab.project.snu(*words, *engine, **({"PULUMI_HOME": str(home)} if home else {}))
    assert run.returncode == expect, run.stdout + run.stderr
    return run


@dataclass(frozen=True)
class Object:
    """Something of a stack that somebody lays hands on."""

    stack: str
    kind: str
    """As the local Scaleway calls it."""
    name: str
    path: str
    resource: str
    """In the program."""
    change: dict[str, Any]
    """What a PATCH changes."""

    def find(self, lab: Lab) -> dict[str, Any]:
        """The only one of that name in the project; what is in a namespace or a container is in no other."""
        project = lab.find("account.project", "snu-local")["id"]
        named = [each for each in lab.resources(self.kind) if self.name in (each.get("name"), each.get("hostname"))]
        (found,) = [each for each in named if each.get("project_id", project) == project]
        return found

    def at(self, lab: Lab) -> str:
        return f"{self.path}/{self.find(lab)['id']}"


OBJECTS = {
    "container": Object(
        STACK, "containers.container", "local-admin", f"{CONTAINERS}/containers", "admin-container", {"max_scale": 3}
    ),
    "namespace": Object(
        STACK, "containers.namespace", "snu-local", f"{CONTAINERS}/namespaces", "namespace", {"description": "mine"}
    ),
    "domain": Object(
        STACK, "containers.domain", "admin.local.snu.localhost", f"{CONTAINERS}/domains", "admin-domain", {}
    ),
    "secret": Object(
        FOUNDATION, "secret_manager.secret", "snu-local", SECRETS, "local-secrets-secret", {"description": "mine"}
    ),
    "registry": Object(
        FOUNDATION, "registry.namespace", "snu-local", REGISTRIES, "local-registry-namespace", {"description": "mine"}
    ),
}


def delete(lab: Lab, what: Object) -> None:
    lab.ask("DELETE", what.at(lab))


def change(lab: Lab, what: Object) -> None:
    lab.ask("PATCH", what.at(lab), what.change)


CASES = [
    pytest.param(what, deed, word, id=f"{name} {word}")
    for name, what in OBJECTS.items()
    for deed, word in ((delete, "scheduled for deletion" if name == "secret" else "deleted"), (change, "changed"))
    if deed is delete or what.change
]


@pytest.mark.parametrize(("what", "deed", "word"), CASES)
def test_it_is_said_and_the_named_command_puts_it_right(
    lab: Lab, what: Object, deed: Callable[[Lab, Object], None], word: str
) -> None:
    deed(lab, what)
    way = f"scripts/snu up {what.stack}"
    drift = snu(lab, "drift", what.stack, expect=ExitCode.DRIFT)
    check_clear(drift, what.resource, word, way)
    preview = snu(lab, "preview", what.stack)
    check_clear(preview, f"{word}: ", what.resource, way)
    up = snu(lab, "up", what.stack, "--yes")
    check_clear(up, f"{word}: ", what.resource, "Restored" if word == "scheduled for deletion" else "Done: ")
    assert what.find(lab)
    if what.stack == FOUNDATION and deed is delete:
        snu(lab, "up", STACK, "--yes")
    check_state(lab, what.stack)
    check_no_duplicates(lab)
    check_clean(lab, FOUNDATION, STACK)


def test_without_a_refresh_the_containers_are_missed(lab: Lab) -> None:
    delete(lab, OBJECTS["container"])
    run = snu(lab, "up", STACK, "--yes", "--no-refresh", expect=ExitCode.CONTAINERS)
    check_clear(run, "Container local-admin no longer exists", "To recreate it: scripts/snu up local")


def test_what_is_gone_is_no_obstacle_to_a_destroy(lab: Lab, engine: str, tmp_path: Path) -> None:
    for name in ("container", "namespace"):
        delete(lab, OBJECTS[name])
    run = snu(lab, "destroy", STACK, "--yes", "--engine", engine, home=tmp_path)
    check_clear(run, "deleted: ", "admin-container")
    delete(lab, OBJECTS["secret"])
    snu(lab, "destroy", FOUNDATION, "--yes", "--engine", engine, home=tmp_path)
    assert not [each for each in lab.state(FOUNDATION).get("resources", []) if each["type"].startswith("scaleway:")]


# --- containers in error ------------------------------------------------------------------------------------


def test_a_container_in_error_is_redeployed(lab: Lab) -> None:
    admin, tasks = (lab.find("containers.container", f"local-{app}") for app in ("admin", "tasks"))
    for each in (admin, tasks):
        lab.fault("container_error", message="port 8080 is silent", match={"name": each["name"]}, times=1)
        lab.ask("POST", f"{CONTAINERS}/containers/{each['id']}/redeploy")
    way = "scripts/snu redeploy local admin tasks"
    drift = look(lab, STACK)[STACK]
    assert findings(drift) == [("failed", "admin-container"), ("failed", "tasks-container")]
    check_clear(snu(lab, "drift", STACK, expect=ExitCode.DRIFT), "port 8080 is silent", way)
    check_clear(snu(lab, "preview", STACK), "in error: ", "admin-container (port 8080 is silent)", way)
    check_clear(snu(lab, "up", STACK, "--yes", expect=ExitCode.CONTAINERS), "No change", way)
    unknown = snu(lab, "redeploy", STACK, "admn", "tasks", "--yes", expect=ExitCode.USAGE)
    check_clear(unknown, "Did you mean admin?", "Nothing was changed")
    lab.fault("container_error", message="still silent", match={"name": "local-tasks"}, times=1)
    failed = snu(lab, "redeploy", STACK, "admin", "tasks", "--yes", expect=ExitCode.CONTAINERS)
    check_clear(failed, "Container local-tasks is in error: still silent", "scripts/snu redeploy local tasks")
    redeployed = snu(lab, "redeploy", STACK, "tasks", "--yes")
    assert "local-tasks  ready" in redeployed.stdout
    assert {each["status"] for each in lab.resources("containers.container")} == {"ready"}
    check_clean(lab, STACK)


def test_a_container_that_is_gone_is_not_redeployed(lab: Lab) -> None:
    delete(lab, OBJECTS["container"])
    run = snu(lab, "redeploy", STACK, "admin", "--yes", expect=ExitCode.CONTAINERS)
    check_clear(run, "Container local-admin no longer exists", "scripts/snu up local")


# --- foundations --------------------------------------------------------------------------------------------


def test_a_foundation_is_not_destroyed_under_its_environments(lab: Lab, engine: str, tmp_path: Path) -> None:
    destroy = ("destroy", FOUNDATION, "--yes", "--engine", engine)
    before = lab.journal()
    refused = snu(lab, *destroy, expect=ExitCode.REFUSED, home=tmp_path)
    check_clear(refused, "local has 19 resources", "Destroy it first: scripts/snu destroy local")
    lab.project.stack_file(STACK).rename(tmp_path / "file")  # the state alone says it too
    lab.project.stack_file("other").write_text((tmp_path / "file").read_text())
    check_clear(snu(lab, *destroy, expect=ExitCode.REFUSED, home=tmp_path), "local has 19 resources")
    (tmp_path / "file").rename(lab.project.stack_file(STACK))
    lab.project.stack_file("other").unlink()
    state = lab.state_file(STACK)
    content = state.read_text()
    state.write_text(content[:1000])
    damaged = snu(lab, *destroy, expect=ExitCode.REFUSED, home=tmp_path)
    check_clear(damaged, "local may have resources", "is damaged", "Make the state of local readable")
    assert lab.journal() == before
    state.write_text(content)
    snu(lab, "destroy", STACK, "--yes", "--engine", engine, home=tmp_path)
    snu(lab, *destroy, home=tmp_path)


@needs_pulumi
def test_plain_pulumi_notices_a_change_and_puts_it_right(lab: Lab, tmp_path: Path) -> None:
    container = lab.find("containers.container", "local-api")
    lab.ask("PATCH", f"{CONTAINERS}/containers/{container['id']}", {"max_scale": 7})
    cli = Cli(lab.project.directory, tmp_path, lab.project.backend_url)
    previewed = cli.run("preview", "--stack", STACK)
    assert previewed.returncode == 0, previewed.stderr
    assert "~ 1 to update" in previewed.stdout
    assert "to update" not in cli.run("preview", "--stack", STACK, "--refresh=false").stdout
    applied = cli.run("up", "--stack", STACK, "--yes", "--skip-preview")
    assert applied.returncode == 0, applied.stderr
    assert lab.find("containers.container", "local-api")["max_scale"] == container["max_scale"]
