"""From ci to stage to production and back, on the embedded engine and the local registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pygit2
import pytest

from infra.images.working_copy import WorkingCopy
from ops.exit_codes import ExitCode
from tests.lab.promotion import APPS, Stages, prepared, stages
from tests.support.github import TOKEN, FakeGitHub, hub
from tests.support.oci import Oci, digest_of
from tests.support.seed import ORGANIZATION

pytestmark = pytest.mark.xdist_group("promotion")  # one worker makes their lab

__all__ = ["hub", "prepared", "stages"]


def test_a_change_goes_from_ci_to_production(stages: Stages) -> None:
    """Promotes what the source runs, not the current main; each deployment is a release."""
    stages.release("stage", "ci")
    fix = stages.change("api", "Mend the api")
    stages.deploy_ci()
    running = stages.runs("ci")
    stages.change("admin", "Not deployed yet")

    run = stages.ok("promote", "ci", "stage", "--commit", "--markdown", "log.md", "--slack", "log.slack")
    assert {name: stages.digests("stage")[name] for name in APPS} == running
    assert "antivirus" in run.stdout
    assert "Unchanged because ci does not run them" in run.stdout
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
    assert "Nothing to promote: Pulumi.production.yaml already lists the images that stage runs." in again.stdout
    assert stages.message().startswith("Promote stage to production")
    listed = json.loads(stages.ok("releases", "stage", "--json").stdout)["releases"]
    assert [each["release"] for each in listed] == [newest.name, first.name]


def test_disallowed_promotions_change_nothing(stages: Stages) -> None:
    before = stages.lab.journal()
    run = stages.snu("promote", "ci", "production")
    assert run.returncode == ExitCode.USAGE
    assert "Pulumi.production.yaml has snu:promoteFrom stage" in run.stderr
    assert "Allowed: `scripts/snu promote stage production`, `scripts/snu promote ci stage`." in run.stderr
    run = stages.snu("promote", "stage", "ci")
    assert "Pulumi.ci.yaml has no snu:promoteFrom" in run.stderr

    run = stages.snu("promote", "stage", "production")
    assert run.returncode == ExitCode.FAILED
    assert "stage runs no images" in run.stderr

    stages.write("Pulumi.stage.yaml", (stages.folder / "Pulumi.stage.yaml").read_text() + "# mine\n")
    run = stages.snu("promote", "ci", "stage", "--commit")
    assert run.returncode == ExitCode.USAGE
    assert "Pulumi.stage.yaml has uncommitted changes" in run.stderr
    assert stages.lab.journal() == before
    # Without --commit it is the user's to commit, with what else has changed.
    stages.ok("promote", "ci", "stage")
    assert (stages.folder / "Pulumi.stage.yaml").read_text().endswith("# mine\n")


def test_other_changes_stay_out_of_the_commit(stages: Stages) -> None:
    stages.write("code/api/main.js", "// under work\n")
    stages.write("new.txt", "new\n")
    stages.git.index.add("new.txt")
    stages.git.index.write()
    written = stages.ok("promote", "ci", "stage")
    again = stages.ok("promote", "ci", "stage", "--commit")
    assert "and committed it as" in again.stdout
    assert written.stdout.split("\n\n")[1] == again.stdout.split("\n\n")[1]  # the changelog
    changed = stages.git.diff("HEAD~1", "HEAD")
    assert [delta.new_file.path for delta in changed.deltas] == ["Pulumi.stage.yaml"]
    status = stages.git.status()
    assert status["new.txt"] == pygit2.enums.FileStatus.INDEX_NEW
    assert status["code/api/main.js"] == pygit2.enums.FileStatus.WT_MODIFIED
    assert "Pulumi.stage.yaml" not in status
    (stages.folder / "new.txt").unlink()


def test_a_missing_image_is_named_and_nothing_is_written(stages: Stages) -> None:
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
    """Neither key is printed, and half a key is rejected."""
    run = stages.snu("promote", "ci", "stage", SNU_SOURCE_SECRET_KEY="5ec4e700-0000-4000-8000-000000000000")
    assert run.returncode == ExitCode.ENVIRONMENT
    assert "Only one of SNU_SOURCE_ACCESS_KEY and SNU_SOURCE_SECRET_KEY is set" in run.stderr
    assert "5ec4e700" not in run.stdout + run.stderr


def test_a_deployment_succeeds_without_a_release_tag(stages: Stages) -> None:
    stages.ok("promote", "ci", "stage", "--commit")
    stages.git.references.create("refs/tags/stage", stages.git.head.target)
    run = stages.deploy("stage")
    assert "stage was deployed, but not recorded as a release: git could not create the tag stage/" in run.stdout
    assert stages.runs("stage")["api"] == stages.runs("ci")["api"]


def test_only_successful_deployments_of_promoted_stacks_are_releases(stages: Stages) -> None:
    stages.deploy("ci")
    assert not [name for name in stages.git.references if name.startswith("refs/tags/ci")]
    stages.ok("promote", "ci", "stage", "--commit")
    plan = str(stages.folder / "stage.plan")
    stages.ok("plan", "stage", "--out", plan)
    stages.lab.fault("container_error", match={"name": "stage-api"})
    run = stages.snu("apply", plan, "--yes")
    assert run.returncode == ExitCode.CONTAINERS
    assert "To return to the previous release: scripts/snu rollback stage" in run.stderr
    assert stages.releases("stage") == []
    assert "stage does not run a recorded release" in stages.ok("promote", "stage", "production").stdout
    stages.lab.clear_faults()


# --- the way back ---------------------------------------------------------------------------------------


def test_a_rollback_restores_only_images_and_variables(stages: Stages) -> None:
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
    assert f"removes {third[:8]} Break it altogether" in stages.message()
    for text in (run.stdout, stages.message()):
        assert "Not rolled back: databases and their migrations" in text
    assert stages.digests("stage")["api"] == second.images["api"].digest
    assert stages.config("stage")["snu:apps"]["api"]["variables"]["NEW"] == "1"
    changed = stages.git.diff("HEAD~1", "HEAD")
    assert [delta.new_file.path for delta in changed.deltas] == ["Pulumi.stage.yaml"]
    stages.deploy("stage")
    assert stages.runs("stage")["api"] == second.images["api"].digest

    # That way back is a release as well, and one back from it lies before what it went back to.
    stages.ok("rollback", "stage")  # written, and committed by another run
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
    assert "has no earlier release to roll back to" in run.stderr


def test_impossible_rollbacks_are_explained(stages: Stages) -> None:
    run = stages.snu("rollback", "stage")
    assert run.returncode == ExitCode.FAILED
    assert "This clone has no earlier release of stage" in run.stderr
    run = stages.snu("rollback", "ci")
    assert run.returncode == ExitCode.USAGE
    assert "ci has no snu:promoteFrom" in run.stderr
    assert "stage has no known releases" in stages.ok("releases", "stage").stdout

    first = stages.release("stage", "ci")
    run = stages.ok("rollback", "stage", "--to", first.name, "--commit")
    assert f"Nothing to write: Pulumi.stage.yaml already has the images and variables of {first.name}." in run.stdout
    stages.change("api", "Another one")
    stages.deploy_ci()
    stages.ok("promote", "ci", "stage", "--commit")
    before = stages.digests("stage")
    stages.delete_tags("snu-stage", first.images["api"].version)
    run = stages.snu("rollback", "stage", "--to", first.name)
    assert run.returncode == ExitCode.FAILED
    assert "these images are no longer in the registry:" in run.stderr
    assert f"/snu-stage/api@{first.images['api'].digest} (version {first.images['api'].version})" in run.stderr
    assert "/snu-stage/admin@" not in run.stderr
    assert stages.digests("stage") == before
    run = stages.snu("rollback", "stage", "--to", "2020-01-01.1")
    assert run.returncode == ExitCode.USAGE
    assert f"Latest releases: {first.name}." in run.stderr


def test_variables_that_no_longer_fit_change_nothing(stages: Stages) -> None:
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
    assert f"The variables of {second.name} do not match the settings of stage" in run.stderr
    assert stages.lab.project.stack_file("stage").read_text() == before


# --- old versions leave ---------------------------------------------------------------------------------


def test_old_versions_are_deleted_and_used_ones_kept(stages: Stages) -> None:
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
    waits, built = (digest_of(oci.push("snu-stage/api", tag, tag.encode())) for tag in ("waits", "built"))
    stages.edit("stage", lambda config: config["snu:images"]["api"].update(version="waits", digest=waits))
    stages.commit("Plan something")
    stages.ok("plan", "stage", "--out", str(stages.folder / "waits.plan"))
    stages.git.reset(stages.git.head.peel(pygit2.Commit).parents[0].id, pygit2.enums.ResetMode.HARD)
    with (stages.folder / ".local/images/ci.yaml").open("a") as file:
        file.write(f"# {built}\n")
    stages.age_tags()
    oci.push("snu-stage/api", "young", b"young")

    listed = stages.ok("images", "clean", "--all").stdout
    assert "to delete. Nothing was changed" in listed
    assert "keep: in the state of pr-7" in listed
    assert f"keep: in the release {first.name}" in listed
    assert "keep: younger than 60 days" in listed
    assert "keep: in a waiting plan of stage" in listed
    assert "keep: in .local/images/ci.yaml" in listed
    going = {line.split()[0] for line in listed.splitlines() if line.endswith("delete")}
    old_api = first.images["api"].version
    assert going == {"api:needless"}
    assert "needless" in stages.tag_names("snu-stage")

    stages.ok("images", "clean", "stage", "--yes")
    assert "needless" not in stages.tag_names("snu-stage")
    assert "needless" in stages.tag_names("snu-ci")
    kept = {old_api, second.images["api"].version, "young", "waits", "built"}
    assert kept <= stages.tag_names("snu-stage")
    stages.ok("rollback", "stage", "--to", first.name)
    assert "Nothing to delete." in stages.ok("images", "clean", "stage", "--yes").stdout

    # The one release that is kept is the newest; the file names the first one until that is put back.
    stages.git.reset(stages.git.head.target, pygit2.enums.ResetMode.HARD)
    stages.ok("images", "clean", "stage", "--yes", "--keep-releases", "1")
    assert old_api not in stages.tag_names("snu-stage")
    left = stages.tag_names("snu-stage")
    assert second.images["api"].version in left

    for name in [name for name in stages.git.references if name.startswith("refs/tags/stage/")]:
        stages.git.references.delete(name)  # as in a clone without tags
    run = stages.snu("images", "clean", "stage", "--yes", "--older-than", "1d")
    assert run.returncode == ExitCode.USAGE, run.stdout
    assert "git fetch --tags" in run.stderr
    assert stages.tag_names("snu-stage") == left


def test_nothing_is_deleted_if_usage_is_unknown(stages: Stages) -> None:
    Oci(stages.lab.project.api_url).push("snu-ci/api", "needless", b"needless")
    stages.age_tags()
    run = stages.snu("images", "clean")
    assert run.returncode == ExitCode.USAGE
    stages.write_state("pr-7", "{")
    run = stages.snu("images", "clean", "ci", "--yes")
    assert run.returncode == ExitCode.ENVIRONMENT
    assert "A registry cannot be cleaned because the images that ci runs are unknown" in run.stderr
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
    assert "api:needless: Scaleway returned 503" in run.stderr
    stages.lab.clear_faults()
    assert "needless" in stages.tag_names("snu-ci")
    stages.ok("images", "clean", "ci", "--yes")
    assert "needless" not in stages.tag_names("snu-ci")


# --- hot-fix --------------------------------------------------------------------------------------------


def test_a_hotfix_reaches_production_alone(stages: Stages, hub: FakeGitHub) -> None:
    stages.release("stage", "ci")
    before = stages.release("production", "stage")
    stages.change("admin", "main goes on")
    stages.deploy_ci()
    stages.release("stage", "ci")
    stages.delete_tags("snu-stage", before.images["admin"].version)
    run = stages.snu("hotfix", "check")
    assert run.returncode == ExitCode.USAGE
    assert "A hotfix of production must be on the branch production_hotfix, but main is checked out" in run.stderr

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
    run = stages.snu(*finish, GITHUB_TOKEN=TOKEN)
    assert run.returncode == ExitCode.FAILED
    assert f"production does not run the fix yet: api {version[:12]}" in run.stderr

    stages.deploy("stage")
    stages.release("production", "stage")
    assert stages.runs("production") == wanted
    hub.commits = {str(stages.git.head.target)}
    hub.branches["production_hotfix"] = str(stages.git.head.target)
    run = stages.ok(*finish, "--delete-branch", GITHUB_TOKEN=TOKEN)
    assert "Pull request opened: https://github.example/octo/snu/pull/1" in run.stdout
    assert "Deleted the branch production_hotfix" in run.stdout
    assert f"`{fix[:8]}` `Fix it`" in hub.opened[0].body
    assert "main goes on" not in hub.opened[0].body
    assert TOKEN not in run.stdout + run.stderr


# --- repeated and overtaken -----------------------------------------------------------------------------


def test_each_step_of_a_release_can_be_repeated(stages: Stages, hub: FakeGitHub, tmp_path: Path) -> None:
    origin = pygit2.init_repository(str(tmp_path / "origin.git"), bare=True)
    stages.git.remotes.create("origin", origin.path)
    github = ("--repo", "octo/snu", "--api-url", hub.url)

    def twice(*arguments: str) -> tuple[str, str]:
        first, second = (stages.ok(*arguments, GITHUB_TOKEN=TOKEN).stdout for _ in range(2))
        return first, second

    def deployed(stack: str, source: str) -> str:
        stages.ok("promote", source, stack, "--commit", "--as-named")
        commit = str(stages.git.head.target)
        first, second = twice("release", "push", "release_candidate")
        assert f"moved to {commit[:12]}" in first
        assert f"already contains {commit[:12]}" in second
        plan = str(stages.folder / f"{stack}.plan")
        stages.ok("plan", stack, "--out", plan)
        first, second = twice("apply", plan, "--yes")
        newest = stages.releases(stack)[0]
        assert newest.commit == commit
        assert f"Release {newest.name}" in first
        assert f"Release {newest.name}" in second
        return commit

    assert "production has no release yet" in stages.ok("release", "check", "production").stdout
    old = deployed("stage", "ci")
    first, second = twice("release", "publish", "stage")
    assert "pushed at" in first
    assert "was already pushed" in second
    released = deployed("production", "stage")
    first, second = twice("release", "publish", "production", "--branch", "production")
    assert "production moved to" in first
    assert "production is already at" in second
    assert str(origin.references["refs/heads/production"].target) == released
    assert len([name for name in origin.references if name.startswith("refs/tags/")]) == 2
    hub.commits = {released}
    first, second = twice("release", "finish", "production", "--branch", "release_candidate", *github)
    assert "Pull request opened: https://github.example/octo/snu/pull/1" in first
    assert "Pull request already exists: https://github.example/octo/snu/pull/1" in second
    assert "can be deleted with --delete-branch" in second
    assert f"contains commit {released[:12]}" in stages.ok("release", "check", "production").stdout

    # Another release overtakes a run that still has the old commit.
    stages.change("api", "next")
    stages.deploy_ci()
    stages.release("stage", "ci")
    stages.git.branches.local.create("overtaken", stages.git[old].peel(pygit2.Commit))
    stages.git.checkout("refs/heads/overtaken")
    hub.pulls[1].commit = released
    for arguments, says in {
        (
            "promote",
            "stage",
            "production",
            "--commit",
            "--as-named",
        ): "another release has been deployed to stage since",
        ("up", "ci", "--yes", "--refuse-older"): "ci already runs the newer commit",
        (
            "release",
            "check",
            "production",
            *github,
        ): "Merge https://github.example/octo/snu/pull/1 with a merge commit, then push",
    }.items():
        run = stages.snu(*arguments, GITHUB_TOKEN=TOKEN)
        assert run.returncode == ExitCode.REFUSED, run.stdout + run.stderr
        assert says in run.stderr


def test_a_promotion_first_says_which_keys_the_target_lacks(stages: Stages) -> None:
    """And a comparison of the documents lists them, together with secrets that both have."""
    take: dict[str, Any] = {"documentVariables": ["ENDPOINT"], "secretVariables": ["NEW", "SHARED"]}
    stages.edit("stage", lambda config: config["snu:apps"]["api"].update(take))
    documents = {
        "ci": {"NEW": "s3cret-ci", "SHARED": "s3cret-shared", "ENDPOINT": "same", "ONLY_CI": "x"},
        "stage": {"SHARED": "s3cret-shared", "ENDPOINT": "same"},
    }
    for stack, document in documents.items():
        (found,) = [
            each
            for each in stages.lab.resources("secret_manager.secret")
            if each["name"] == f"snu-{stack}" and each["project_id"] != ORGANIZATION
        ]
        stages.lab.write_secret(found["id"], json.dumps(document).encode())
    promoted = stages.ok("promote", "ci", "stage")
    assert "warning: stage: snu-stage lacks 1 key that apps or jobs need:" in promoted.stderr
    assert "NEW: missing (used by app api)" in promoted.stderr
    assert "Set each key with `scripts/snu secrets set stage KEY`." in promoted.stderr

    compared = stages.ok("secrets", "compare", "ci", "stage")
    assert "Only in ci:\n  NEW  missing in stage, where it is used by app api\n  ONLY_CI\n" in compared.stdout
    assert "Secret variables with the same value in ci and stage:\n  SHARED\n" in compared.stdout
    listed = json.loads(stages.ok("secrets", "compare", "stage", "ci", "--json").stdout)
    assert listed == {
        "schema": "snu.secrets-compare/1",
        "first": "stage",
        "second": "ci",
        "onlyInFirst": [],
        "onlyInSecond": ["NEW", "ONLY_CI"],
        "equal": ["ENDPOINT", "SHARED"],
        "equalSecrets": ["SHARED"],
    }
    assert "s3cret" not in compared.stdout + compared.stderr + promoted.stdout + promoted.stderr
