"""The unmodified program on the local Scaleway, through the embedded engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import operations
from engine.events import EngineEvent
from engine.request import Outcome, Request
from pulumi_state import stack_reader
from pulumi_state.errors import PulumiError
from pulumi_state.state_file import StateFile
from tests.lab.lab import Lab
from tests.lab.project import Project, copy_project
from tests.lab.small import PASSPHRASE, Ran
from tests.support import embedded
from tests.support.ports import silent_port

STACKS = ("foundation-local", "local")


def request(project: Project, stack: str, events: list[EngineEvent], **options: Any) -> Request:
    return Request(
        project_dir=project.directory,
        stack=stack,
        backend_url=project.backend_url,
        environ=PASSPHRASE,
        on_event=events.append,
        **options,
    )


def do(operation: Callable[[Request], Outcome], project: Project, stack: str = "local", **options: Any) -> Ran:
    events: list[EngineEvent] = []
    return Ran(operation(request(project, stack, events, **options)), events)


def state_file(project: Project, stack: str = "local") -> Path:
    return Lab(project).state_file(stack)


def objects(project: Project, path: str, key: str) -> list[dict[str, Any]]:
    """A list from the local Scaleway's API, read with the owner's key."""
    listed: list[dict[str, Any]] = Lab(project).ask("GET", path)[key]
    return listed


def containers(project: Project) -> dict[str, dict[str, Any]]:
    found = objects(project, "/containers/v1/regions/fr-par/containers?page_size=100", "containers")
    return {container["name"]: container for container in found}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Both stacks, up. A test that changes anything restores it."""
    project = copy_project(tmp_path_factory.mktemp("flows") / "project")
    project.start_cloud()
    for stack in STACKS:
        ran = do(embedded.up, project, stack)
        assert ran.ok, ran.errors()
        assert set(ran.outcome.changes) == {"create"}
        if stack == "foundation-local":
            stored = project.snu("keys", "store", stack)
            assert stored.returncode == 0, stored.stderr
    yield project
    project.stop_cloud()


@pytest.mark.parametrize("stack", STACKS)
def test_a_second_preview_and_a_refresh_show_no_change(deployed: Project, stack: str) -> None:
    preview = do(embedded.preview, deployed, stack)
    assert preview.ok
    assert set(preview.outcome.changes) == {"same"}
    refresh = do(operations.refresh, deployed, stack)
    assert refresh.ok
    assert set(refresh.outcome.changes) == {"same"}
    assert set(do(embedded.preview, deployed, stack).outcome.changes) == {"same"}


def test_editing_one_value_shows_exactly_that(deployed: Project) -> None:
    with deployed.edited("local", lambda config: config["snu:apps"]["antivirus"].update(memory=2048)):
        preview = do(embedded.preview, deployed)
        assert preview.ok
        assert preview.steps() == {"antivirus-container": ("update", {"memoryLimitBytes": "update"})}
        assert do(embedded.up, deployed).outcome.changes["update"] == 1
        assert containers(deployed)["local-antivirus"]["memory_limit_bytes"] == 2_048_000_000
    assert do(embedded.up, deployed).outcome.changes["update"] == 1


def test_an_eighth_app_comes_and_goes(deployed: Project) -> None:
    def add(config: dict[str, Any]) -> None:
        more = {"image": "antivirus", "host": "extra.local.snu.localhost"}
        config["snu:apps"]["extra"] = {**config["snu:apps"]["antivirus"], **more}

    with deployed.edited("local", add):
        added = do(embedded.up, deployed)
        assert added.ok, added.errors()
        assert {op for op, _ in added.steps().values()} == {"create"}
        assert "local-extra" in containers(deployed)
    removed = do(embedded.up, deployed)
    assert removed.ok, removed.errors()
    assert {op for op, _ in removed.steps().values()} == {"delete"}
    assert "local-extra" not in containers(deployed)


def test_a_refresh_detects_changes_in_the_cloud(deployed: Project) -> None:
    container = containers(deployed)["local-antivirus"]
    Lab(deployed).ask("PATCH", f"/containers/v1/regions/fr-par/containers/{container['id']}", {"max_scale": 7})
    assert set(do(embedded.preview, deployed).outcome.changes) == {"same"}
    preview = do(embedded.preview, deployed, refresh=True)
    assert preview.ok
    assert preview.steps()["antivirus-container"] == ("update", {"maxScale": "update"})
    back = do(embedded.up, deployed, refresh=True)
    assert back.ok
    assert containers(deployed)["local-antivirus"]["max_scale"] == 1


