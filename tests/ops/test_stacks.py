"""Finding stacks, and what is refused before an engine starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.settings.built import write_built
from ops.engines.select import EngineChoice, select_engine
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import LOCAL_PASSPHRASE, Stack, find_stack, project_dir, stack_names
from ops.state.backend_environment import backend_environment
from pulumi_state.variables import BACKEND_URL, PASSPHRASE, PASSPHRASE_FILE

LOCAL_URL = "http://127.0.0.1:1234"


def make_stack(folder: Path, url: str | None = LOCAL_URL, provider: str = "passphrase") -> Stack:
    return Stack(folder, "s", {"scaleway:apiUrl": url} if url else {}, provider)


def test_templates_are_no_stacks(tmp_path: Path) -> None:
    for name in ("Pulumi.yaml", "Pulumi.ci.yaml", "Pulumi.pr-12.yaml", "Pulumi.preview.template.yaml"):
        (tmp_path / name).touch()
    assert stack_names(tmp_path) == ["ci", "pr-12"]


def test_an_unknown_name_is_answered_with_the_stacks_that_exist(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.ci.yaml").touch()
    with pytest.raises(OpsError, match=r"no stack 'cj'.*Stacks: ci\.") as caught:
        find_stack(tmp_path, "cj")
    assert caught.value.code is ExitCode.USAGE


@pytest.mark.parametrize("text", ["a: [", "- a", "config: text"])
def test_a_file_that_is_no_stack_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "Pulumi.ci.yaml").write_text(text)
    with pytest.raises(OpsError, match=r"Pulumi\.ci\.yaml") as caught:
        find_stack(tmp_path, "ci")
    assert caught.value.code is ExitCode.SETTINGS


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=r"no Pulumi\.yaml"):
        project_dir(tmp_path)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8421", True),
        ("http://localhost:8421", True),
        ("http://[::1]:8421", True),
        ("https://api.scaleway.com", False),
        ("http://127.0.0.1.example.org", False),
        ("http://10.0.0.1", False),
        (None, False),
    ],
)
def test_local_is_what_never_leaves_this_machine(tmp_path: Path, url: str | None, local: bool) -> None:
    assert make_stack(tmp_path, url).is_local is local


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:99999", "ftp://127.0.0.1"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(OpsError, match="expected an address") as caught:
        _ = make_stack(tmp_path, url).is_local
    assert caught.value.code is ExitCode.SETTINGS


def test_a_local_stack_needs_nothing_from_the_environment(tmp_path: Path) -> None:
    assert backend_environment(make_stack(tmp_path), {}) == {
        BACKEND_URL: f"file://{tmp_path}/.local/state",
        PASSPHRASE: LOCAL_PASSPHRASE,
    }
    assert (tmp_path / ".local/state").is_dir()


@pytest.mark.parametrize("name", [PASSPHRASE, PASSPHRASE_FILE])
def test_what_the_user_has_set_wins(tmp_path: Path, name: str) -> None:
    environ = {BACKEND_URL: "file:///elsewhere", name: "mine"}
    assert backend_environment(make_stack(tmp_path), environ) == environ


def test_the_backend_of_another_checkout_is_refused(tmp_path: Path) -> None:
    """As left in a shell by `local env` of the other one."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        folder.mkdir()
        (folder / "Pulumi.yaml").touch()
    (tmp_path / "link").symlink_to(mine)
    with pytest.raises(OpsError) as refused:
        backend_environment(make_stack(mine), {BACKEND_URL: f"file://{other}/.local/state/"})
    assert refused.value.code is ExitCode.ENVIRONMENT
    assert str(refused.value) == (
        f"PULUMI_BACKEND_URL is file://{other}/.local/state, the backend of another checkout, but the state of s is in "
        f"file://{mine}/.local/state. Nothing was changed. Run: unset PULUMI_BACKEND_URL"
    )
    for url in (f"file://{mine}/.local/state", f"file://{tmp_path}/link/.local/state", f"file://{other}/elsewhere"):
        assert backend_environment(make_stack(mine), {BACKEND_URL: url})[BACKEND_URL] == url
    (other / "Pulumi.yaml").unlink()
    url = f"file://{other}/.local/state"
    assert backend_environment(make_stack(mine), {BACKEND_URL: url})[BACKEND_URL] == url, "a folder of the user's"


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({}, "PULUMI_BACKEND_URL"),
        ({PASSPHRASE: "mine"}, "PULUMI_BACKEND_URL"),
        ({BACKEND_URL: "s3://state"}, "in the state of s is missing"),
    ],
)
def test_another_stack_needs_its_backend_and_its_passphrase(
    tmp_path: Path, environ: dict[str, str], missing: str
) -> None:
    with pytest.raises(OpsError, match=missing) as caught:
        backend_environment(make_stack(tmp_path, None), environ)
    assert caught.value.code is ExitCode.ENVIRONMENT


