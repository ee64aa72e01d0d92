"""From ci to stage to production and back, on the embedded engine and the local Scaleway's registry."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pygit2
import pytest
import yaml

from infra.images.working_copy import WorkingCopy
from infra.settings.built import write_built
from ops.exit_codes import ExitCode
from ops.releases.release import Release
from ops.releases.tags import Releases
from tests.api.oci import Oci, digest_of, manifest
from tests.flows.lab import Lab, Run
from tests.support.configuration import keep_apps
from tests.support.github import Hub, hub
from tests.support.repository import Repository, commit_all, make_repository

pytestmark = pytest.mark.xdist_group("promotion")  # one worker makes their lab

__all__ = ["hub"]
APPS = ("admin", "api")
STAGES = {"ci": None, "stage": "ci", "production": "stage"}
"""Environments, and whose images they take."""
ONLY_STAGE = "antivirus"
"""An image that neither ci nor production runs."""


class Stages:
    """A project with ci, stage and production on one local foundation, and two small apps in git."""

    def __init__(self, folder: Path) -> None:
        self.repository: Repository = make_repository(folder / "project")
        self.lab = Lab(self.repository.project)
        self.folder = self.lab.project.directory
        self.git = self.repository.git
        self._saved = folder / "saved"
        config = self.git.config
        config["user.name"], config["user.email"] = "A Manager", "manager@snu.localhost"

    def prepare(self) -> None:
        """Bring the foundation and ci up."""
        self._write_stacks()
        for name in APPS:
            self.write(f"code/{name}/Dockerfile", "FROM scratch\n")
            self.write(f"code/{name}/main.js", f"// {name}\n")
        images = {name: {"folder": f"code/{name}"} for name in APPS}
        self.write("images.yaml", yaml.safe_dump({"workspace": "code", "images": images}))
        self.commit("Two apps")
        self.lab.project.start_cloud()
        self.lab.up_ok("foundation-local")
        Oci(self.lab.project.api_url).push(f"snu-stage/{ONLY_STAGE}", "local", ONLY_STAGE.encode())
        self.deploy_ci()
        self._first = self.git.head.target
        self.lab.save(self._saved)

    def begin(self) -> None:
        """As ``prepare`` has left it."""
        for name in [name for name in self.git.references if name.startswith(("refs/tags/", "refs/heads/"))]:
            if name != "refs/heads/main":
                self.git.references.delete(name)
        self.git.set_head("refs/heads/main")
        self.git.reset(self._first, pygit2.enums.ResetMode.HARD)
        self.lab.restore(self._saved)
        self.lab.project.start_cloud()

    def _write_stacks(self) -> None:
        foundation = self.lab.project.stack_file("foundation-local")
        document = yaml.safe_load(foundation.read_text())
        local = document["config"]["snu:environments"].pop("local")
        document["config"]["snu:environments"] = dict.fromkeys(STAGES, local)
        foundation.write_text(yaml.safe_dump(document, sort_keys=False))
        template = yaml.safe_load(self.lab.project.stack_file("local").read_text())
        for path in self.folder.glob("Pulumi.*.yaml"):
            if path.name != foundation.name:
                path.unlink()
        for name, source in STAGES.items():
            stack = json.loads(json.dumps(template))
            config = stack["config"]
            config["snu:environment"]["name"] = name
            config |= {"snu:promoteFrom": source} if source else {}
            kept = (*APPS, ONLY_STAGE) if name == "stage" else APPS
            keep_apps(config, {app: self._app(config["snu:apps"][app], app, name) for app in kept})
            if ONLY_STAGE in kept:
                config["snu:images"][ONLY_STAGE]["digest"] = digest_of(manifest(ONLY_STAGE.encode()))
            self.lab.project.stack_file(name).write_text(yaml.safe_dump(stack, sort_keys=False))

    @staticmethod
    def _app(app: dict[str, Any], name: str, environment: str) -> dict[str, Any]:
        kept: dict[str, Any] = {key: app[key] for key in ("cpu", "memory", "maxScale") if key in app}
        return {**kept, "host": f"{name}-{environment}.local.snu.localhost", "variables": {"APP_NAME": name}}

    # --- files ------------------------------------------------------------------------------------------

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def commit(self, message: str) -> str:
        return commit_all(self.git, message)

    def change(self, app: str, message: str) -> str:
        """A commit that changes an app; gives its id."""
        file = self.folder / f"code/{app}/main.js"
        file.write_text(f"{file.read_text()}// {message}\n")
        return self.commit(message)

    def config(self, stack: str) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load(self.lab.project.stack_file(stack).read_text())["config"]
        return found

    def edit(self, stack: str, change: Callable[[dict[str, Any]], object]) -> None:
        path = self.lab.project.stack_file(stack)
        document = yaml.safe_load(path.read_text())
        change(document["config"])
        path.write_text(yaml.safe_dump(document, sort_keys=False))

    def message(self) -> str:
        """Of the last commit."""
        return self.git.head.peel(pygit2.Commit).message

    # --- the command ------------------------------------------------------------------------------------

    def snu(self, *arguments: str, **environment: str) -> Run:
        return self.lab.project.snu(*arguments, **environment)

    def ok(self, *arguments: str, **environment: str) -> Run:
        run = self.snu(*arguments, **environment)
        assert run.returncode == 0, run.stdout + run.stderr
        return run

    def deploy_ci(self) -> None:
        """What `snu images build ci` and `snu up ci` do, without Docker."""
        oci = Oci(self.lab.project.api_url)
        copy = WorkingCopy(self.folder)
        built = {}
        for name in APPS:
            version = copy.inputs(name).version
            content = f"{name} {version}".encode()
            built[name] = {"version": version, "digest": digest_of(oci.push(f"snu-ci/{name}", version, content))}
        write_built(self.folder, "ci", built)
        self.lab.up_ok("ci")

    def deploy(self, stack: str) -> Run:
        """Plan and apply."""
        plan = str(self.folder / f"{stack}.plan")
        self.ok("plan", stack, "--out", plan)
        return self.ok("apply", plan, "--yes")

    def release(self, stack: str, source: str) -> Release:
        """Promote and deploy; gives the release that was recorded."""
        self.ok("promote", source, stack, "--commit")
        self.deploy(stack)
        return self.releases(stack)[0]

    def releases(self, stack: str) -> list[Release]:
        return Releases(self.git).all(stack)

    def digests(self, stack: str) -> dict[str, str]:
        """What the stack's file names."""
        return {name: image["digest"] for name, image in self.config(stack)["snu:images"].items()}

    def tags(self, namespace: str) -> dict[str, list[dict[str, Any]]]:
        """The tags of a registry, by image."""
        region = "/registry/v1/regions/fr-par"
        (held,) = self.lab.ask("GET", f"{region}/namespaces?name={namespace}")["namespaces"]
        images = self.lab.ask("GET", f"{region}/images?namespace_id={held['id']}")["images"]
        return {each["name"]: self.lab.ask("GET", f"{region}/images/{each['id']}/tags")["tags"] for each in images}

    def tag_names(self, namespace: str) -> set[str]:
        return {tag["name"] for tags in self.tags(namespace).values() for tag in tags}

    def age_tags(self) -> None:
        """Make all tags that there are a hundred days old."""
        self.lab.project.stop_cloud()
        file = next((self.folder / ".local/scaleway").glob("state*"))
        with closing(sqlite3.connect(file)) as db, db:
            for id, body in db.execute("SELECT id, body FROM resources WHERE kind = 'registry.tag'").fetchall():
                old = (datetime.now(UTC) - timedelta(days=100)).isoformat()
                aged = json.dumps({**json.loads(body), "created_at": old, "updated_at": old})
                db.execute("UPDATE resources SET body = ? WHERE kind = 'registry.tag' AND id = ?", (aged, id))
        self.lab.project.start_cloud()

    def write_state(self, stack: str, text: str) -> None:
        self.lab.state_file(stack).write_text(text)

    def delete_tags(self, namespace: str, version: str) -> None:
        for tag in [tag for tags in self.tags(namespace).values() for tag in tags if tag["name"] == version]:
            self.lab.ask("DELETE", f"/registry/v1/regions/fr-par/tags/{tag['id']}")

    def runs(self, stack: str) -> dict[str, str]:
        """The digests that the stack's containers have, in the cloud."""
        found = {}
        for container in self.lab.resources("containers.container"):
            app = container["name"].removeprefix(f"{stack}-")
            if app != container["name"]:
                found[app] = container["image"].partition("@")[2]
        return found


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    made = Stages(tmp_path_factory.mktemp("promotion"))
    try:
        made.prepare()
        yield made
    finally:
        made.lab.project.stop_cloud()


