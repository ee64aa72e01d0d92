"""The state file: read with care, written in one step, locked."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pulumi_state.errors import OverwrittenError, StateError
from pulumi_state.passphrase import Crypter
from pulumi_state.process import Process
from pulumi_state.state_file import StateFile
from pulumi_state.store import StoreError
from pulumi_state.store.folder import FolderStore
from tests.engine.lab import Lab, Res


class FileInFolder(StateFile):
    @property
    def path(self) -> Path:
        return Path(self.location(self.key))


@pytest.fixture
def file(tmp_path: Path) -> FileInFolder:
    return FileInFolder(f"file://{tmp_path}", "snu", "local")


def write(file: FileInFolder, document: Any) -> str:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    text = document if isinstance(document, str) else json.dumps(document)
    file.path.write_text(text)
    return text


def test_the_layout_is_the_file_backends(file: FileInFolder, tmp_path: Path) -> None:
    file.write("one")
    file.write("two")
    root = tmp_path / ".pulumi"
    assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} == {
        "meta.yaml",
        "stacks/snu/local.json",
        "stacks/snu/local.json.bak",
    }
    assert (file.path.read_text(), file.path.with_name("local.json.bak").read_text()) == ("two", "one")
    assert (root / "meta.yaml").read_text() == "version: 1\n"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_the_state_as_it_was(file: FileInFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write("one")

    def no_space(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(StateError, match="No space left on device"):
        file.write("two")
    assert file.path.read_text() == "one"
    assert [path.name for path in file.path.parent.glob("*.tmp")] == []


def test_no_state_yet(file: FileInFolder) -> None:
    assert file.read() is None


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        {"version": 3},
        {"version": 3, "checkpoint": None},
        "\x00" * 40,
        {"version": 3, "checkpoint": {"latest": [1]}},
    ],
)
def test_a_damaged_file_is_named_with_its_backup_and_left_alone(file: FileInFolder, document: Any) -> None:
    text = write(file, document)
    file.path.with_name("local.json.bak").write_text("{}")
    with pytest.raises(StateError, match=r"is damaged .*the state before the last write is in .*\.bak") as raised:
        file.read()
    assert str(file.path) in str(raised.value)
    assert file.path.read_text() == text


def test_a_file_that_is_not_text(file: FileInFolder) -> None:
    write(file, "")
    file.path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StateError, match="is damaged"):
        file.read()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 5}, "version 5; this version of snu supports versions 3 and 4 with the features hooks"),
        ({"version": 4, "features": ["hooks", "views"]}, "version 4 with the features views;"),
        ({"checkpoint": {"latest": {"secrets_providers": {"type": "cloud"}}}}, "secrets provider cloud;"),
    ],
)
def test_unsupported_checkpoints_are_named(file: FileInFolder, change: dict[str, Any], said: str) -> None:
    write(file, {"version": 3, "checkpoint": {"latest": {}}, **change})
    with pytest.raises(StateError, match=said):
        file.read()


@pytest.mark.parametrize(
    "resource", [{}, None, {"urn": "urn:pulumi:a::b::c::d"}, {"urn": "u", "custom": True, "type": "t", "inputs": 3}]
)
def test_malformed_resources(file: FileInFolder, resource: Any) -> None:
    write(file, {"version": 3, "checkpoint": {"latest": {"resources": [resource]}}})
    checkpoint = file.read()
    assert checkpoint is not None
    with pytest.raises(StateError, match="malformed resource"):
        checkpoint.snapshot(Crypter(bytes(32), ""))


@pytest.mark.parametrize(("backend", "said"), [("gs://bucket", "gs://"), ("s3://bucket", "AWS_ACCESS_KEY_ID")])
def test_backends_that_cannot_be_used(backend: str, said: str) -> None:
    with pytest.raises(StateError, match=said):
        StateFile(backend, "snu", "local", {})


def test_a_state_that_the_cli_wrote_keeps_its_salt(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.up(Res("a"))
    checkpoint = lab.file.read()
    assert checkpoint is not None
    assert checkpoint.salt == lab.crypter.salt
    assert json.loads(lab.file.path.read_text())["checkpoint"]["stack"] == "organization/lab/dev"


# --- locks ------------------------------------------------------------------------------------------------


def _locks(file: FileInFolder) -> Path:
    return file.path.parents[2] / "locks" / "organization" / "snu" / "local"


def _hold(file: FileInFolder, process: Process | None = None, **changes: Any) -> Path:
    """A lock of another run; ``process``: as the embedded engine notes it."""
    folder = _locks(file)
    folder.mkdir(parents=True, exist_ok=True)
    held = {
        "pid": process.pid if process else os.getpid(),
        "username": "ann",
        "hostname": socket.gethostname(),
        "timestamp": "2026-01-02T03:04:05Z",
    }
    noted = {"snuProcess": asdict(process)} if process else {}
    path = folder / "other.json"
    path.write_text(json.dumps(held | noted | changes))
    return path


def test_the_lock_is_there_while_it_is_held(file: FileInFolder) -> None:
    with file.locked():
        (lock,) = _locks(file).iterdir()
        assert json.loads(lock.read_text())["pid"] == os.getpid()
    assert list(_locks(file).iterdir()) == []


def test_the_lock_is_released_after_a_failure(file: FileInFolder) -> None:
    with pytest.raises(ZeroDivisionError), file.locked():
        raise ZeroDivisionError
    assert list(_locks(file).iterdir()) == []


def test_a_lock_of_a_living_process_is_respected(file: FileInFolder) -> None:
    other = _hold(file)
    with (
        pytest.raises(StateError, match=rf"locked by ann@.* \(pid {os.getpid()}\) since 2026-01-02T03:04:05Z"),
        file.locked(),
    ):
        pass
    assert list(_locks(file).iterdir()) == [other]


@pytest.mark.parametrize("noted", [False, True], ids=["of the CLI", "of another boot"])
def test_a_lock_of_which_nothing_is_known_is_respected(file: FileInFolder, noted: bool) -> None:
    """A number that is no process here says nothing: host names tell no machines apart."""
    other = _hold(file, Process(99_999_999, "another boot", "", "1") if noted else None, pid=99_999_999)
    with pytest.raises(StateError, match=r"ann@.*`scripts/snu unlock local`"), file.locked():
        pass
    assert list(_locks(file).iterdir()) == [other]


def test_a_lock_of_a_process_that_has_ended_is_removed(file: FileInFolder) -> None:
    other = _hold(file, replace(Process.current(), started="1"))
    with file.locked():
        assert not other.exists()


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("{"), lambda path: path.write_text("[]")])
def test_malformed_locks(file: FileInFolder, spoil: Callable[[Path], Any]) -> None:
    spoil(_hold(file))
    with pytest.raises(StateError, match="remove it if no update is running"), file.locked():
        pass


def test_a_folder_that_cannot_be_written(file: FileInFolder, tmp_path: Path) -> None:
    (tmp_path / ".pulumi").write_text("a file where a folder should be")
    with pytest.raises(StateError, match="cannot"), file.locked():
        pass


# --- conditions -------------------------------------------------------------------------------------------


def test_a_state_that_another_run_has_changed_is_not_overwritten(file: FileInFolder, tmp_path: Path) -> None:
    file.write("one")
    other = FileInFolder(f"file://{tmp_path}", "snu", "local")
    with suppress(StateError):
        other.read()
    other.write("two")
    for _ in range(2):
        with pytest.raises(OverwrittenError, match="another run changed the state of local, and its version was kept"):
            file.write("three")
    with pytest.raises(OverwrittenError):
        file.delete()
    assert file.path.read_text() == "two"


def test_a_state_that_was_never_read_must_be_new(file: FileInFolder, tmp_path: Path) -> None:
    file.write("one")
    with pytest.raises(OverwrittenError):
        FileInFolder(f"file://{tmp_path}", "snu", "local").write("two")


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_write_without_an_answer_is_no_change_by_another_run(
    file: FileInFolder, monkeypatch: pytest.MonkeyPatch, carried_out: bool
) -> None:
    file.write("one")
    write = FolderStore.write

    def unanswered(store: FolderStore, key: str, content: bytes, expected: str | None = None) -> str:
        if carried_out:
            write(store, key, content, expected)
        raise StoreError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "write", unanswered)
        with pytest.raises(StateError, match="no answer"):
            file.write("two")
    file.write("three")
    assert file.path.read_text() == "three"


def test_a_state_with_hooks_is_written_as_the_cli_does(file: FileInFolder) -> None:
    plain = {"urn": "urn:pulumi:local::snu::a:b:C::d", "type": "a:b:C", "custom": False}
    hooked = {**plain, "resourceHooks": {"AfterCreate": ["h"]}}
    for resource, expected in ((hooked, (4, ["hooks"])), (plain, (3, None))):
        file.write_latest({"resources": [resource]})
        document = json.loads(file.path.read_text())
        assert (document["version"], document.get("features")) == expected
        checkpoint = file.read()
        assert checkpoint is not None
        (read,) = checkpoint.snapshot(Crypter(bytes(32), "")).resources
        assert read.hooks == resource.get("resourceHooks", {})