def test_another_secrets_provider_needs_no_passphrase(tmp_path: Path) -> None:
    environ = {BACKEND_URL: "s3://state"}
    assert backend_environment(make_stack(tmp_path, None, "gcpkms://key"), environ) == environ


class TestEngines:
    """Which engine takes a stack, with nothing or with a faked CLI on PATH."""

    @pytest.fixture
    def path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        monkeypatch.setenv("PATH", str(folder))
        return folder

    def install(self, path: Path, *names: str) -> None:
        for name in names:
            (path / name).touch(0o755)

    def test_local_without_the_cli_is_embedded(self, path: Path) -> None:
        self.install(path, "pulumi")
        assert select_engine(EngineChoice.AUTO, make_stack(path)).name == "embedded"

    def test_local_with_the_cli_and_the_plugin_is_pulumi(self, path: Path) -> None:
        self.install(path, "pulumi", "pulumi-resource-scaleway")
        assert select_engine(EngineChoice.AUTO, make_stack(path)).name == "pulumi"
        assert select_engine(EngineChoice.EMBEDDED, make_stack(path)).name == "embedded"

    def test_the_real_scaleway_is_always_pulumi(self, path: Path) -> None:
        self.install(path, "pulumi")
        assert select_engine(EngineChoice.AUTO, make_stack(path, None)).name == "pulumi"

    @pytest.mark.parametrize("url", [None, LOCAL_URL])
    def test_a_missing_cli_is_said_with_what_to_do(self, path: Path, url: str | None) -> None:
        with pytest.raises(OpsError, match="Install it") as caught:
            select_engine(EngineChoice.PULUMI, make_stack(path, url))
        assert caught.value.code is ExitCode.ENGINE
        assert ("--engine embedded" in str(caught.value)) is (url is not None)

    @pytest.mark.parametrize("url", [None, "https://api.scaleway.com"])
    def test_the_embedded_engine_is_kept_from_the_real_scaleway(self, path: Path, url: str | None) -> None:
        with pytest.raises(OpsError, match="only the local Scaleway") as caught:
            select_engine(EngineChoice.EMBEDDED, make_stack(path, url))
        assert caught.value.code is ExitCode.ENGINE


def test_images_that_were_built_belong_to_the_configuration(tmp_path: Path) -> None:
    """So a plan that was made before a build is refused after it."""
    config = "config: {'snu:blueprint': environment, 'snu:images': {api: {version: '1'}, app: {version: '1'}}%s}"
    (tmp_path / "Pulumi.ci.yaml").write_text(config % "")
    (tmp_path / "Pulumi.stage.yaml").write_text(config % ", 'snu:promoteFrom': ci")
    for stack in ("ci", "stage"):
        write_built(tmp_path, stack, {"api": {"version": "2"}})
    assert find_stack(tmp_path, "ci").config["snu:images"] == {"api": {"version": "2"}, "app": {"version": "1"}}
    assert find_stack(tmp_path, "stage").config["snu:images"]["api"] == {"version": "1"}