@pytest.fixture
def stages(prepared: Stages) -> Stages:
    prepared.begin()
    return prepared


def test_a_change_goes_from_ci_to_production(stages: Stages) -> None:
    """What the source runs, and not what main is now; each state is a release."""
    stages.release("stage", "ci")
    fix = stages.change("api", "Mend the api")
    stages.deploy_ci()
    running = stages.runs("ci")
    stages.change("admin", "Not deployed yet")

    run = stages.ok("promote", "ci", "stage", "--commit", "--markdown", "log.md", "--slack", "log.slack")
    assert {name: stages.digests("stage")[name] for name in APPS} == running
    assert "antivirus" in run.stdout
    assert "Stays as it is, as ci does not run it" in run.stdout
    assert stages.message().startswith("Promote ci to stage: api\n")
    assert f"{fix[:8]} Mend the api (Test)" in stages.message()
    assert "Not deployed yet" not in stages.message()
    assert f"- `{fix[:8]}` `Mend the api`" in (stages.folder / "log.md").read_text()
    assert f"• `{fix[:8]}` Mend the api" in (stages.folder / "log.slack").read_text()
    changed = stages.git.diff("HEAD~1", "HEAD")
    assert [delta.new_file.path for delta in changed.deltas] == ["Pulumi.stage.yaml"]
    applied = stages.git.head.target

    for name in ("log.md", "log.slack"):
        (stages.folder / name).unlink()
    deployed = stages.deploy("stage")
    newest, first = stages.releases("stage")
    assert f"Release {newest.name} at {str(applied)[:12]}" in deployed.stdout
    assert newest.commit == str(applied)
    assert newest.number == first.number + 1
    assert {name: image.digest for name, image in newest.images.items()} == stages.digests("stage")
    assert stages.runs("stage")["api"] == running["api"]

    stages.release("production", "stage")
    assert {name: stages.runs("production")[name] for name in APPS} == running
    again = stages.ok("promote", "stage", "production", "--commit")
    assert "Nothing to promote: Pulumi.production.yaml names what stage runs already." in again.stdout
    assert stages.message().startswith("Promote stage to production")
    listed = json.loads(stages.ok("releases", "stage", "--json").stdout)
    assert [each["release"] for each in listed] == [newest.name, first.name]


