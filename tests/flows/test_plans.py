"""What was approved is exactly what is applied: everything that may happen in between is refused, and nothing changes.

On the embedded engine always, and on the Pulumi CLI where it is at hand.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.request import Request
from engine.update_plan import PlanError
from ops.commands import plan as plan_command
from ops.engines.program.confine import landlock_version
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.plans import keys, verification
from ops.plans.sealed_file import seal
from ops.process_environment import IDENTITY, SIGNING_KEY
from ops.session import Options
from tests.lab.lab import Run
from tests.lab.planning import STACK, PlanLab
from tests.lab.release_commands import RELEASE, enable, runs
from tests.support import embedded
from tests.support.pulumi_cli import PASSPHRASE, Cli, needs_pulumi

pytestmark = pytest.mark.xdist_group("plans")  # one worker makes their lab

_ENGINES = ["embedded", pytest.param("pulumi", marks=needs_pulumi)]


@pytest.fixture(scope="module", params=_ENGINES)
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlanLab]:
    with PlanLab.prepared(tmp_path_factory.mktemp("plans"), request.param) as lab:
        yield lab


@pytest.fixture
def lab(prepared: PlanLab) -> PlanLab:
    prepared.begin()
    return prepared


# --- what may happen in between: each gives how to apply --------------------------------------------------

Apply = Callable[[], Run]
Row = Callable[[PlanLab], Apply | None]


def _program(lab: PlanLab) -> None:
    path = lab.directory / "infra/environment.py"
    path.write_text(path.read_text() + "\n# another line\n")


def _config_used(lab: PlanLab) -> None:
    lab.edit(lambda config: config["snu:apps"]["admin"].update(memory=512))


def _config_unused(lab: PlanLab) -> None:
    lab.edit(lambda config: config.update({"pulumi:nobody-reads-this": "value"}))


def _secret(lab: PlanLab) -> None:
    """A new version of the secret document, with another value of one key."""
    (found,) = [
        item for item in lab.lab.resources("secret_manager.secret") if item["name"] == "snu-local" and _own(item)
    ]
    document = {**json.loads(lab.lab.read_secret(found["id"])), "MONGO_URL": "another-mongo-url"}
    lab.lab.write_secret(found["id"], json.dumps(document).encode())


def _own(secret: dict[str, Any]) -> bool:
    """Not the one that the first start gives, which the foundation's was copied from."""
    return bool(secret["project_id"] != secret.get("organization_id", "10ca1000-0000-4000-8000-000000000001"))


def _other_up(lab: PlanLab, change: Callable[[dict[str, Any]], None]) -> None:
    """Somebody else brings another configuration about, from other files."""
    lab.edit(change)
    lab.ok("up", STACK, "--yes", "--skip-preview")
    lab.checkout()


def _state_by_another_up(lab: PlanLab) -> None:
    _other_up(lab, lambda config: config["snu:apps"]["admin"].update(memory=512))


def _third_value(lab: PlanLab) -> None:
    _other_up(lab, lambda config: config["snu:apps"]["api"].update(memory=768))


def _same_change_already(lab: PlanLab) -> None:
    lab.ok("up", STACK, "--yes", "--skip-preview")


def _salt(lab: PlanLab) -> None:
    path = lab.lab.project.stack_file(STACK)
    text = path.read_text()
    path.write_text(text.replace("encryptionsalt: v1:fm", "encryptionsalt: v1:fn"))
    assert path.read_text() != text


def _by_hand(lab: PlanLab) -> None:
    lab.call_container("PATCH", {"memory_limit_bytes": 300_000_000}, "admin")


def _by_hand_what_is_planned(lab: PlanLab) -> None:
    lab.call_container("PATCH", {"memory_limit_bytes": 600_000_000})


def _deleted_in_the_cloud(lab: PlanLab) -> None:
    lab.call_container("DELETE", app="admin")


def _image_gone(lab: PlanLab) -> None:
    images = lab.lab.ask("GET", "/registry/v1/regions/fr-par/images")["images"]
    (image,) = [item for item in images if item["name"] == "api"]
    lab.lab.ask("DELETE", f"/registry/v1/regions/fr-par/images/{image['id']}")


