"""Apps, jobs and environments that are renamed or removed: the preview says what will happen, and it happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ops.exit_codes import ExitCode
from tests.lab.checks import check_clear, check_no_duplicates, check_state
from tests.lab.former_types import with_former_types
from tests.lab.lab import Lab, Run
from tests.support.pulumi_cli import Cli, needs_pulumi

pytestmark = pytest.mark.xdist_group("drift")  # one worker makes their lab

STACK, FOUNDATION = "local", "foundation-local"
HOST = "admin.local.snu.localhost"
JOB = {"image": "api", "cpu": 140, "memory": 256, "timeout": 60}


class Snu:
    """The command on the stack local, with one engine."""

    def __init__(self, lab: Lab, engine: str, home: Path) -> None:
        self._lab, self._engine, self._home = lab, engine, home

    def __call__(self, *words: str, stack: str = STACK, expect: ExitCode = ExitCode.OK) -> Run:
        command, *rest = words
        run = self._lab.project.snu(command, stack, *rest, "--engine", self._engine, PULUMI_HOME=str(self._home))
        assert run.returncode == expect, run.stdout + run.stderr
        return run

    def up(self) -> Run:
        return self("up", "--yes")

    def unchanged(self) -> None:
        self("preview", "--expect-no-changes")


@pytest.fixture
def lab(complete_lab: Lab) -> Lab:
    return complete_lab


@pytest.fixture
def snu(lab: Lab, engine: str, tmp_path: Path) -> Snu:
    return Snu(lab, engine, tmp_path)


def rename(lab: Lab, old: str, new: str, **settings: Any) -> None:
    """Rename an app everywhere in the stack's file."""

    def change(config: Any) -> None:
        apps = config["snu:apps"]
        apps[new] = {"image": old, **apps.pop(old), **settings}
        for app in apps.values():
            if app.get("variablesFrom") == old:
                app["variablesFrom"] = new
            for value in (app.get("variables") or {}).values():
                if isinstance(value, dict) and value.get("url") == old:
                    value["url"] = new

    lab.project.change(STACK, change)


def protect(lab: Lab, snu: Snu) -> None:
    lab.project.change(STACK, lambda config: config.update({"snu:protect": True}))
    snu.up()


def serving(lab: Lab, host: str) -> str:
    """The name of the container that a host leads to, by its domain; its record leads there too."""
    containers = {each["id"]: each for each in lab.resources("containers.container")}
    container = containers[lab.find("containers.domain", host)["container_id"]]
    label = host.partition(".")[0]
    (record,) = [each for each in lab.resources("domain.record") if (each["name"], each["type"]) == (label, "CNAME")]
    assert record["data"] == container["public_endpoint"].removeprefix("https://") + "."
    return str(container["name"])


def names(lab: Lab, kind: str) -> set[str]:
    return {each["name"] for each in lab.resources(kind)}


def test_a_renamed_app_that_keeps_its_name_keeps_everything_though_it_is_protected(lab: Lab, snu: Snu) -> None:
    lab.project.change(STACK, lambda config: config.update({"snu:jobs": {"report": JOB}}))
    protect(lab, snu)
    container, job = (
        lab.find("containers.container", "local-admin"),
        lab.find("serverless_jobs.definition", "local-report"),
    )
    rename(lab, "admin", "console", renamedFrom="admin", name="local-admin")
    lab.project.change(STACK, lambda config: config.update({"snu:jobs": {"weekly": {**JOB, "renamedFrom": "report"}}}))
    assert "1 to update" in snu("preview").stdout
    snu.up()
    assert lab.find("containers.container", "local-admin")["id"] == container["id"]
    assert lab.find("serverless_jobs.definition", "local-weekly")["id"] == job["id"]
    check_state(lab, STACK)
    lab.project.change(STACK, lambda config: config["snu:apps"]["console"].pop("renamedFrom"))
    lab.project.change(STACK, lambda config: config["snu:jobs"]["weekly"].pop("renamedFrom"))
    snu.unchanged()


