"""The whole way of a change, from a pull request to production and back, as the commands of the workflows go it."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ops.exit_codes import ExitCode
from tests.story.world import APPS, BROKEN, ENVIRONMENTS, FOUNDATIONS, World
from tests.support.docker import Engine
from tests.support.github import TOKEN, FakeGitHub, Pull
from tests.support.local_scaleway import HTTP
from tests.support.seed import OWNER_SECRET_KEY
from tests.support.workflow import Runner, StepFailed, outputs, prepare

pytestmark = pytest.mark.xdist_group("docker-story")

BOTH = {*APPS}
PREVIEW = "pr-7"


@dataclass
class Story:
    """The platform, GitHub, and the workflows."""

    world: World
    hub: FakeGitHub
    runner: Runner

    def job(self, workflow: str, job: str, *, fails: str = "", **values: str) -> str:
        """Run a job; gives its output. With ``fails``, a fault strikes such requests, and then the job is run again."""
        output = ""
        if fails:
            self.world.lab.fault("server_error", status=500, match={"method": fails, "resource": "container"})
            with pytest.raises(StepFailed) as failed:
                self.runner.run(workflow, job, **values)
            self.world.lab.clear_faults()
            output = failed.value.step.output
        return output + "".join(step.output for step in self.runner.run(workflow, job, **values))


@pytest.fixture
def story(tmp_path_factory: pytest.TempPathFactory, docker_engine: Engine) -> Iterator[Story]:
    world = World.make(tmp_path_factory.mktemp("world") / "project", docker_engine)
    world.lab.project.start_cloud(runtime="docker", docker_host=docker_engine.host)
    try:
        for foundation in FOUNDATIONS:
            world.ok("up", foundation, "--yes", "--skip-preview")
        with FakeGitHub() as hub:
            hub.origin = world.origin
            environment = prepare(world.folder, sys.executable) | {
                "DOCKER_HOST": docker_engine.host,
                "GITHUB_REPOSITORY": "octo/snu",
                "GITHUB_API_URL": hub.url,
                "GITHUB_RUN_ID": "1",
            }
            runner = Runner(world.folder, environment, {"github.token": TOKEN, "github.event.number": "7"})
            yield Story(world, hub, runner)
    finally:
        world.lab.project.stop_cloud()


def test_the_way_of_a_change(story: Story) -> None:
    world = story.world
    merged(story, changed=BOTH)
    to_stage(story, changed=BOTH)
    to_production(story, changed=BOTH)
    world.merge_back("release_candidate")

    base = str(world.git.head.target)
    world.switch("feature", new=True)
    world.change("admin", "second")
    looked_at(story, base)
    previewed(story, changed={"admin"})
    world.fast_forward("main", "feature")
    merged(story, changed={"admin"}, fails="PATCH")
    to_stage(story, changed={"admin"})
    stage = world.runs("stage")
    world.switch("main")
    world.change("api", "main moves on")
    merged(story, changed={"api"})
    seen = {each["stack"]: each for each in json.loads(world.ok("status", "--json").stdout)["environments"]}
    assert (seen["stage"]["behind"], seen["production"]["behind"]) == (["api"], ["admin"])
    assert seen["production"]["release"].startswith("production/")
    world.switch("release_candidate")
    to_production(story, changed={"admin"}, fails="PATCH")
    assert world.runs("production") == stage == world.runs("stage")
    world.merge_back("release_candidate")

    hot_fixed(story, changed={"admin"})
    world.merge_back("production_hotfix")
    broken_and_rolled_back(story)
    production_rolled_back(story, to={"admin"})
    swept(story)
    cleaned(story)
    drifted(story)


def merged(story: Story, changed: set[str], fails: str = "") -> None:
    """On the main branch: ci gets what changed, and nothing else."""
    world = story.world
    before = world.runs("ci")
    story.job("deploy-ci", "deploy", fails=fails)
    assert differing(before, world.runs("ci")) == changed
    for app in APPS:
        assert world.says("ci", app) == world.version(app)


def to_stage(story: Story, changed: set[str]) -> None:
    """What runs in ci, from a branch that is cut from main."""
    world = story.world
    before = world.runs("stage")
    world.restart("release_candidate", "main")
    output = story.job("release", "stage")
    assert "Release stage/" in output
    assert differing(before, world.runs("stage")) == changed


def to_production(story: Story, changed: set[str], fails: str = "", workflow: str = "release") -> None:
    """What runs in stage, by an approved plan."""
    world = story.world
    before = world.runs("production")
    story.job(workflow, "plan")
    if fails:
        # A plan that was begun is used up: it is planned again.
        world.lab.fault("server_error", status=500, match={"method": fails, "resource": "container"})
        with pytest.raises(StepFailed):
            story.runner.run(workflow, "production")
        world.lab.clear_faults()
        story.job(workflow, "plan")
    output = story.job(workflow, "production")
    assert "Release production/" in output
    notes = story.hub.releases[-1]
    assert notes["tag_name"].startswith("production/")
    assert (workflow == "hotfix") == ("(hotfix)" in notes["name"])
    assert all(f"**`{app}`**" in notes["body"] for app in changed)
    assert differing(before, world.runs("production")) == changed
    assert world.remote("production") == str(world.git.head.target)


def looked_at(story: Story, base: str) -> None:
    """The pull request's own program and settings change nothing: it is code that it changes."""
    summary = story.world.folder / ".local/GITHUB_STEP_SUMMARY"
    story.job("pull-request", "diff", github__event__pull_request__base__sha=base)
    assert summary.read_text()
    assert outputs(story.world.folder)["stacks"] == "[]"
    story.job("pull-request", "preview-ci")
    assert any("snu:plan:ci" in body for body in story.hub.bodies(7))