def _another_stack(lab: PlanLab) -> Apply:
    return lambda: lab.apply(None, "--stack", "foundation-local")


def _another_backend(lab: PlanLab) -> Apply:
    backend = lab.copy_state(lab.directory / ".local/elsewhere")
    return lambda: lab.apply(PULUMI_BACKEND_URL=backend)


def _expired(lab: PlanLab) -> Apply:
    return lambda: lab.apply(lab.expired())


def _one_byte(lab: PlanLab) -> Apply:
    content = bytearray(lab.plan.read_bytes())
    content[-40] ^= 1
    path = lab.directory / "byte.plan"
    path.write_bytes(content)
    return lambda: lab.apply(path)


def _wrong_key(lab: PlanLab) -> Apply:
    return lambda: lab.apply(SNU_PLAN_IDENTITY=keys.new_identity().private)


def _unsigned(lab: PlanLab) -> Apply:
    first, _, rest = lab.plan.read_bytes().partition(b"\n")
    path = lab.directory / "unsigned.plan"
    path.write_bytes(first + b"\n\n" + rest.partition(b"\n")[2])
    return lambda: lab.apply(path)


def _stranger(lab: PlanLab) -> Apply:
    stranger = keys.new_signing_key()
    path = lab.directory / "stranger.plan"
    recipients = lab.stack.config["snu:plans"]["appliers"].values()
    path.write_bytes(seal(lab.content(), keys.signing_key(lab.stack, {SIGNING_KEY: stranger.private}), recipients))
    return lambda: lab.apply(path)


def _other_engine(lab: PlanLab) -> Apply:
    other = "pulumi" if lab.engine == "embedded" else "embedded"
    return lambda: lab.apply(lab.altered(engine=other))


ROWS: dict[str, tuple[Row, list[str]]] = {
    "program changed": (_program, ["the files have changed"]),
    "config key that is used": (_config_used, ["configuration: snu:apps was changed"]),
    "config key that nobody reads": (_config_unused, ["configuration: pulumi:nobody-reads-this was added"]),
    "secret changed": (_secret, ["api-container (scaleway:containers:Container)"]),
    "state changed by another up": (
        _state_by_another_up,
        ["admin-container (scaleway:containers:Container): changed in the state: inputs.memoryLimitBytes"],
    ),
    "same property, third value": (_third_value, ["api-container", "inputs.memoryLimitBytes"]),
    "same change done already": (_same_change_already, ["api-container", "changed in the state"]),
    "another salt": (_salt, ["the encryption salt of the stack's secrets has changed"]),
    "changed by hand in the cloud": (
        _by_hand,
        ["admin-container", "planned: no change; now: update of memoryLimitBytes"],
    ),
    "changed by hand what is planned": (_by_hand_what_is_planned, ["api-container", "memoryLimitBytes"]),
    "deleted in the cloud": (_deleted_in_the_cloud, ["admin-container", "planned: no change; now: create"]),
    "another stack's plan": (_another_stack, ["The plan is for the stack local; expected foundation-local"]),
    "another backend": (_another_backend, ["elsewhere"]),
    "expired": (_expired, ["the plan expired on"]),
    "altered by one byte": (_one_byte, ["it was altered after it was signed"]),
    "wrong key": (_wrong_key, ["cannot be decrypted"]),
    "unsigned": (_unsigned, ["has no readable signature"]),
    "signed by a stranger": (_stranger, ["signed by an unknown key"]),
    "planned by the other engine": (_other_engine, ["cannot be applied by"]),
    "image gone from the registry": (_image_gone, ["the image localhost:", "is no longer in its registry"]),
}