def test_what_is_not_allowed_is_refused_before_anything_changes(stages: Stages) -> None:
    before = stages.lab.journal()
    run = stages.snu("promote", "ci", "production")
    assert run.returncode == ExitCode.USAGE
    assert "Pulumi.production.yaml takes its images from stage" in run.stderr
    assert "Allowed: `snu promote stage production`, `snu promote ci stage`." in run.stderr
    run = stages.snu("promote", "stage", "ci")
    assert "Pulumi.ci.yaml has no snu:promoteFrom" in run.stderr

    run = stages.snu("promote", "stage", "production")
    assert run.returncode == ExitCode.FAILED
    assert "stage runs nothing" in run.stderr

    stages.write("Pulumi.stage.yaml", (stages.folder / "Pulumi.stage.yaml").read_text() + "# mine\n")
    run = stages.snu("promote", "ci", "stage", "--commit")
    assert run.returncode == ExitCode.USAGE
    assert "Pulumi.stage.yaml has changes that are not committed" in run.stderr
    assert stages.lab.journal() == before
    # Without --commit it is the user's to commit, with what else has changed.
    stages.ok("promote", "ci", "stage")
    assert (stages.folder / "Pulumi.stage.yaml").read_text().endswith("# mine\n")


def test_other_changes_stay_out_of_the_commit(stages: Stages) -> None:
    stages.write("code/api/main.js", "// under work\n")
    stages.write("new.txt", "new\n")
    stages.git.index.add("new.txt")
    stages.git.index.write()
    stages.ok("promote", "ci", "stage", "--commit")
    changed = stages.git.diff("HEAD~1", "HEAD")
    assert [delta.new_file.path for delta in changed.deltas] == ["Pulumi.stage.yaml"]
    status = stages.git.status()
    assert status["new.txt"] == pygit2.enums.FileStatus.INDEX_NEW
    assert status["code/api/main.js"] == pygit2.enums.FileStatus.WT_MODIFIED
    assert "Pulumi.stage.yaml" not in status
    (stages.folder / "new.txt").unlink()


def test_an_image_that_is_gone_is_named_and_nothing_is_written(stages: Stages) -> None:
    before = stages.digests("stage")
    images = stages.lab.ask("GET", "/registry/v1/regions/fr-par/images")["images"]
    api = next(image for image in images if image["name"] == "api")
    stages.lab.ask("DELETE", f"/registry/v1/regions/fr-par/images/{api['id']}")
    run = stages.snu("promote", "ci", "stage")
    assert run.returncode == ExitCode.FAILED
    assert "was not copied" in run.stderr
    assert f"snu-ci/api does not have {stages.runs('ci')['api']}" in run.stderr
    assert "No file was changed" in run.stderr
    assert stages.digests("stage") == before