def test_components_with_their_former_types_keep_their_resources(lab: Lab, snu: Snu) -> None:
    """Of a state that was written before there was a component package; one app is renamed at the same time."""
    containers = {each["name"]: each["id"] for each in lab.resources("containers.container")}
    for stack in (FOUNDATION, STACK):
        assert with_former_types(lab, stack) > 0
        snu("preview", "--expect-no-changes", stack=stack)
    rename(lab, "admin", "console", renamedFrom="admin", name="local-admin")
    snu("preview", "--expect-no-changes")
    for stack in (FOUNDATION, STACK):
        snu("up", "--yes", stack=stack)
        assert with_former_types(lab, stack) > 0, "the state has the current types"
        snu("up", "--yes", stack=stack)
    assert {each["name"]: each["id"] for each in lab.resources("containers.container")} == containers
    lab.project.change(STACK, lambda config: config["snu:apps"]["console"].pop("renamedFrom"))
    snu.unchanged()


def test_a_renamed_app_whose_container_gets_its_new_name(lab: Lab, snu: Snu) -> None:
    rename(lab, "admin", "console")
    says = f"console-domain would use the domain {HOST}, which admin-domain still uses"
    for command in (("preview",), ("up", "--yes")):
        refused = snu(*command, expect=ExitCode.SETTINGS)
        check_clear(refused, says, "set `renamedFrom: admin` under snu:apps.console in Pulumi.local.yaml")
    assert serving(lab, HOST) == "local-admin"
    lab.project.change(STACK, lambda config: config["snu:apps"]["console"].update(renamedFrom="admin"))
    assert "2 to replace" in snu("preview").stdout
    snu.up()
    assert serving(lab, HOST) == "local-console"
    assert "local-admin" not in names(lab, "containers.container")
    check_no_duplicates(lab)
    check_state(lab, STACK)
    snu.unchanged()


def test_a_renamed_app_with_another_host(lab: Lab, snu: Snu) -> None:
    rename(lab, "admin", "console", host="console.local.snu.localhost")
    snu.up()
    assert serving(lab, "console.local.snu.localhost") == "local-console"
    assert HOST not in {each["hostname"] for each in lab.resources("containers.domain")}
    check_state(lab, STACK)


def test_one_app_is_removed_from_a_protected_stack(lab: Lab, snu: Snu) -> None:
    protect(lab, snu)
    lab.project.change(STACK, lambda config: config["snu:apps"].pop("antivirus"))
    refused = snu("preview", expect=ExitCode.FAILED)
    # The CLI stops at the first of four resources.
    says = "error: this update is blocked by protection: it would delete antivirus"
    check_clear(refused, says, "To allow this: scripts/snu unprotect local antivirus")
    assert refused.stdout.count("error: ") == 1
    assert "pulumi state unprotect" not in refused.stdout
    written = lab.journal()
    snu("unprotect", "antivirus", "--yes")
    assert "4 to delete" in snu("preview").stdout
    assert lab.journal() == written
    snu.up()
    assert "local-antivirus" not in names(lab, "containers.container")
    check_state(lab, STACK)
    others = [each for each in lab.state(STACK)["resources"] if each["type"].startswith("scaleway:")]
    assert [each["urn"] for each in others if not each.get("protect")] == []


def test_an_update_protects_again_what_is_still_in_the_file(lab: Lab, tmp_path: Path) -> None:
    snu = Snu(lab, "embedded", tmp_path)
    protect(lab, snu)
    check_clear(snu("unprotect", "antivirs", "--yes", expect=ExitCode.USAGE), "Did you mean antivirus?")
    snu("unprotect", "antivirus", "admin", "--yes")
    snu.up()
    assert "no resource of antivirus is protected" not in snu("unprotect", "antivirus", "--yes").stdout
    assert "no resource of antivirus is protected" in snu("unprotect", "antivirus", "--yes").stdout
    lab.project.change(STACK, lambda config: config.update({"snu:protect": False}))
    snu.up()
    assert not [each for each in lab.state(STACK)["resources"] if each.get("protect")]