@pytest.mark.parametrize("row", ROWS)
def test_any_change_since_the_plan_is_rejected(lab: PlanLab, row: str) -> None:
    happen, says = ROWS[row]
    apply = happen(lab) or lab.apply
    state = lab.lab.state_file(STACK).read_bytes()
    writes = lab.writes()
    refused = apply()
    text = refused.stdout + refused.stderr
    assert refused.returncode == ExitCode.REFUSED, text
    for words in [*says, "Nothing was changed"]:
        assert words in text, text
    assert "another-mongo-url" not in text
    assert "Traceback" not in text
    assert lab.lab.state_file(STACK).read_bytes() == state
    assert lab.writes() == writes
    assert lab.ledger() == []


def _edit_settings(lab: PlanLab, _monkeypatch: pytest.MonkeyPatch) -> None:
    lab.edit(lambda config: config["snu:apps"]["api"].update(memory=2048))


def _let_all_else_happen(lab: PlanLab, monkeypatch: pytest.MonkeyPatch) -> None:
    later = datetime.now(UTC) + timedelta(hours=25)
    monkeypatch.setattr(verification, "datetime", SimpleNamespace(now=lambda _zone: later))
    _program(lab)
    lab.edit(lambda config: config["snu:plans"].update(planners={}))
    _image_gone(lab)
    file = lab.lab.state_file(STACK)
    state = json.loads(file.read_text())
    (admin,) = [
        each for each in state["checkpoint"]["latest"]["resources"] if each["urn"].endswith("::admin-container")
    ]
    admin["inputs"]["memoryLimitBytes"] += 1_000_000
    file.write_text(json.dumps(state))