def test_the_source_may_need_a_key_of_its_own(stages: Stages) -> None:
    """Neither key is printed, and half a key is none."""
    run = stages.snu("promote", "ci", "stage", SNU_SOURCE_SECRET_KEY="5ec4e700-0000-4000-8000-000000000000")
    assert run.returncode == ExitCode.ENVIRONMENT
    assert "Only one of SNU_SOURCE_ACCESS_KEY and SNU_SOURCE_SECRET_KEY is set" in run.stderr
    assert "5ec4e700" not in run.stdout + run.stderr


def test_a_deploy_that_cannot_be_recorded_is_good_all_the_same(stages: Stages) -> None:
    stages.ok("promote", "ci", "stage", "--commit")
    stages.git.references.create("refs/tags/stage", stages.git.head.target)
    run = stages.deploy("stage")
    assert "stage is deployed, and not recorded as a release: git does not take the tag stage/" in run.stdout
    assert stages.runs("stage")["api"] == stages.runs("ci")["api"]


def test_only_good_deploys_of_promoted_stacks_are_releases(stages: Stages) -> None:
    stages.deploy("ci")
    assert not [name for name in stages.git.references if name.startswith("refs/tags/ci")]
    stages.ok("promote", "ci", "stage", "--commit")
    plan = str(stages.folder / "stage.plan")
    stages.ok("plan", "stage", "--out", plan)
    stages.lab.fault("container_error", match={"name": "stage-api"})
    run = stages.snu("apply", plan, "--yes")
    assert run.returncode == ExitCode.CONTAINERS
    assert "Go back to the release before with: snu rollback stage" in run.stderr
    assert stages.releases("stage") == []
    stages.lab.clear_faults()


# --- the way back ---------------------------------------------------------------------------------------


def test_going_back_restores_images_and_variables_and_nothing_else(stages: Stages) -> None:
    first = stages.release("stage", "ci")
    stages.change("api", "Break it a little")
    stages.deploy_ci()

    def change(config: dict[str, Any]) -> None:
        api = config["snu:apps"]["api"]
        api["variables"] = {"APP_NAME": "other", "NEW": "1"}
        api["memory"] = 1024

    stages.edit("stage", change)
    stages.commit("Other variables and more memory")
    second = stages.release("stage", "ci")
    third = stages.change("api", "Break it altogether")
    stages.deploy_ci()
    stages.ok("promote", "ci", "stage", "--commit")
    plan = str(stages.folder / "stage.plan")
    stages.ok("plan", "stage", "--out", plan)
    stages.lab.fault("container_error", match={"name": "stage-api"})
    assert stages.snu("apply", plan, "--yes").returncode == ExitCode.CONTAINERS
    stages.lab.clear_faults()

    # What runs is no release: one back from it is the newest one.
    run = stages.ok("rollback", "stage", "--commit")
    assert stages.message().startswith(f"Roll stage back to {second.name}\n")
    assert f"without {third[:8]} Break it altogether" in stages.message()
    for text in (run.stdout, stages.message()):
        assert "Not rolled back: what is in databases" in text
    assert stages.digests("stage")["api"] == second.images["api"].digest
    assert stages.config("stage")["snu:apps"]["api"]["variables"]["NEW"] == "1"
    changed = stages.git.diff("HEAD~1", "HEAD")
    assert [delta.new_file.path for delta in changed.deltas] == ["Pulumi.stage.yaml"]
    stages.deploy("stage")
    assert stages.runs("stage")["api"] == second.images["api"].digest

    # That way back is a release as well, and one back from it lies before what it went back to.
    stages.ok("rollback", "stage", "--commit")
    assert stages.message().startswith(f"Roll stage back to {first.name}\n")
    api = stages.config("stage")["snu:apps"]["api"]
    assert api["variables"] == {"APP_NAME": "api"}
    assert api["memory"] == 1024
    assert stages.digests("stage")["api"] == first.images["api"].digest
    stages.deploy("stage")
    assert stages.runs("stage")["api"] == first.images["api"].digest
    run = stages.snu("rollback", "stage")
    assert run.returncode == ExitCode.FAILED
    assert "there is no other release before it to go back to" in run.stderr


