"""`snu env` on the embedded engine and the local Scaleway: preview environments leave no trace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.exit_codes import ExitCode
from ops.state.lock import acquire
from pulumi_state.store import open_store
from tests.lab.checks import check_clear, check_no_duplicates
from tests.lab.interruption import Hold, Victim
from tests.lab.keys import make_key, use
from tests.lab.lab import Lab
from tests.lab.previews import APPS, KINDS, PreviewLab
from tests.lab.release_commands import RELEASE, provide_key, runs
from tests.support.github import FakeGitHub, Pull

pytestmark = pytest.mark.xdist_group("previews")  # one worker makes their lab


@pytest.fixture(scope="module")
def parented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PreviewLab, Path]]:
    """A lab, and a folder with its data once the parent is up."""
    folder = tmp_path_factory.mktemp("parented")
    with Lab.running(folder / "project") as lab:
        made = PreviewLab(lab)
        made.prepare()
        lab.save(folder / "saved")
        yield made, folder / "saved"


@pytest.fixture
def hub() -> Iterator[FakeGitHub]:
    with FakeGitHub() as fake:
        yield fake


@pytest.fixture
def previews(parented: tuple[PreviewLab, Path], hub: FakeGitHub) -> Iterator[PreviewLab]:
    prepared, saved = parented
    prepared.lab.begin(saved)
    yield PreviewLab(prepared.lab, hub, pushed=[*prepared.pushed])
    for name in APPS:
        prepared.write(f"code/{name}/main.js", f"// {name}\n")


def test_up_deploys_what_the_branch_changed_and_down_leaves_nothing(previews: PreviewLab, hub: FakeGitHub) -> None:
    before = previews.versions()
    previews.change("api")
    made = previews.json("env", "up", "--pr", "7", "--link-to", "app")
    assert made.keys() == {"schema", "name", "urls", "images"}
    assert made["name"] == "pr-7"
    assert made["urls"]["api"] == f"http://api-pr-7.local.snu.localhost:{previews.lab.project.port}"
    assert {app for app in APPS if made["images"][app]["version"] != before[app]} == {"api"}
    assert made["images"]["api"]["version"] == previews.versions()["api"]
    things = previews.things("pr-7")
    assert things["containers.container"] == ["pr-7-admin", "pr-7-api", "pr-7-app"]
    assert {kind: len(names) for kind, names in things.items()} == dict(zip(KINDS, (3, 3, 3, 1), strict=True))
    (comment,) = hub.bodies(7)
    assert comment.startswith("<!-- snu:environment:pr-7 -->\n### Preview environment `pr-7`: up\n")
    assert f"| `api` | ready | {made['urls']['api']} | `{previews.versions()['api'][:12]}` |" in comment

    file = previews.lab.project.stack_file("pr-7")
    history = previews.folder / ".local/state/.pulumi/history/snu/pr-7"
    assert any(history.iterdir())
    written = file.stat().st_mtime_ns
    (deployment,) = hub.deployments
    assert (deployment["ref"], deployment["environment"]) == (hub.pulls[7].commit, "preview/pr-7")
    assert deployment["statuses"][-1] == {"state": "success", "environment_url": made["urls"]["app"]}
    hub.fail("POST", 403, document={"message": "Resource not accessible by integration"})
    again = previews.snu("env", "up", "--pr", "7", "--link-to", "none")
    assert "pr-7 is up" in again.stdout
    assert "warning: the deployment of pr-7 is not up to date on GitHub: " in again.stderr
    assert "it needs `deployments: write`" in again.stderr
    assert "none is not an app with a URL. Apps with a URL: admin, api, app." in again.stderr
    assert hub.states("preview/pr-7") == [["in_progress", "success", "success"]]
    assert file.stat().st_mtime_ns == written
    assert hub.bodies(7) == [comment]

    down = previews.snu("env", "down", "--pr", "7")
    assert "pr-7 was removed." in down.stdout
    assert previews.things("pr-7") == {}
    assert not file.exists()
    assert not (previews.folder / ".local/images/pr-7.yaml").exists()
    assert not previews.lab.state_file("pr-7").exists()
    assert not [path for path in (previews.folder / ".local/state/.pulumi").rglob("*pr-7*") if path.is_file()]
    assert not previews.document_file("pr-7").exists()
    (comment,) = hub.bodies(7)
    assert "`pr-7`: taken down" in comment
    assert hub.states("preview/pr-7")[-1][-1] == "inactive"
    assert "preview/pr-7" not in hub.environments
    assert "pr-7 does not exist." in previews.snu("env", "down", "pr-7").stdout
    assert previews.lab.state("local")["resources"]


def test_a_branch_needs_no_github(previews: PreviewLab, hub: FakeGitHub) -> None:
    previews.hub = None
    made = previews.json("env", "up", "--branch", "Feature_X")
    assert made["name"].startswith("br-feature-x-")
    document = json.loads(previews.document_file(made["name"]).read_text())
    assert (document["branch"], document["pull_request"], document["repository"]) == ("Feature_X", None, "")
    previews.lab.project.stack_file(made["name"]).unlink()
    assert "was removed" in previews.snu("env", "down", "--branch", "Feature_X").stdout
    assert previews.things(made["name"]) == {}
    assert hub.requests == []


@pytest.mark.parametrize(
    ("pull", "says"),
    [
        (Pull("feature", is_open=False), "The pull request octo/snu#7 is closed"),
        (Pull("x-no-ci"), "The branch 'x-no-ci' gets no preview environment"),
        (Pull("feature", head="somebody/snu"), "comes from somebody/snu"),
        (Pull("feature", head=None), "comes from a deleted repository"),
        (Pull("feature", reads_until_closed=1), "The pull request octo/snu#7 is closed"),  # while it waited
    ],
)
def test_ineligible_pull_requests(previews: PreviewLab, hub: FakeGitHub, pull: Pull, says: str) -> None:
    hub.pulls[7] = pull
    run = previews.run("env", "up", "--pr", "7")
    assert run.returncode == ExitCode.NOT_WANTED
    check_clear(run, says)
    assert previews.things("pr-7") == {}
    assert hub.writes == []
    assert not previews.lab.state_file("pr-7").exists()
    if pull.reads_until_closed is None:
        assert not previews.lab.project.stack_file("pr-7").exists()


def test_settings_can_require_a_label(previews: PreviewLab, hub: FakeGitHub) -> None:
    previews.edit("local", lambda config: config["snu:previews"].update(label="preview"))
    run = previews.run("env", "up", "--pr", "7")
    assert run.returncode == ExitCode.NOT_WANTED
    check_clear(run, "lacks the label 'preview'")
    hub.pulls[7].labels = ("preview",)
    previews.snu("env", "up", "--pr", "7")
    down = ("env", "down", "--pr", "7", "--if-unwanted")
    assert "pr-7 was kept: its pull request is open" in previews.snu(*down).stdout
    assert previews.things("pr-7")
    hub.pulls[7].labels = ()
    assert "its pull request lacks the label 'preview'" in previews.snu("env", "sweep").stdout
    assert "pr-7 was removed." in previews.snu(*down).stdout
    assert previews.things("pr-7") == {}
    run = previews.run("env", "down", "pr-7", "--if-unwanted")
    assert run.returncode == ExitCode.USAGE
    check_clear(run, "--if-unwanted requires --pr")


def test_a_pull_request_closed_during_up(previews: PreviewLab, hub: FakeGitHub) -> None:
    hub.pulls[7].reads_until_closed = 2
    run = previews.run("env", "up", "--pr", "7")
    assert run.returncode == ExitCode.NOT_WANTED
    check_clear(run, "The pull request octo/snu#7 is closed. pr-7 was taken down again.")
    assert previews.things("pr-7") == {}
    assert not previews.lab.state_file("pr-7").exists()
    (comment,) = hub.bodies(7)
    assert "taken down" in comment
    assert "taken down\n\nThe pull request octo/snu#7 is closed." in comment
    assert hub.states("preview/pr-7") == [["in_progress", "inactive"]]


def test_a_failure_is_commented_without_secrets(previews: PreviewLab, hub: FakeGitHub) -> None:
    previews.lab.fault("container_error", message="cannot reach fake-mongo-url", match={"name": "pr-7-api"})
    run = previews.run("env", "up", "--pr", "7")
    assert run.returncode == ExitCode.CONTAINERS, run.stdout + run.stderr
    (comment,) = hub.bodies(7)
    assert "### Preview environment `pr-7`: failed" in comment
    assert hub.states("preview/pr-7") == [["in_progress", "failure"]]
    assert "| `api` | error |" in comment
    assert "cannot reach [secret]" in comment
    assert "fake-mongo-url" not in comment


_SPOILS: dict[str, Callable[[Any], None]] = {
    "minScale": lambda config: config["snu:apps"]["api"].update(minScale=99),
    "MAIL_TOKEN": lambda config: config["snu:apps"]["api"]["variables"].update(MAIL_TOKEN="hunter2-hunter2"),
}
"""Invalid changes of the template, by the expected error."""


def test_settings_and_resources_that_are_refused_are_said_on_the_pull_request(
    previews: PreviewLab, hub: FakeGitHub
) -> None:
    template = previews.folder / "Pulumi.preview.template.yaml"
    whole = template.read_text()
    for name, status in (("minScale", ExitCode.SETTINGS), ("MAIL_TOKEN", ExitCode.POLICY)):
        previews.lab.project.change("preview.template", _SPOILS[name])
        run = previews.run("env", "up", "--pr", "7")
        template.write_text(whole)
        assert run.returncode == status, run.stdout + run.stderr
        (comment,) = hub.bodies(7)
        assert "### Preview environment `pr-7`: failed" in comment
        assert name in comment
        assert "hunter2" not in comment
        assert previews.things("pr-7") == {}
    previews.snu("env", "up", "--pr", "7")
    assert "### Preview environment `pr-7`: up" in hub.bodies(7)[0]


def test_manual_deletions_do_not_break_down(previews: PreviewLab) -> None:
    previews.snu("env", "up", "--pr", "7")
    previews.delete_container("pr-7-api")
    previews.delete_secret("snu-pr-7")
    previews.snu("env", "up", "--pr", "7")
    assert {kind: len(names) for kind, names in previews.things("pr-7").items()} == dict(
        zip(KINDS, (3, 3, 3, 1), strict=True)
    )
    previews.delete_container("pr-7-app")
    previews.delete_secret("snu-pr-7")
    previews.snu("env", "down", "--pr", "7")
    assert previews.things("pr-7") == {}


def test_down_frees_the_secret_s_name(previews: PreviewLab) -> None:
    """Scaleway reserves the names of ordinary deleted secrets for a week."""
    for _ in range(2):
        previews.snu("env", "up", "--pr", "7")
        secret = previews.lab.find("secret_manager.secret", "snu-pr-7")
        assert secret["ephemeral_policy"]["time_to_live"] == "31536000s"
        previews.snu("env", "down", "--pr", "7")


def test_down_checks_the_cloud_and_not_only_the_state(previews: PreviewLab) -> None:
    previews.snu("env", "up", "--pr", "7")
    previews.lab.state_file("pr-7").unlink()
    run = previews.run("env", "down", "--pr", "7")
    assert run.returncode == ExitCode.FAILED
    check_clear(
        run, "still exist in the cloud", "container pr-7-api", "record api-pr-7.local.snu.localhost", "secret snu-pr-7"
    )
    assert previews.document_file("pr-7").exists()


@pytest.mark.parametrize("name", ["local", "ci", "foundation-local", "pr-07", "br-x", "../pr-7"])
def test_down_never_touches_another_stack(previews: PreviewLab, name: str) -> None:
    run = previews.run("env", "down", name)
    assert run.returncode == ExitCode.USAGE
    check_clear(run, "is not the name of a preview environment")


def test_down_rejects_other_stacks_with_a_preview_s_name(previews: PreviewLab) -> None:
    file = previews.lab.project.stack_file("pr-9")
    file.write_text(previews.lab.project.stack_file("local").read_text())
    run = previews.run("env", "down", "pr-9")
    assert run.returncode == ExitCode.SETTINGS
    check_clear(run, "Pulumi.pr-9.yaml is not a preview stack file for local")
    file.unlink()
    # Nor where only the state tells.
    state = previews.lab.state_file("local").read_text()
    previews.lab.state_file("pr-9").write_text(state.replace("::local::", "::pr-9::").replace("snu:local", "snu:pr-9"))
    run = previews.run("env", "down", "pr-9")
    assert run.returncode == ExitCode.SETTINGS
    check_clear(run, "The stack pr-9 is not a preview environment")
    assert len(previews.things("local-")["containers.container"]) == len(APPS)


def test_its_secret_is_a_copy_of_the_parent_s_and_keeps_its_own_changes(previews: PreviewLab) -> None:
    previews.snu("env", "up", "--pr", "7")
    own = previews.lab.find("secret_manager.secret", "snu-pr-7")["id"]
    content = previews.lab.read_secret(own)
    root = next(each for each in previews.lab.state("foundation-local")["resources"] if "Stack" in each["type"])
    parent = root["outputs"]["secretIds"]["local"].rpartition("/")[2]
    assert content == previews.lab.read_secret(parent)

    changed = json.dumps({**json.loads(content), "MONGO_URL": "my-own"}).encode()
    previews.lab.write_secret(own, changed)
    previews.snu("env", "up", "--pr", "7")
    assert previews.lab.read_secret(own) == changed


def test_the_stack_file_is_regenerated_with_the_state_s_salt(previews: PreviewLab) -> None:
    previews.snu("env", "up", "--pr", "7")
    file = previews.lab.project.stack_file("pr-7")
    salt = previews.lab.state("pr-7")["secrets_providers"]["state"]["salt"]
    file.unlink()
    previews.snu("env", "up", "--pr", "7")
    assert yaml.safe_load(file.read_text())["encryptionsalt"] == salt


# --- release and seed commands ----------------------------------------------------------------------------


def _provide_commands(previews: PreviewLab) -> None:
    """The api has both commands, and environments are deployed with the key of their own application."""
    provide_key(previews.lab)
    use(previews.lab, "preview.template", make_key(previews.lab, "snu-deploy-local-previews"))
    commands = {"release": RELEASE, "seed": {"command": ["npm", "run", "seed"]}}
    previews.edit("preview.template", lambda config: config["snu:apps"]["api"].update(commands))


def _commands(previews: PreviewLab) -> list[str]:
    """What has run, oldest first."""
    return [each["startup_command"][-1] for each in reversed(runs(previews.lab))]


def _jobs(previews: PreviewLab) -> list[str]:
    return sorted(each["name"] for each in previews.lab.resources("serverless_jobs.definition"))


def test_a_preview_is_seeded_once_and_released_with_each_version(
    previews: PreviewLab, hub: FakeGitHub, engine: str
) -> None:
    _provide_commands(previews)
    up = ("env", "up", "--pr", "7", "--engine", engine)
    # The release command starts, the seed command does not.
    previews.lab.fault("server_error", status=500, skip=1, match={"method": "POST", "path": "*/start"})
    failed = previews.run(*up)
    assert failed.returncode == ExitCode.FAILED, failed.stdout + failed.stderr
    assert "cannot run the seed command of api: Scaleway returned 500" in failed.stdout + failed.stderr
    assert "pr-7-api" not in previews.things("pr-7").get("containers.container", [])
    (comment,) = hub.bodies(7)
    assert "### Preview environment `pr-7`: failed" in comment
    assert "cannot run the seed command of api" in comment
    previews.lab.clear_faults()
    previews.snu(*up)
    assert _commands(previews) == ["migrate", "seed"]
    assert "pr-7-api" in previews.things("pr-7")["containers.container"]

    previews.change("api", text="for the second time")
    updated = previews.snu(*up)
    assert "running the release command of api" in updated.stdout
    assert "seed command" not in updated.stdout
    assert _commands(previews) == ["migrate", "seed", "migrate"]
    assert {"pr-7-api-release", "pr-7-api-seed"} <= {*_jobs(previews)}
    previews.snu("env", "down", "--pr", "7", "--engine", engine)
    assert not [name for name in _jobs(previews) if "pr-7" in name]


def _start_long(previews: PreviewLab, job: str) -> None:
    """Start a run that takes long."""
    found = previews.lab.find("serverless_jobs.definition", job)["id"]
    previews.lab.ask("POST", "/_local/transitions", {"seconds": 3_600})
    previews.lab.ask("POST", f"/serverless-jobs/v1alpha2/regions/fr-par/job-definitions/{found}/start", {})
    previews.lab.ask("POST", "/_local/transitions", {"seconds": 0})
    assert runs(previews.lab)[0]["state"] in ("queued", "running")


def test_jobs_of_an_environment_are_found_and_stopped(previews: PreviewLab) -> None:
    """Also those of an environment without a state, and those that run: Scaleway keeps them until they have ended."""
    _provide_commands(previews)
    previews.snu("env", "up", "--pr", "7")
    _start_long(previews, "pr-7-api-seed")
    previews.lab.state_file("pr-7").unlink()
    left = previews.run("env", "down", "--pr", "7")
    check_clear(left, "still exist in the cloud", "job pr-7-api-release", "job pr-7-api-seed")
    assert runs(previews.lab)[0]["state"] == "interrupted"
    _start_long(previews, "pr-7-api-release")
    assert swept(previews, "--yes") == {"pr-7": "remove from the cloud"}
    assert not [name for name in _jobs(previews) if "pr-7" in name]


# --- list and sweep ---------------------------------------------------------------------------------------


def swept(previews: PreviewLab, *arguments: str) -> dict[str, str]:
    """The decisions of a sweep, by environment."""
    found = previews.json("env", "sweep", *arguments)["environments"]
    return {each["name"]: each["action"] for each in found}


def test_the_list_shows_states_and_cloud(previews: PreviewLab, hub: FakeGitHub) -> None:
    assert previews.lab.project.snu("env", "list").stdout == "local has no preview environments.\n"
    hub.pulls |= {number: Pull(f"f{number}") for number in (8, 9)}
    for number in (7, 8, 9):
        previews.snu("env", "up", "--pr", str(number))
    previews.lab.state_file("pr-8").unlink()
    for app in APPS:
        previews.delete_container(f"pr-9-{app}")
    listed = json.loads(previews.lab.project.snu("env", "list", "--json").stdout)["environments"]
    assert [(each["name"], each["pullRequest"], each["branch"], each["status"]) for each in listed] == [
        ("pr-7", 7, "feature", "up"),
        ("pr-8", 8, "f8", "orphaned"),
        ("pr-9", 9, "f9", "up"),
    ]
    assert all(each["ageHours"] < 1 for each in listed)
    assert listed[0]["urls"].keys() == set(APPS)
    previews.lab.state_file("pr-9").write_text("{")
    run = previews.lab.project.snu("env", "list")
    assert run.returncode == ExitCode.INCOMPLETE
    table = run.stdout.splitlines()
    assert table[0].split() == ["NAME", "BRANCH", "UPDATED", "AGE", "STATUS", "URLS"]
    assert table[1].startswith("pr-7  #7 feature  ")
    assert "orphaned" in table[2]
    (number,) = [number for number, line in enumerate(table) if line.startswith("pr-9") and "unreadable" in line]
    assert "is damaged" in table[number + 1]


def test_a_sweep_is_a_dry_run_without_yes(previews: PreviewLab, hub: FakeGitHub) -> None:
    hub.pulls |= {number: Pull(f"f{number}") for number in (8, 9, 10, 11)}
    hub.branches |= dict.fromkeys(("stays", "goes"), "1" * 40)
    hub.pulls[10].labels = ("persist",)
    for number in (7, 8, 9, 10, 11):
        previews.snu("env", "up", "--pr", str(number))
    stays, goes = (previews.json("env", "up", "--branch", branch)["name"] for branch in ("stays", "goes"))
    hub.pulls[8].is_open = False
    del hub.branches["goes"]
    for name in ("pr-9", "pr-10"):
        previews.age(name, "2020-01-01T00:00:00+00:00")
    previews.lab.state_file("pr-11").unlink()
    expected = {stays: "keep", goes: "take down", "pr-7": "keep", "pr-8": "take down", "pr-9": "take down"}
    expected |= {"pr-10": "keep", "pr-11": "remove from the cloud"}
    seen = previews.lab.resources("containers.container")
    shown = previews.snu("env", "sweep").stdout
    for line in (
        "pr-8  take down: its pull request is closed",
        f"{goes}  take down: its branch 'goes' no longer exists",
        "it has the label 'persist'",
        "pr-11  remove from the cloud: it exists in the cloud but not in any state",
        "    container pr-11-api",
        "stack local  skipped: not a preview environment name",
        "4 environments to remove. Nothing was changed; use --yes to remove.",
    ):
        assert line in shown, shown
    assert swept(previews) == expected
    assert previews.lab.resources("containers.container") == seen

    assert swept(previews, "--yes") == expected
    for name in (goes, "pr-8", "pr-9", "pr-11"):
        assert previews.things(name) == {}, name
        assert not previews.document_file(name).exists()
        assert not previews.lab.state_file(name).exists()
    for name in (stays, "pr-7", "pr-10"):
        assert len(previews.things(name)["containers.container"]) == 3
    (comment,) = hub.bodies(8)
    assert "taken down\n\nCleaned up automatically: its pull request is closed." in comment
    assert "Nothing to remove." in previews.snu("env", "sweep", "--yes").stdout


def test_a_sweep_forgets_what_is_not_in_the_cloud(previews: PreviewLab) -> None:
    previews.snu("env", "up", "--pr", "7")
    for app in APPS:
        previews.delete_container(f"pr-7-{app}")
    for record in previews.things("pr-7")["domain.record"]:
        change = {"delete": {"id_fields": {"name": record, "type": "CNAME"}}}
        previews.lab.ask("PATCH", "/domain/v2beta1/dns-zones/local.snu.localhost/records", {"changes": [change]})
    previews.delete_secret("snu-pr-7")
    assert previews.things("pr-7") == {}
    assert "forgotten" in previews.lab.project.snu("env", "list").stdout
    store = open_store(previews.lab.project.backend_url, {})
    with acquire(store, "snu", "pr-7", "a test", timeout=0, on_wait=print, on_lost=print):
        shown = previews.snu("env", "sweep", "--yes").stdout
    assert "for a test" in shown
    assert previews.lab.state_file("pr-7").exists()
    assert swept(previews, "--yes") == {"pr-7": "forget"}
    assert swept(previews) == {}
    assert not previews.lab.state_file("pr-7").exists()


def test_a_sweep_without_github(previews: PreviewLab, hub: FakeGitHub) -> None:
    previews.snu("env", "up", "--pr", "7")
    branch = previews.json("env", "up", "--branch", "b")["name"]
    hub.pulls[7].is_open = False
    for name in ("pr-7", branch):
        previews.age(name, "2020-01-01T00:00:00+00:00")
    previews.hub = None
    shown = previews.snu("env", "sweep", "--yes").stdout
    assert "Closed pull requests and deleted branches are not detected" in shown
    assert "its labels are unknown without GitHub" in shown
    assert previews.things(branch) == {}
    assert previews.things("pr-7")


def test_one_failure_does_not_stop_the_sweep(previews: PreviewLab, hub: FakeGitHub) -> None:
    hub.pulls[8] = Pull("f8")
    for number in ("7", "8"):
        previews.snu("env", "up", "--pr", number)
        hub.pulls[int(number)].is_open = False
    previews.lab.fault("server_error", match={"method": "DELETE", "name": "pr-7-api"})
    run = previews.run("env", "sweep", "--yes")
    assert run.returncode == ExitCode.FAILED
    check_clear(run, "1 environment could not be removed:\n  pr-7: ")
    assert previews.things("pr-8") == {}
    previews.lab.clear_faults()
    previews.snu("env", "sweep", "--yes")
    assert previews.things("pr-7") == {}


def test_a_sweep_never_touches_unknown_objects(previews: PreviewLab) -> None:
    previews.snu("env", "up", "--pr", "7")
    container = previews.lab.find("containers.container", "pr-7-api")
    named = {"namespace_id": container["namespace_id"], "image": container["image"]}
    for name in ("somebody-s", "pr-07-api", "ci-api"):
        previews.lab.ask("POST", "/containers/v1/regions/fr-par/containers", {**named, "name": name})
    previews.lab.state_file("pr-7").unlink()
    found = previews.json("env", "sweep", "--yes")
    assert found["leftAlone"].keys() == {
        *(f"container {name}" for name in ("somebody-s", "pr-07-api", "ci-api")),
        *(f"stack {name}" for name in ("local", "foundation-local")),
    }
    names = {each["name"] for each in previews.lab.resources("containers.container")}
    assert names == {"somebody-s", "pr-07-api", "ci-api", *(f"local-{app}" for app in APPS)}
    assert {each["name"] for each in previews.lab.resources("secret_manager.secret")} >= {"snu-local"}


# --- at the same time, and killed -------------------------------------------------------------------------


def test_down_waits_for_a_running_up(previews: PreviewLab) -> None:
    hold = Hold.after(2, previews.lab, method="POST")
    going_up = Victim.start(previews.lab, *previews.words("env", "up", "--pr", "7"), environment=previews.environment())
    hold.await_request(going_up)
    down = Victim.start(previews.lab, *previews.words("env", "down", "--pr", "7"), environment=previews.environment())
    assert any("Waiting for" in line for line in down.output), "it did not wait"
    previews.lab.clear_faults()
    assert going_up.wait().returncode == 0
    ended = down.wait()
    assert ended.returncode == 0, ended.stdout
    assert "pr-7 was removed." in ended.stdout
    assert previews.things("pr-7") == {}
    assert not previews.lab.state_file("pr-7").exists()


@pytest.mark.parametrize(("created", "then"), [(1, "down"), (3, "up"), (6, "down")])
def test_killed_in_the_middle(previews: PreviewLab, created: int, then: str) -> None:
    hold = Hold.after(created, previews.lab, method="POST")
    victim = Victim.start(previews.lab, *previews.words("env", "up", "--pr", "7"), environment=previews.environment())
    hold.await_request(victim)
    victim.kill()
    previews.lab.clear_faults()
    run = previews.snu("env", then, "--pr", "7")
    check_clear(run)
    count = 3 if then == "up" else 0
    assert len(previews.things("pr-7").get("containers.container", [])) == count
    check_no_duplicates(previews.lab)
    previews.snu("env", "down", "--pr", "7")
    assert previews.things("pr-7") == {}