@pytest.mark.parametrize(
    ("happen", "told"),
    [
        pytest.param(_edit_settings, ["configuration: snu:apps was changed"], id="settings edited"),
        pytest.param(
            _let_all_else_happen,
            [
                "the plan expired on",
                "the files have changed",
                "configuration: snu:plans was changed",
                "changed in the state: inputs.memoryLimitBytes",
                "is no longer in its registry",
            ],
            id="all else",
        ),
    ],
)
def test_changes_during_the_confirmation_are_rejected(
    lab: PlanLab,
    happen: Callable[[PlanLab, pytest.MonkeyPatch], None],
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[object] = []

    def confirm(_question: str) -> None:
        happen(lab, monkeypatch)
        left[:] = [lab.writes(), lab.lab.state_file(STACK).read_bytes()]

    monkeypatch.setattr(plan_command, "confirm", confirm)
    monkeypatch.setenv("PULUMI_HOME", str(lab.home))
    with pytest.raises(OpsError, match="Nothing was changed") as refused:
        plan_command.apply(lab.plan, lab.directory, None, EngineChoice(lab.engine), Options())
    assert refused.value.code is ExitCode.REFUSED
    for text in told:
        assert text in str(refused.value)
    assert left == [lab.writes(), lab.lab.state_file(STACK).read_bytes()]
    assert lab.ledger() == []


def test_other_files_are_rejected_without_reading_them(lab: PlanLab, tmp_path: Path) -> None:
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(2**40)
    for path, code in (
        (Path("/dev/zero"), ExitCode.USAGE),
        (pipe, ExitCode.USAGE),
        (tmp_path, ExitCode.USAGE),
        (large, ExitCode.REFUSED),
    ):
        refused = lab.apply(path)
        assert refused.returncode == code, refused.stdout + refused.stderr
        assert refused.stderr.startswith(f"error: {path} ")


def test_a_plan_is_applied_exactly_and_once(lab: PlanLab) -> None:
    done = lab.apply()
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert lab.container()["memory_limit_bytes"] == 1_024_000_000
    (entry,) = lab.ledger()
    assert entry["outcome"] == "applied"
    assert lab.snu("preview", STACK, "--expect-no-changes", "--refresh").returncode == ExitCode.OK
    state = lab.lab.state_file(STACK).read_bytes()
    writes = lab.writes()
    again = lab.apply()
    assert again.returncode == ExitCode.OK, again.stderr
    assert "has already been applied, and nothing has changed since." in again.stdout
    assert "Containers" in again.stdout
    assert (lab.lab.state_file(STACK).read_bytes(), lab.writes()) == (state, writes)
    _by_hand(lab)
    refused = lab.apply()
    assert refused.returncode == ExitCode.REFUSED, refused.stdout
    assert "has already been applied" in refused.stderr
    assert lab.lab.state_file(STACK).read_bytes() == state
    assert len(lab.ledger()) == 1


def test_status_shows_running_images_and_waiting_plans(lab: PlanLab) -> None:
    def of_local(*arguments: str) -> Any:
        run = lab.lab.project.snu("status", "--json", *arguments)
        assert run.returncode == ExitCode.INCOMPLETE, run.stdout + run.stderr  # of the other stacks, without a key
        (found,) = [each for each in json.loads(run.stdout)["environments"] if each["stack"] == "local"]
        return found

    status = of_local()
    assert (status["images"]["api"], status["result"], status["problem"]) == ("local", "succeeded", "")
    (plan,) = status["plans"]
    assert plan["author"] == "A Planner <planner@snu.localhost>"
    assert len(plan["images"]) == 4
    shown = lab.lab.project.snu("status").stdout
    assert f"plan {plan['digest'][:12]} by A Planner" in shown
    assert "stage  status unknown\n" in shown
    assert "Skipped ci, production, stage: no Scaleway API key." in shown
    exports = lab.lab.project.snu("local", "env").stdout.splitlines()
    pointed = {name: value.strip("'") for name, _, value in (line[7:].partition("=") for line in exports)}
    misled = lab.lab.project.snu("status", **pointed)
    assert misled.returncode == ExitCode.INCOMPLETE
    assert "Skipped ci, production, stage: SCW_API_URL is http://127.0.0.1:" in misled.stdout
    assert "production  nothing runs yet" not in misled.stdout
    moved = lab.plan.rename(lab.plan.with_suffix(".moved"))
    assert of_local()["plans"] == []
    moved.rename(lab.plan)
    assert lab.apply().returncode == ExitCode.OK
    status = of_local("--drift")
    assert (status["plans"], status["drift"]) == ([], False)
    _by_hand(lab)
    assert of_local("--drift")["drift"] is True


def test_a_discarded_plan_cannot_be_applied(lab: PlanLab) -> None:
    snu = lab.lab.project.snu
    unknown = snu("plan", "discard", STACK, "0000", "--yes")
    assert unknown.returncode == ExitCode.USAGE
    assert "Plan 0000 of local is not waiting to be applied" in unknown.stderr
    state = lab.lab.state_file(STACK).read_bytes()
    discarded = snu("plan", "discard", STACK, "--yes")
    assert discarded.returncode == ExitCode.OK, discarded.stderr
    assert "it can no longer be applied" in discarded.stdout
    refused = lab.apply()
    assert refused.returncode == ExitCode.REFUSED
    assert "This plan was discarded by" in refused.stderr
    assert "has no waiting plans" in snu("plan", "discard", STACK, "--yes").stdout
    assert lab.lab.state_file(STACK).read_bytes() == state


def test_one_of_two_concurrent_applies_runs(lab: PlanLab) -> None:
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(lab.apply, None, "--lock-timeout", "2m") for _ in range(2)]
    done = [run.result() for run in runs]
    assert [run.returncode for run in done] == [ExitCode.OK] * 2, [run.stderr for run in done]
    assert sum("nothing has changed since." in run.stdout for run in done) == 1
    assert len(lab.ledger()) == 1


def test_the_same_plan_again_has_the_same_digest(lab: PlanLab) -> None:
    """Even if commit and time differ, so that an approval stays valid."""
    (lab.directory / "note.md").write_text("a note\n")
    lab.commit()
    again = lab.directory / "again.plan"
    said = lab.make_plan(again).stdout
    digests = [_digest_in(said), _digest_in(lab.snu("apply", str(lab.plan)).stdout)]
    assert digests[0] == digests[1]
    lab.edit(lambda config: config["snu:apps"]["api"].update(memory=2048))
    lab.commit()
    assert _digest_in(lab.make_plan(again).stdout) != digests[0]


def _digest_in(text: str) -> str:
    return next(line.split()[1] for line in text.splitlines() if line.startswith("Plan "))