def test_outputs_of_a_stack(deployed: Project) -> None:
    found = stack_reader.outputs(StateFile(deployed.backend_url, "snu", "local"), PASSPHRASE)
    assert found
    with pytest.raises(PulumiError, match="other has no state"):
        stack_reader.outputs(StateFile(deployed.backend_url, "snu", "other"), PASSPHRASE)


def test_no_secret_is_in_events_or_in_clear_in_the_state(deployed: Project) -> None:
    secret_data = _document_values(deployed)
    assert len(secret_data) > 10
    words = {*secret_data, deployed.config("local")["scaleway:secretKey"]}
    shown = ""
    with deployed.edited("local", lambda config: config["snu:apps"]["api"]["secretVariables"].remove("MONGO_URL")):
        for operation in (embedded.preview, embedded.up, operations.refresh, operations.preview_destroy):
            ran = do(operation, deployed)
            assert ran.ok, ran.errors()
            shown += json.dumps(ran.events, ensure_ascii=False)
    shown += json.dumps(do(embedded.up, deployed).events, ensure_ascii=False)
    for stack in STACKS:
        shown += state_file(deployed, stack).read_text()
        shown += state_file(deployed, stack).with_name(f"{stack}.json.bak").read_text()
    assert [word for word in words if word in shown] == []


def _document_values(project: Project) -> set[str]:
    """The secret values in the secret documents, read with the owner's key."""
    base = "/secret-manager/v1beta1/regions/fr-par/secrets"
    apps = project.config("local")["snu:apps"]
    named = {
        name if isinstance(name, str) else next(iter(name.values()))
        for app in apps.values()
        for name in app.get("secretVariables", [])
    }
    found: set[str] = set()
    for secret in objects(project, f"{base}?page_size=100", "secrets"):
        document = json.loads(Lab(project).read_secret(secret["id"]))
        found |= {value for name, value in document.items() if name in named and len(value) >= 8}
    return found


# --- bad inputs -------------------------------------------------------------------------------------------


def _set(key: str, value: Any) -> Callable[[Project], object]:
    return lambda project: project.change("local", lambda config: config.update({key: value}))


BAD: dict[str, tuple[Callable[[Project], object], str]] = {
    "another address": (_set("scaleway:apiUrl", "https://api.scaleway.com"), "supports only the local Scaleway"),
    "no address": (lambda project: project.edit("local", "  scaleway:apiUrl:", "  scaleway:apiUrl_:"), "apiUrl"),
    "no YAML": (
        lambda project: project.stack_file("local").write_text("config: ["),
        "Pulumi.local.yaml:2: found invalid YAML",
    ),
    "no text": (lambda project: project.stack_file("local").write_bytes(b"\xff\xfe\x00\xd8"), "Pulumi.local.yaml"),
    "no mapping": (
        lambda project: project.stack_file("local").write_text("- a"),
        "Pulumi.local.yaml:1: found a list; write a mapping, as `key: value` lines",
    ),
    "config is a list": (
        lambda project: project.stack_file("local").write_text("config: [1]"),
        "Pulumi.local.yaml:1: config: found no mapping",
    ),
    "no file": (lambda project: project.stack_file("local").unlink(), "does not exist"),
    "another secrets provider": (
        lambda project: project.stack_file("local").write_text("secretsprovider: awskms://x"),
        "awskms",
    ),
    "a malformed salt": (
        lambda project: project.stack_file("local").write_text("encryptionsalt: 5\nconfig: {}"),
        "salt",
    ),
    "a damaged secret": (_set("snu:x", {"secure": "v1:AAAA:AAAA"}), "cannot be decrypted"),
    "a secret that is none": (_set("snu:x", {"secure": 5}), "cannot be decrypted"),
}