def test_what_cannot_be_gone_back_to_is_said(stages: Stages) -> None:
    run = stages.snu("rollback", "stage")
    assert run.returncode == ExitCode.FAILED
    assert "stage has no release to go back to" in run.stderr
    run = stages.snu("rollback", "ci")
    assert run.returncode == ExitCode.USAGE
    assert "ci has no snu:promoteFrom" in run.stderr
    assert "No release of stage is known" in stages.ok("releases", "stage").stdout

    first = stages.release("stage", "ci")
    run = stages.ok("rollback", "stage", "--to", first.name, "--commit")
    assert f"Nothing to write: Pulumi.stage.yaml names the images and variables of {first.name}." in run.stdout
    stages.change("api", "Another one")
    stages.deploy_ci()
    stages.ok("promote", "ci", "stage", "--commit")
    before = stages.digests("stage")
    stages.delete_tags("snu-stage", first.images["api"].version)
    run = stages.snu("rollback", "stage", "--to", first.name)
    assert run.returncode == ExitCode.FAILED
    assert "images of it are gone from the registry:" in run.stderr
    assert f"/snu-stage/api@{first.images['api'].digest} (version {first.images['api'].version})" in run.stderr
    assert "/snu-stage/admin@" not in run.stderr
    assert stages.digests("stage") == before
    run = stages.snu("rollback", "stage", "--to", "2020-01-01.1")
    assert run.returncode == ExitCode.USAGE
    assert f"Its newest releases: {first.name}." in run.stderr


def test_variables_that_do_not_fit_today_change_nothing(stages: Stages) -> None:
    first = stages.release("stage", "ci")

    def refer(config: dict[str, Any]) -> None:
        config["snu:apps"]["api"]["variables"]["ADMIN_URL"] = {"url": "antivirus"}

    stages.edit("stage", refer)
    stages.commit("Refer to an app")
    stages.ok("promote", "ci", "stage")
    stages.deploy("stage")
    second = stages.releases("stage")[0]
    assert second.name != first.name

    def drop(config: dict[str, Any]) -> None:
        del config["snu:apps"]["antivirus"], config["snu:apps"]["api"]["variables"]["ADMIN_URL"]
        del config["snu:images"]["antivirus"]

    stages.edit("stage", drop)
    before = stages.lab.project.stack_file("stage").read_text()
    run = stages.snu("rollback", "stage", "--to", second.name)
    assert run.returncode == ExitCode.SETTINGS
    assert f"The variables of {second.name} do not fit what stage is today" in run.stderr
    assert stages.lab.project.stack_file("stage").read_text() == before


# --- old versions leave ---------------------------------------------------------------------------------


def test_old_versions_leave_a_registry_and_what_is_needed_stays(stages: Stages) -> None:
    oci = Oci(stages.lab.project.api_url)
    first = stages.release("stage", "ci")  # then runs in ci no more, but can be gone back to in stage
    stages.change("api", "Another one")
    stages.deploy_ci()
    second = stages.release("stage", "ci")
    for namespace in ("snu-ci", "snu-stage"):
        oci.push(f"{namespace}/api", "needless", b"needless")
    previewed = digest_of(oci.push("snu-ci/api", "previewed", b"previewed"))
    # Another preview's state, whose file nobody has here; and an update that did not come to its end.
    state = json.loads(stages.lab.state_file("ci").read_text())
    state["checkpoint"]["latest"]["resources"][1]["inputs"] = {"image": f"x/api@{previewed}"}
    stages.write_state("pr-7", json.dumps(state))
    stages.age_tags()
    oci.push("snu-stage/api", "young", b"young")

    listed = stages.ok("images", "clean", "--all").stdout
    assert "would be deleted; nothing was" in listed
    assert "stays: in the state of pr-7" in listed
    assert f"stays: in the release {first.name}" in listed
    assert "stays: younger than 60 days" in listed
    going = {line.split()[0] for line in listed.splitlines() if line.endswith("goes")}
    old_api = first.images["api"].version
    assert going == {"api:needless"}
    assert "needless" in stages.tag_names("snu-stage")

    stages.ok("images", "clean", "stage", "--yes")
    assert "needless" not in stages.tag_names("snu-stage")
    assert "needless" in stages.tag_names("snu-ci")
    assert {old_api, second.images["api"].version, "young"} <= stages.tag_names("snu-stage")
    stages.ok("rollback", "stage", "--to", first.name)
    assert "Nothing to delete." in stages.ok("images", "clean", "stage", "--yes").stdout

    # The one release that is kept is the newest; the file names the first one until that is put back.
    stages.git.reset(stages.git.head.target, pygit2.enums.ResetMode.HARD)
    stages.ok("images", "clean", "stage", "--yes", "--keep-releases", "1")
    assert old_api not in stages.tag_names("snu-stage")
    assert second.images["api"].version in stages.tag_names("snu-stage")


