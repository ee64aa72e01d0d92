"""The whole way of a change, from a pull request to production and back, as the commands of the workflows go it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ops.exit_codes import ExitCode
from tests.flows.lab import HTTP, OWNER_SECRET_KEY
from tests.story.world import APPS, BROKEN, ENVIRONMENTS, FOUNDATION, World
from tests.support.docker import Engine
from tests.support.github import TOKEN, FakeGitHub, Pull, github

pytestmark = pytest.mark.xdist_group("docker")

BOTH = {*APPS}
PREVIEW = "pr-7"


@dataclass
class Story:
    world: World
    hub: FakeGitHub
    faulty: bool
    """Whether the cloud fails once in three of the steps; then the step is done again."""

    def on_github(self, *arguments: str) -> Any:
        return self.world.snu(*arguments, "--repo", "octo/snu", "--api-url", self.hub.url, GITHUB_TOKEN=TOKEN)

    def fail_once(self, **match: str) -> bool:
        if self.faulty:
            self.world.lab.fault("server_error", status=500, match=match)
        return self.faulty

    def mend(self) -> None:
        self.world.lab.clear_faults()


@pytest.fixture(params=[False, True], ids=["as it should be", "with faults"])
def story(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, docker_engine: Engine
) -> Iterator[Story]:
    world = World.make(tmp_path_factory.mktemp("world") / "project", docker_engine)
    world.lab.project.start_cloud(runtime="docker", docker_host=docker_engine.host)
    try:
        world.ok("up", FOUNDATION, "--yes", "--skip-preview")
        with github() as hub:
            yield Story(world, hub, request.param)
    finally:
        world.lab.project.stop_cloud()


def test_the_way_of_a_change(story: Story) -> None:
    world = story.world
    merged(story, changed=BOTH)
    promoted(story, "stage", changed=BOTH)
    promoted(story, "production", changed=BOTH)

    world.switch("feature", new=True)
    world.change("admin", "second")
    previewed(story, changed={"admin"})
    world.fast_forward("main", "feature")
    merged(story, changed={"admin"}, faults=True)
    promoted(story, "stage", changed={"admin"})
    stage = world.runs("stage")
    world.change("api", "main moves on")
    merged(story, changed={"api"})
    promoted(story, "production", changed={"admin"}, faults=True)
    assert world.runs("production") == stage == world.runs("stage")

    hot_fixed(story, changed={"api"})
    broken_and_rolled_back(story)
    swept(story)
    cleaned(story)


def merged(story: Story, changed: set[str], *, faults: bool = False) -> None:
    """On the main branch: ci gets what changed, and nothing else."""
    world = story.world
    before = world.runs("ci")
    built = world.ok("images", "build", "ci")
    assert world.built_in(built) == changed - {app for app in changed if in_registry(built, app)}
    up = ("up", "ci", "--yes", "--skip-preview", "--check-urls")
    if faults and story.fail_once(method="PATCH", resource="container"):
        assert world.snu(*up).returncode == ExitCode.FAILED
        story.mend()
    world.ok(*up)
    assert differing(before, world.runs("ci")) == changed
    for app in APPS:
        assert world.says("ci", app) == world.version(app)


def in_registry(built: Any, app: str) -> bool:
    """A preview environment has built it already."""
    return any(
        line.split()[0] == app and "in the registry" in line for line in built.stdout.splitlines() if line.strip()
    )


def promoted(story: Story, stack: str, changed: set[str], *, faults: bool = False) -> None:
    """The stack gets what its source runs, by a plan, and nothing else; it is a release then."""
    world = story.world
    before = world.runs(stack)
    world.ok("promote", "ci" if stack == "stage" else "stage", stack, "--commit")
    if faults and story.fail_once(method="PATCH", resource="container"):
        world.deploy(stack, expect=ExitCode.FAILED)
        story.mend()
    released = world.deploy(stack)
    assert f"Release {stack}/" in released.stdout
    assert differing(before, world.runs(stack)) == changed


def previewed(story: Story, changed: set[str]) -> None:
    """The pull request's environment comes up, builds its app only, and takes the others from ci."""
    world = story.world
    story.hub.pulls[7] = Pull("feature")
    up = ("env", "up", "--pr", "7")
    if story.fail_once(method="POST", resource="container"):
        assert story.on_github(*up).returncode != ExitCode.OK
        story.mend()
    run = story.on_github(*up)
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    if not story.faulty:
        assert world.built_in(run) == changed
    assert differing(world.runs("ci"), world.runs(PREVIEW)) == changed
    (comment,) = story.hub.bodies(7)
    assert f"admin-{PREVIEW}.local.snu.localhost" in comment


def hot_fixed(story: Story, changed: set[str]) -> None:
    """From what production runs, and without what main holds beside it."""
    world = story.world
    before = world.runs("production")
    world.branch_at_release("production_hotfix", "production")
    world.change("api", "fixed")
    world.ok("hotfix", "check")
    built = world.ok("hotfix", "build", "--commit")
    assert world.built_in(built) == changed
    world.deploy("stage")
    promoted(story, "production", changed=changed)
    assert differing(before, world.runs("production")) == changed
    world.switch("main")
    refused = world.snu("hotfix", "check")
    assert refused.returncode != ExitCode.OK


def broken_and_rolled_back(story: Story) -> None:
    world = story.world
    before = world.runs("stage")
    world.change("admin", "broken", answer=BROKEN)
    world.ok("images", "build", "ci")
    assert world.snu("up", "ci", "--yes", "--skip-preview", "--wait", "5").returncode == ExitCode.CONTAINERS
    world.ok("promote", "ci", "stage", "--commit")
    failed = world.deploy("stage", expect=ExitCode.CONTAINERS)
    assert "says that it is version none" in failed.stderr
    assert "snu rollback stage" in failed.stderr
    world.ok("rollback", "stage", "--commit")
    world.deploy("stage")
    assert world.runs("stage") == before


def swept(story: Story) -> None:
    """The pull request is closed; somebody has lost the state of its environment, and deleted a container by hand."""
    world = story.world
    story.hub.pulls[7].is_open = False
    world.lab.state_file(PREVIEW).unlink()
    (container,) = [each for each in world.containers() if each["name"] == f"{PREVIEW}-api"]
    world.lab.ask("DELETE", f"/containers/v1/regions/fr-par/containers/{container['id']}")
    looked = story.on_github("env", "sweep")
    assert PREVIEW in looked.stdout
    assert left_of_preview(world)
    run = story.on_github("env", "sweep", "--yes")
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    assert left_of_preview(world) == []
    again = story.on_github("env", "sweep", "--json")
    assert PREVIEW not in again.stdout
    assert {*world.runs("ci")} == {*world.runs("stage")} == {*world.runs("production")} == BOTH


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
    released = json.loads(world.ok("releases", "production", "--json").stdout)
    for app, image in released[1]["images"].items():
        assert in_the_registry(world, f"snu-production/{app}", image["digest"]), "a rollback would need it"


def in_the_registry(world: World, name: str, digest: str) -> bool:
    login = base64.b64encode(f"nologin:{OWNER_SECRET_KEY}".encode()).decode()
    url = f"{world.lab.project.api_url}/v2/{name}/manifests/{digest}"
    headers = {"Authorization": f"Basic {login}", "Accept": "*/*"}
    return bool(HTTP.get(url, headers=headers).status_code == 200)


def differing(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {app for app in before.keys() | after.keys() if before.get(app) != after.get(app)}