@pytest.fixture
def copy(deployed: Project, tmp_path: Path) -> Project:
    """A copy of the project and its state, on the same local Scaleway."""
    folder = tmp_path / "project"
    shutil.copytree(deployed.directory, folder, symlinks=True, ignore=shutil.ignore_patterns("scaleway", "__pycache__"))
    return Project(folder, deployed.port)


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_and_changes_nothing(copy: Project, case: str) -> None:
    spoil, said = BAD[case]
    spoil(copy)
    before = state_file(copy).read_bytes()
    for operation in (embedded.preview, embedded.up):
        with pytest.raises(PulumiError) as raised:
            do(operation, copy)
        assert said in str(raised.value)
        assert "Traceback" not in str(raised.value)
    assert state_file(copy).read_bytes() == before


def test_a_wrong_or_missing_passphrase_changes_nothing(copy: Project) -> None:
    before = state_file(copy).read_bytes()
    for environ, said in (({}, "no passphrase"), ({"PULUMI_CONFIG_PASSPHRASE": "x"}, "incorrect passphrase")):
        with pytest.raises(PulumiError, match=said):
            embedded.up(Request(copy.directory, "local", backend_url=copy.backend_url, environ=environ))
    assert state_file(copy).read_bytes() == before


def test_a_damaged_state_file_is_left_alone(copy: Project) -> None:
    state_file(copy).write_text(state_file(copy).read_text()[:5000])
    before = state_file(copy).read_bytes()
    for operation in (embedded.preview, embedded.up, operations.destroy, operations.refresh):
        with pytest.raises(PulumiError, match="is damaged"):
            do(operation, copy)
    assert state_file(copy).read_bytes() == before


def test_a_program_that_refuses_its_settings_changes_nothing(copy: Project) -> None:
    before = state_file(copy).read_bytes()
    _set("snu:apps", {"api": {"cpu": "much"}})(copy)
    for operation in (embedded.preview, embedded.up):
        ran = do(operation, copy)
        assert not ran.ok
        (said,) = ran.errors()
        assert "snu:apps" in said
        assert "localcloud" not in said
    after = json.loads(state_file(copy).read_text())["checkpoint"]["latest"]["resources"]
    assert len(after) == len(json.loads(before)["checkpoint"]["latest"]["resources"])


def test_a_local_scaleway_that_does_not_run(copy: Project) -> None:
    before = state_file(copy).read_bytes()
    with silent_port() as port:
        _set("scaleway:apiUrl", f"http://127.0.0.1:{port}")(copy)
        preview = do(embedded.preview, copy)
        after = state_file(copy).read_bytes()
        refresh = do(operations.refresh, copy)
    assert not preview.ok
    assert any("is not responding; start it with" in error for error in preview.errors()), preview.errors()
    assert after == before
    assert not refresh.ok
    assert any("is not responding" in error for error in refresh.errors())


# --- the end of it ----------------------------------------------------------------------------------------


def test_destroy_leaves_nothing(project: Project) -> None:
    project.start_cloud()
    paths = {
        "/containers/v1/regions/fr-par/namespaces": "namespaces",
        "/containers/v1/regions/fr-par/containers": "containers",
        "/registry/v1/regions/fr-par/namespaces": "namespaces",
        "/iam/v1alpha1/applications": "applications",
        "/iam/v1alpha1/policies": "policies",
        "/serverless-sqldb/v1alpha1/regions/fr-par/databases": "databases",
        "/account/v3/projects?organization_id=10ca1000-0000-4000-8000-000000000001": "projects",
        "/secret-manager/v1beta1/regions/fr-par/secrets": "secrets",
    }
    before = {path: len(objects(project, path, key)) for path, key in paths.items()}
    for stack in STACKS:
        assert do(embedded.up, project, stack).ok
        if stack == "foundation-local":
            assert project.snu("keys", "store", stack).returncode == 0
    assert {path: len(objects(project, path, key)) for path, key in paths.items()} != before
    for stack in reversed(STACKS):
        preview = do(operations.preview_destroy, project, stack)
        assert preview.ok
        ran = do(operations.destroy, project, stack)
        assert ran.ok, ran.errors()
        assert ran.outcome.changes == preview.outcome.changes
        assert "resources" not in json.loads(state_file(project, stack).read_text())["checkpoint"]["latest"]
    assert {path: len(objects(project, path, key)) for path, key in paths.items()} == before