def test_the_plan_file_reveals_nothing_without_the_key(lab: PlanLab) -> None:
    sealed = lab.plan.read_bytes()
    for word in (b"api-container", b"memoryLimitBytes", b"fake-mongo-url", STACK.encode()):
        assert word not in sealed
    text = json.dumps(lab.content())
    assert "api-container" in text
    assert "fake-mongo-url" not in text
    assert lab.plan.stat().st_mode & 0o077 == 0


def test_uncommitted_changes_need_a_flag_and_mark_the_plan(lab: PlanLab) -> None:
    path = lab.directory / "dirty.plan"
    _config_used(lab)
    refused = lab.snu("plan", STACK, "--out", str(path))
    assert refused.returncode == ExitCode.USAGE
    assert "Pulumi.local.yaml" in refused.stderr
    assert not path.exists()
    marked = lab.make_plan(path, "--allow-dirty")
    assert "uncommitted changes" in marked.stdout
    done = lab.apply(path)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert "with uncommitted changes" in done.stdout
    assert lab.container("admin")["memory_limit_bytes"] == 512_000_000


def test_an_unknown_planner_cannot_plan(lab: PlanLab) -> None:
    refused = lab.snu(
        "plan", STACK, "--out", str(lab.directory / "x.plan"), SNU_PLAN_SIGNING_KEY=keys.new_signing_key().private
    )
    assert refused.returncode == ExitCode.ENVIRONMENT
    assert "so plans signed with it would be rejected. Use the signing key of" in refused.stderr


_CANARY = "canary-not-a-secret"
_LATE = """
    import os
    from contextlib import suppress
    from pathlib import Path
    found = [str(each) for each in os.environ.items() if "canary-not-a-secret" in each]
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if b"canary-not-a-secret" in path.read_bytes():
                found.append(path.with_name("cmdline").read_text())
    Path(".local/found").write_text(repr(found))

    def late(identity: str) -> str:
        containers.Namespace("late", name="late", project_id=foundation.project_id)
        return identity

    pulumi.export("late", {name: app.container_id for name, app in apps.items()}["api"].apply(late))
"""