def previewed(story: Story, changed: set[str]) -> None:
    """The pull request's environment comes up, builds its app only, and takes the others from ci."""
    world = story.world
    story.hub.pulls[7] = Pull("feature")
    output = story.job("pull-request", "environment", fails="POST")
    assert world.built_in(output) == changed
    assert differing(world.runs("ci"), world.runs(PREVIEW)) == changed
    assert any(f"admin-{PREVIEW}.ci.snu.localhost" in body for body in story.hub.bodies(7))
    assert story.hub.states(f"preview/{PREVIEW}") == [["in_progress", "failure", "in_progress", "success"]]


def hot_fixed(story: Story, changed: set[str]) -> None:
    """From what production runs, and without what main holds beside it."""
    world = story.world
    before = world.runs("production")
    world.restart("production_hotfix", world.released("production"))
    world.change("admin", "fixed")
    story.job("hotfix", "check")
    assert world.built_in(story.job("hotfix", "stage")) == changed
    to_production(story, changed, workflow="hotfix")
    assert differing(before, world.runs("production")) == changed
    assert story.hub.opened[-1].base == "main"
    assert story.hub.opened[-1].branch.startswith("production_hotfix-")


def broken_and_rolled_back(story: Story) -> None:
    """Stage does not get well; it goes back by hand."""
    world = story.world
    before = world.runs("stage")
    world.switch("main")
    world.change("admin", "broken", answer=BROKEN)
    world.ok("images", "build", "ci")
    assert world.snu("up", "ci", "--yes", "--skip-preview", "--wait", "5").returncode == ExitCode.CONTAINERS
    world.ok("promote", "ci", "stage", "--commit")
    failed = world.deploy("stage", expect=ExitCode.CONTAINERS)
    assert "reports version none" in failed.stderr
    assert "snu rollback stage" in failed.stderr
    world.ok("rollback", "stage", "--commit")
    world.deploy("stage")
    assert world.runs("stage") == before


def production_rolled_back(story: Story, to: set[str]) -> None:
    """To the release before the hot-fix."""
    world = story.world
    before = world.runs("production")
    world.restart("production", world.released("production"))
    release = world.releases("production")[1]
    story.job("rollback", "plan", inputs__release=release["release"])
    story.job("rollback", "production")
    assert "(rollback)" in story.hub.releases[-1]["name"]
    assert differing(before, world.runs("production")) == to
    assert world.runs("production") == {app: image["digest"] for app, image in release["images"].items()}
    world.merge_back("production")


def swept(story: Story) -> None:
    """The pull request is closed; somebody has lost the state of its environment, and deleted a container by hand."""
    world = story.world
    world.switch("main")
    story.hub.pulls[7].is_open = False
    world.lab.state_file(PREVIEW).unlink()
    (container,) = [each for each in world.containers() if each["name"] == f"{PREVIEW}-api"]
    world.lab.ask("DELETE", f"/containers/v1/regions/fr-par/containers/{container['id']}")
    looked = world.ok("env", "sweep")
    assert PREVIEW in looked.stdout
    assert left_of_preview(world)
    assert PREVIEW in story.job("sweep", "previews")
    assert left_of_preview(world) == []
    assert story.hub.states(f"preview/{PREVIEW}")[-1][-1] == "inactive"
    assert PREVIEW not in story.job("sweep", "previews")
    story.job("pull-request-closed", "down")
    assert {*world.runs("ci")} == {*world.runs("stage")} == {*world.runs("production")} == BOTH


def drifted(story: Story) -> None:
    """Nothing of all that was drift. What somebody changes by hand is, until it is put back."""
    world = story.world
    for name in (*FOUNDATIONS, *ENVIRONMENTS):
        story.job("drift", "check", matrix__stack=name)
    assert story.hub.issues == []
    for memory, is_drift in ((256, True), (128, False)):
        container = world.settled_container("production-api")
        body = {"memory_limit_bytes": memory * 1_000_000}
        world.lab.ask("PATCH", f"/containers/v1/regions/fr-par/containers/{container['id']}", body)
        if is_drift:
            with pytest.raises(StepFailed, match="memoryLimitBytes: 128000000 → 256000000"):
                story.job("drift", "check", matrix__stack="production")
        else:
            story.job("drift", "check", matrix__stack="production")
        assert [each["state"] for each in story.hub.issues] == ["open" if is_drift else "closed"]


def left_of_preview(world: World) -> list[str]:
    kinds = ("containers.container", "secret_manager.secret")
    names = [str(each["name"]) for kind in kinds for each in world.lab.resources(kind)]
    return [name for name in names if PREVIEW in name]


def cleaned(story: Story) -> None:
    """Old versions leave the registries, and whatever is needed stays."""
    world = story.world
    run = world.ok("images", "clean", "--all", "--older-than", "0", "--keep-releases", "2", "--yes")
    assert run.stdout
    for stack, environment in ENVIRONMENTS.items():
        for app, digest in world.runs(stack).items():
            assert in_the_registry(world, f"snu-{environment}/{app}", digest), f"{stack} runs {app}"
    for app, image in world.releases("production")[1]["images"].items():
        assert in_the_registry(world, f"snu-production/{app}", image["digest"]), "a rollback would need it"


def in_the_registry(world: World, name: str, digest: str) -> bool:
    login = base64.b64encode(f"nologin:{OWNER_SECRET_KEY}".encode()).decode()
    url = f"{world.lab.project.api_url}/v2/{name}/manifests/{digest}"
    headers = {"Authorization": f"Basic {login}", "Accept": "*/*"}
    return bool(HTTP.get(url, headers=headers).status_code == 200)


def differing(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {app for app in before.keys() | after.keys() if before.get(app) != after.get(app)}