def test_nothing_is_deleted_where_something_is_not_known(stages: Stages) -> None:
    Oci(stages.lab.project.api_url).push("snu-ci/api", "needless", b"needless")
    stages.age_tags()
    run = stages.snu("images", "clean")
    assert run.returncode == ExitCode.USAGE
    stages.write_state("pr-7", "{")
    run = stages.snu("images", "clean", "ci", "--yes")
    assert run.returncode == ExitCode.ENVIRONMENT
    assert "What ci runs is not known" in run.stderr
    assert "Nothing was deleted" in run.stderr
    stages.lab.state_file("pr-7").unlink()
    (stages.folder / ".git/shallow").write_text(f"{stages.git.head.target}\n")
    run = stages.snu("images", "clean", "ci", "--yes")
    (stages.folder / ".git/shallow").unlink()
    assert run.returncode == ExitCode.USAGE
    assert "git fetch --unshallow --tags" in run.stderr
    stages.lab.fault("server_error", match={"method": "DELETE", "path": "/registry/*"}, status=503)
    run = stages.snu("images", "clean", "ci", "--yes")
    assert run.returncode == ExitCode.FAILED
    assert "api:needless: Scaleway answers 503" in run.stderr
    stages.lab.clear_faults()
    assert "needless" in stages.tag_names("snu-ci")
    stages.ok("images", "clean", "ci", "--yes")
    assert "needless" not in stages.tag_names("snu-ci")


# --- hot-fix --------------------------------------------------------------------------------------------


def test_a_hot_fix_reaches_production_with_nothing_else(stages: Stages, hub: Hub) -> None:
    stages.release("stage", "ci")
    before = stages.release("production", "stage")
    stages.change("admin", "main goes on")
    stages.deploy_ci()
    stages.release("stage", "ci")
    stages.delete_tags("snu-stage", before.images["admin"].version)
    run = stages.snu("hotfix", "check")
    assert run.returncode == ExitCode.USAGE
    assert "A hot-fix of production is made on the branch production_hotfix; this is main" in run.stderr

    cut = stages.git[before.commit].peel(pygit2.Commit)
    stages.git.branches.local.create("production_hotfix", cut)
    stages.git.checkout("refs/heads/production_hotfix")
    fix = stages.change("api", "Fix it")
    assert before.name in stages.ok("hotfix", "check").stdout
    run = stages.snu("hotfix", "build", "--commit", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert run.returncode == ExitCode.ENVIRONMENT
    assert str(stages.git.head.target) == fix

    # As if Docker had built it.
    version = WorkingCopy(stages.folder).inputs("api").version
    fixed = digest_of(Oci(stages.lab.project.api_url).push("snu-stage/api", version, b"fixed"))
    run = stages.ok("hotfix", "build", "--commit")
    assert "snu promote stage production --commit" in run.stdout
    assert f"{fix[:8]} Fix it" in stages.message()
    wanted = {"api": fixed, "admin": before.images["admin"].digest}
    assert {name: stages.digests("stage")[name] for name in APPS} == wanted
    assert before.images["admin"].version in stages.tag_names("snu-stage")
    finish = ("hotfix", "finish", "--repo", "octo/snu", "--api-url", hub.url)
    run = stages.snu(*finish, GITHUB_TOKEN="t0ken")
    assert run.returncode == ExitCode.FAILED
    assert f"production does not run the fix yet: api {version[:12]}" in run.stderr

    stages.deploy("stage")
    stages.release("production", "stage")
    assert stages.runs("production") == wanted
    hub.known.add(str(stages.git.head.target))
    hub.branches["production_hotfix"] = str(stages.git.head.target)
    run = stages.ok(*finish, "--delete-branch", GITHUB_TOKEN="t0ken")
    assert "Pull request opened: https://github.example/octo/snu/pull/1" in run.stdout
    assert "Deleted the branch production_hotfix" in run.stdout
    assert f"`{fix[:8]}` `Fix it`" in hub.pulls[0]["body"]
    assert "main goes on" not in hub.pulls[0]["body"]
    assert "t0ken" not in run.stdout + run.stderr