def test_an_unplanned_operation_during_the_apply_stops_it(lab: PlanLab) -> None:
    """A resource that the program registers once the id of a new container is known.

    The program also looks for keys of the command, of the shell that started it, and of the engine.
    """
    path = lab.directory / "infra/environment.py"
    mark = '    pulumi.export("namespaceId", namespace_id)\n'
    path.write_text(path.read_text().replace(mark, _LATE + mark))
    lab.edit(lambda config: config["snu:apps"].update(tasks=config["snu:apps"]["api"] | {"image": "api", "host": None}))
    lab.edit(lambda config: config["snu:apps"]["tasks"].pop("host"))
    path.write_text(path.read_text().replace('apps.items()}["api"]', 'apps.items()}["tasks"]'))
    lab.commit()
    plan = lab.directory / "late.plan"
    canaries = dict.fromkeys((IDENTITY, "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "SOME_PASSWORD"), _CANARY)
    lab.make_plan(plan, **canaries)
    seen = lab.directory / ".local/found"
    if landlock_version() >= 2:
        assert seen.read_text() == "[]"
    seen.unlink()
    stopped = lab.apply(plan, **{name: _CANARY for name in canaries if name != IDENTITY})
    if landlock_version() >= 2:
        assert seen.read_text() == "[]"
    text = stopped.stdout + stopped.stderr
    assert stopped.returncode == ExitCode.PART_WAY, text
    assert "stopped before an operation that is not in the plan" in text
    done, _, _rest = stopped.stderr.partition("Not done:")
    assert "create tasks-container" in done
    assert not [item for item in lab.lab.resources("containers.namespace") if item["name"] == "late"]
    (entry,) = lab.ledger()
    assert entry["outcome"] == "failed"
    assert lab.apply(plan).returncode == ExitCode.REFUSED


def test_a_failed_apply_reports_what_was_done(lab: PlanLab) -> None:
    lab.lab.fault("server_error", status=500, match={"method": "PATCH", "path": "/containers/v1/*"})
    failed = lab.apply()
    assert failed.returncode == ExitCode.FAILED, failed.stdout + failed.stderr
    assert "Not done:" in failed.stderr
    assert "update api-container" in failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr
    lab.lab.clear_faults()
    assert lab.apply().returncode == ExitCode.REFUSED


def test_a_release_command_is_in_the_plan_and_runs_once(lab: PlanLab, tmp_path: Path) -> None:
    enable(lab.lab)
    lab.edit(lambda config: config["snu:apps"]["api"].update(release=RELEASE))
    third = _plan_image(lab, "third", tmp_path)
    assert runs(lab.lab) == []
    done = lab.apply(tmp_path / "third.plan")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    for part in ("Checking", "Applying"):
        assert part in done.stdout
    checked, _, applied = done.stdout.partition("Applying")
    assert "would run the release command of api: npm run migrate" in checked
    assert "the release command of api has succeeded" in applied
    assert [each["environment_variables"]["SNU_RELEASE"] for each in runs(lab.lab)] == [third]
    again = lab.apply(tmp_path / "third.plan")
    assert again.returncode == ExitCode.OK, again.stderr
    assert "has already been applied, and nothing has changed since." in again.stdout
    assert len(runs(lab.lab)) == 1

    # A command that cannot be started uses up the plan; the next plan runs it.
    fourth = _plan_image(lab, "fourth", tmp_path)
    lab.lab.fault("server_error", status=500, match={"method": "POST", "path": "*/start"})
    failed = lab.apply(tmp_path / "fourth.plan")
    assert failed.returncode == ExitCode.FAILED, failed.stdout + failed.stderr
    assert "cannot run the release command of api: Scaleway returned 500" in failed.stdout + failed.stderr
    assert "update api-container" in failed.stderr.partition("Not done:")[2]
    assert lab.container()["image"].endswith(third)
    lab.lab.clear_faults()
    assert lab.apply(tmp_path / "fourth.plan").returncode == ExitCode.REFUSED
    lab.make_plan(tmp_path / "again.plan")
    done = lab.apply(tmp_path / "again.plan")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert lab.container()["image"].endswith(fourth)
    assert [each["environment_variables"]["SNU_RELEASE"] for each in runs(lab.lab)] == [fourth, third]


def _plan_image(lab: PlanLab, content: str, folder: Path) -> str:
    """Plan another image of api, whose plan says that the release command will run; gives its digest."""
    digest = lab.push(content)
    lab.edit(lambda config: config["snu:images"]["api"].update(digest=digest))
    lab.commit()
    markdown = folder / "plan.md"
    planned = lab.make_plan(folder / f"{content}.plan", "--markdown", str(markdown))
    announced = "api-release: would run the release command of api: npm run migrate"
    assert announced in planned.stdout.replace("api-release-definition", "api-release")
    assert "would run the release command of api: npm run migrate" in markdown.read_text()
    assert RELEASE["command"][-1] in json.dumps(lab.content(folder / f"{content}.plan"))
    return digest


def test_an_engine_rejects_the_other_engine_s_plan(lab: PlanLab, tmp_path: Path) -> None:
    """Without the command's own check, which the table above covers."""
    path = tmp_path / "plan.json"
    path.write_text(lab.content()["update_plan"])
    state, writes = lab.lab.state_file(STACK).read_bytes(), lab.writes()
    if lab.engine == "pulumi":
        request = Request(
            project_dir=lab.directory,
            stack=STACK,
            backend_url=lab.lab.project.backend_url,
            environ={"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE},
            plan=path,
        )
        with pytest.raises(PlanError, match="is a Pulumi CLI plan; the embedded engine applies only its own"):
            embedded.up(request)
    elif shutil.which("pulumi"):
        refused = Cli(lab.directory, lab.home, lab.lab.project.backend_url).up(STACK, "--plan", str(path))
        assert not refused.ok
        assert "manifest" in refused.text
        assert "panic" not in refused.text
    assert lab.lab.state_file(STACK).read_bytes() == state
    assert lab.writes() == writes