def test_a_host_that_moves_to_another_app_takes_two_updates(lab: Lab, tmp_path: Path) -> None:
    snu = Snu(lab, "embedded", tmp_path)
    app_host = lab.project.config(STACK)["snu:apps"]["app"]["host"]
    lab.project.change(STACK, lambda config: config["snu:apps"]["antivirus"].pop("host"))
    lab.project.change(STACK, lambda config: config["snu:apps"]["tasks"].update(host="antivirus.local.snu.localhost"))
    check_clear(snu("preview", expect=ExitCode.SETTINGS), "in one update, then give it to")
    lab.project.change(STACK, lambda config: config["snu:apps"]["tasks"].pop("host"))
    snu.up()
    lab.project.change(STACK, lambda config: config["snu:apps"]["tasks"].update(host="antivirus.local.snu.localhost"))
    snu.up()
    assert serving(lab, "antivirus.local.snu.localhost") == "local-tasks"
    assert serving(lab, app_host) == "local-app"


# --- environments -------------------------------------------------------------------------------------------


def rename_environment(lab: Lab) -> None:
    """In the foundation only."""
    lab.project.change(
        FOUNDATION,
        lambda config: config.update({"snu:environments": {"moved": config["snu:environments"]["local"]}}),
    )


def test_a_stack_whose_file_alone_is_renamed_is_refused(lab: Lab, snu: Snu) -> None:
    lab.project.stack_file(STACK).rename(lab.project.stack_file("moved"))
    refused = snu("preview", stack="moved", expect=ExitCode.SETTINGS)
    check_clear(refused, "local already manages the domain ", "and 10 other resources")
    assert "pulumi stack rename moved --stack local" in refused.stderr


@needs_pulumi
@pytest.mark.parametrize("file_first", [False, True])
def test_a_stack_is_renamed_with_its_state_and_history(lab: Lab, tmp_path: Path, file_first: bool) -> None:
    """By the documented command, or by the one of the refusal where the file was renamed already."""
    snu = Snu(lab, "pulumi", tmp_path)
    commands = "pulumi stack rename moved --stack local"
    if file_first:
        lab.project.stack_file(STACK).rename(lab.project.stack_file("moved"))
        refusal = snu("preview", stack="moved", expect=ExitCode.SETTINGS).stderr
        commands = refusal.rpartition("was renamed to moved: ")[2].strip()
    cli = Cli(lab.project.directory, tmp_path, lab.project.backend_url)
    for command in commands.split(" && "):
        ended = cli.run(*command.removeprefix("pulumi ").split())
        assert ended.returncode == 0, ended.stderr
    assert not lab.project.stack_file(STACK).exists()
    snu("preview", "--expect-no-changes", stack="moved")
    assert "by " in lab.project.snu("state", "history", "moved").stdout


def test_an_environment_is_renamed_beside_the_old_one(lab: Lab, snu: Snu) -> None:
    rename_environment(lab)
    refused = snu("preview", stack=FOUNDATION, expect=ExitCode.REFUSED)
    check_clear(refused, "no longer contains local", "local has 19 resources", "docs/how-to/renaming.md")
    lab.project.change(STACK, lambda config: config["snu:environment"].update(name="moved"))
    check_clear(snu("preview", expect=ExitCode.FAILED), "has no environment `moved`")
    lab.project.change(
        FOUNDATION,
        lambda config: config["snu:environments"].update({"local": config["snu:environments"]["moved"]}),
    )
    snu("up", "--yes", stack=FOUNDATION)
    stored = lab.project.snu("keys", "store", FOUNDATION)
    assert stored.returncode == ExitCode.OK, stored.stderr
    snu.up()
    assert serving(lab, HOST) == "moved-admin"
    assert names(lab, "containers.namespace") & {"snu-local", "snu-moved"} == {"snu-moved"}
    check_state(lab, STACK)
    rename_environment(lab)
    snu("up", "--yes", stack=FOUNDATION)
    assert names(lab, "registry.namespace") & {"snu-local", "snu-moved"} == {"snu-moved"}
    snu.unchanged()
