"""Backups, history, moves and sizes of states, in backends of every kind."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.commands import state as commands
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.session import Options, Session
from ops.state import backup as backups
from ops.state.change_guard import after_change, before_change
from ops.state.checkpoint import Secrets, fingerprint_of, read_checkpoint
from ops.state.history import updates_of
from ops.state.lock import acquire
from ops.state.move import Move
from ops.state.size import SERVERLESS_LIMIT, StateSize, limit_of, size_of
from ops.state.tombstone import read_tombstone
from pulumi_state import passphrase
from pulumi_state.passphrase import Crypter
from pulumi_state.snapshot import ResourceState, SnapshotEncoder
from pulumi_state.state_file import StateFile
from pulumi_state.store import Entry, Item, Store, layout, open_store
from pulumi_state.values import make_secret
from tests.support.buckets import KEYS, Bucket, bucket, object_storage
from tests.support.postgres import Database, database, postgres_server

__all__ = ["bucket", "database", "object_storage", "postgres_server"]

PASSPHRASE, SECRET = "fake-passphrase", "hush-hush"
PROJECT = "lab"
YES = Options(yes=True)
KEY = layout.checkpoint(PROJECT, "a")


def resources(stack: str, count: int) -> list[ResourceState]:
    def urn(type_: str, name: str) -> str:
        return f"urn:pulumi:{stack}::{PROJECT}::{type_}::{name}"

    root = urn("pulumi:pulumi:Stack", f"{PROJECT}-{stack}")
    provider = urn("pulumi:providers:fake", "default")
    made = [
        ResourceState(root, "pulumi:pulumi:Stack", custom=False),
        ResourceState(provider, "pulumi:providers:fake", custom=True, id="provider-id"),
    ]
    for number in range(count):
        made.append(
            ResourceState(
                urn("fake:index:Thing", f"thing-{number}"),
                "fake:index:Thing",
                custom=True,
                id=f"id-{number}",
                inputs={"label": f"thing {number}", "password": make_secret(SECRET)},
                parent=root,
                provider=f"{provider}::provider-id",
                dependencies=[made[-1].urn] if number else [],
                property_dependencies={"label": [made[-1].urn]} if number else {},
            )
        )
    return made


def write_state(store: Store, stack: str = "a", count: int = 3) -> None:
    file = StateFile(store, PROJECT, stack)
    file.read()
    file.write(SnapshotEncoder(Crypter.new(PASSPHRASE)).encode(file.full_name, resources(stack, count), ()))


def add_update(store: Store, **changes: Any) -> None:
    record = {
        "kind": "update",
        "startTime": 1_700_000_000,
        "endTime": 1_700_000_005,
        "message": "Add things",
        "environment": {"exec.kind": "embedded", "exec.agent": "snu/ann@laptop", "git.head": "0123456789abcdef"},
        "config": {},
        "version": 0,
        "result": "succeeded",
        "resourceChanges": {"create": 3},
    }
    StateFile(store, PROJECT, "a").add_history(record | changes)


@pytest.fixture(params=["folder", "bucket", "database"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return f"file://{tmp_path}/state"
    found: Bucket | Database = request.getfixturevalue(request.param)
    return found.url() if isinstance(found, Bucket) else found.url


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("PULUMI_", "SCW_", "SNU_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(passphrase, "_ITERATIONS", 10)  # to derive a key takes a while
    for name, value in {**KEYS, "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def open_session(tmp_path: Path, environ: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Session]:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
    for stack in ("a", "b"):
        (folder / f"Pulumi.{stack}.yaml").write_text("config: {'scaleway:apiUrl': 'http://127.0.0.1:1'}\n")

    def make(stack: str, backend_url: str) -> Session:
        monkeypatch.setenv("PULUMI_BACKEND_URL", backend_url)
        return Session.open(folder, stack, EngineChoice.EMBEDDED, validate=False, needs_cloud=False)

    return make


@pytest.fixture
def session(open_session: Callable[[str, str], Session], url: str) -> Session:
    return open_session("a", url)


def digest(store: Store, stack: str = "a") -> str:
    return fingerprint_of(read_checkpoint(store, PROJECT, stack), Secrets(os.environ)).digest


# --- backups ----------------------------------------------------------------------------------------------


def test_a_backup_is_restored_as_it_was(session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_state(session.store)
    before, file = digest(session.store), tmp_path / "backup.json"
    assert commands.backup(session, file) is ExitCode.OK
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET not in file.read_text()
    write_state(session.store, count=5)
    with pytest.raises(OpsError, match=r"a has 7 resources.*--replace"):
        commands.restore(session, file, YES, over=False, rename=False)
    assert commands.restore(session, file, YES, over=True, rename=False) is ExitCode.OK
    assert digest(session.store) == before
    (kept,) = session.store.entries(layout.snu_prefix("backups", PROJECT, "a"))
    item = session.store.read(kept.key)
    assert item is not None
    assert len(backups.Backup.parse(item.content, "it").resources) == 7
    assert kept.key in capsys.readouterr().out


def test_restored_into_a_scratch_stack(session: Session, open_session: Any, url: str, tmp_path: Path) -> None:
    write_state(session.store)
    file = tmp_path / "backup.json"
    commands.backup(session, file)
    scratch = open_session("b", url)
    with pytest.raises(OpsError, match=r"The backup belongs to the stack a. To transfer its resources to"):
        commands.restore(scratch, file, YES, over=False, rename=False)
    assert read_checkpoint(scratch.store, PROJECT, "b") is None
    commands.restore(scratch, file, YES, over=False, rename=True)
    restored, wanted = read_checkpoint(scratch.store, PROJECT, "b"), tmp_path / "wanted"
    write_state(open_store(f"file://{wanted}", {}), "b")
    assert restored is not None
    assert "urn:pulumi:a::" not in json.dumps(restored.latest)
    assert digest(scratch.store, "b") == digest(open_store(f"file://{wanted}", {}), "b")
    item = scratch.store.read(layout.checkpoint(PROJECT, "b"))
    assert item is not None
    assert json.loads(item.content)["checkpoint"]["stack"] == "organization/lab/b"


def test_a_backup_beside_the_state(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    write_state(session.store)
    commands.backup(session, None)
    commands.backup(session, None)
    assert len(session.store.entries(layout.snu_prefix("backups", PROJECT, "a"))) == 2
    assert "5 resources" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"format": "snu-state-backup/1"}', '{"format": "snu-state-backup/1", "checkpoint": 1}'],
)
def test_what_is_no_backup(open_session: Any, tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.json"
    file.write_text(text)
    with pytest.raises(OpsError, match=r"odd.json is not a backup"):
        commands.restore(open_session("a", f"file://{tmp_path}/s"), file, YES, over=True, rename=False)


def test_a_backup_with_another_passphrase(open_session: Any, tmp_path: Path) -> None:
    session = open_session("a", f"file://{tmp_path}/state")
    write_state(session.store)
    file = tmp_path / "backup.json"
    commands.backup(session, file)
    session.environ["PULUMI_CONFIG_PASSPHRASE"] = "another"
    with pytest.raises(OpsError, match="not encrypted with the stack"):
        commands.restore(session, file, YES, over=True, rename=False)


def test_a_locked_state_is_shown_as_such_and_neither_replaced_nor_moved(
    open_session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = open_session("a", f"file://{tmp_path}/state")
    write_state(session.store)
    file = tmp_path / "backup.json"
    commands.backup(session, file)
    before = session.store.read(KEY)
    with acquire(session.store, PROJECT, "a", "a test", timeout=0, on_wait=print, on_lost=print):
        commands.show(session)
        with pytest.raises(OpsError, match="for a test") as not_restored:
            commands.restore(session, file, YES, over=True, rename=False)
        with pytest.raises(OpsError, match="for a test") as not_moved:
            commands.move(session, f"file://{tmp_path}/elsewhere", YES)
    assert {not_restored.value.code, not_moved.value.code} == {ExitCode.LOCKED}
    assert "locked by" in capsys.readouterr().out
    assert session.store.read(KEY) == before
    assert not (tmp_path / "elsewhere" / KEY).exists()


def test_files_that_cannot_be_used(open_session: Any, tmp_path: Path) -> None:
    session = open_session("a", f"file://{tmp_path}/state")
    with pytest.raises(OpsError, match="a has no state in"):
        commands.backup(session, tmp_path / "x")
    write_state(session.store)
    (tmp_path / "there").touch()
    with pytest.raises(OpsError, match="File exists"):
        commands.backup(session, tmp_path / "there")
    with pytest.raises(OpsError, match="cannot be read: No such file"):
        commands.restore(session, tmp_path / "nowhere", YES, over=False, rename=False)


# --- history ----------------------------------------------------------------------------------------------


def test_history_says_who_and_when(
    session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_state(session.store)
    add_update(session.store)
    add_update(session.store, kind="destroy", result="failed", environment={"git.author": "Bob"}, resourceChanges=None)
    session.store.write(f"{layout.history(PROJECT, 'a')}a-1.history.json", b"damaged")
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    commands.history(session, 20, as_json=False)
    monkeypatch.undo()
    time.tzset()
    newest, oldest = capsys.readouterr().out.splitlines()
    assert newest.startswith(
        "destroy 2023-11-14 23:13:20 CET by unknown (at a commit by Bob): failed in 5s (no resource)"
    )
    assert oldest == (
        "update 2023-11-14 23:13:20 CET by ann@laptop: succeeded in 5s (3 create), engine embedded at 0123456789"
    )
    commands.history(session, 1, as_json=True)
    (shown,) = json.loads(capsys.readouterr().out)["updates"]
    assert (shown["kind"], shown["begun"]) == ("destroy", "2023-11-14T22:13:20Z")
    commands.show(session)
    shown_state = capsys.readouterr().out
    assert "5 resources" in shown_state
    assert "last destroy" in shown_state


# --- moves ------------------------------------------------------------------------------------------------


@pytest.fixture
def target_url(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> str:
    """Of another kind than the source."""
    if url.startswith("file"):
        made: str = request.getfixturevalue("database").url
        return made
    if url.startswith("postgres"):
        found: Bucket = request.getfixturevalue("bucket")
        return found.url("folder")
    return f"file://{tmp_path}/target"


def test_a_state_is_moved(session: Session, url: str, target_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_state(session.store)
    write_state(session.store, count=4)
    add_update(session.store)
    before = digest(session.store)
    session.environ["TARGET"] = target_url
    assert commands.move(session, "env:TARGET", YES) is ExitCode.OK
    target = open_store(target_url, KEYS)
    assert digest(target) == before
    assert [update.who for update in updates_of(target, PROJECT, "a", 9)] == ["ann@laptop"]
    assert target.entries(layout.snu_prefix("moving", PROJECT, "a")) == []
    stone = read_tombstone(session.store, PROJECT, "a")
    assert stone is not None
    assert stone.to == target.address
    assert session.store.read(KEY) is None
    said = capsys.readouterr().out
    assert "verified the copy, including secrets: 6 resources" in said
    for login in (SECRET, PASSPHRASE, KEYS["AWS_SECRET_ACCESS_KEY"], "_user:"):
        assert login not in said


def test_the_keys_of_another_bucket_are_given_beside_its_address(
    open_session: Any, bucket: Bucket, tmp_path: Path
) -> None:
    session = open_session("a", f"file://{tmp_path}/state")
    write_state(session.store)
    session.environ["TARGET"] = bucket.url()
    access_key, secret_key = (session.environ.pop(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    with pytest.raises(OpsError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        commands.move(session, "env:TARGET", YES)
    session.environ.update(SNU_STATE_TO_ACCESS_KEY=access_key, SNU_STATE_TO_SECRET_KEY=secret_key)
    assert commands.move(session, "env:TARGET", YES) is ExitCode.OK
    assert read_checkpoint(open_store(bucket.url(), KEYS), PROJECT, "a") is not None


def test_nobody_goes_on_where_a_state_was(session: Session, target_url: str) -> None:
    write_state(session.store)
    session.environ["TARGET"] = target_url
    commands.move(session, "env:TARGET", YES)
    with pytest.raises(OpsError, match=r"is no longer in .*: .* moved it to") as raised:
        before_change(session.stack, session.store)
    assert raised.value.code is ExitCode.ENVIRONMENT
    with pytest.raises(OpsError, match=r"moved the state of a to .* Move it from there"):
        commands.move(session, "file:///elsewhere", YES)


def test_there_and_back_again(session: Session, open_session: Any, url: str, target_url: str, monkeypatch: Any) -> None:
    write_state(session.store)
    before = digest(session.store)
    session.environ["TARGET"] = target_url
    commands.move(session, "env:TARGET", YES)
    monkeypatch.setenv("BACK", url)
    commands.move(open_session("a", target_url), "env:BACK", YES)
    back = open_session("a", url)
    before_change(back.stack, back.store)
    assert digest(back.store) == before
    assert read_tombstone(back.store, PROJECT, "a") is None


def test_a_target_that_has_the_stack(session: Session, target_url: str) -> None:
    write_state(session.store)
    target = open_store(target_url, KEYS)
    write_state(target, count=1)
    there, here = target.read(KEY), session.store.read(KEY)
    session.environ["TARGET"] = target_url
    with pytest.raises(OpsError, match="already has a state for a"):
        commands.move(session, "env:TARGET", YES)
    assert (target.read(KEY), session.store.read(KEY)) == (there, here)


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("postgres://u:hush@h/d", "Do not pass an address with credentials as an argument"),
        ("env:NOT_SET", "NOT_SET is not set"),
        ("gs://bucket", "unknown backend type gs://"),
        ("foundation", "has no foundation"),
    ],
)
def test_targets_that_are_refused(open_session: Any, tmp_path: Path, to: str, said: str) -> None:
    session = open_session("a", f"file://{tmp_path}/state")
    write_state(session.store)
    with pytest.raises(OpsError, match=said) as raised:
        commands.move(session, to, YES)
    assert "hush" not in str(raised.value)
    assert session.store.read(KEY) is not None


def test_to_where_it_is(open_session: Any, tmp_path: Path) -> None:
    session = open_session("a", f"file://{tmp_path}/state")
    with pytest.raises(OpsError, match=r"is already in"):
        commands.move(session, f"file://{tmp_path}/state", YES)
    with pytest.raises(OpsError, match="has no state for a"):
        commands.move(session, f"file://{tmp_path}/elsewhere", YES)


class Killed(Exception):
    """Stands for a kill."""


class Mortal:
    """A store whose user is killed before a given change."""

    def __init__(self, inner: Store, counter: Iterator[int], last: int) -> None:
        self._inner, self._counter, self._last = inner, counter, last
        self.address = inner.address

    def _count(self) -> None:
        if next(self._counter) >= self._last:
            raise Killed

    def read(self, key: str) -> Item | None:
        return self._inner.read(key)

    def entries(self, prefix: str) -> list[Entry]:
        return self._inner.entries(prefix)

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
        self._count()
        return self._inner.write(key, content, expected)

    def copy(self, source: str, target: str) -> None:
        self._count()
        self._inner.copy(source, target)

    def delete(self, key: str, expected: str | None = None) -> None:
        self._count()
        self._inner.delete(key, expected)

    def age(self, key: str) -> timedelta | None:
        return self._inner.age(key)

    def close(self) -> None: ...


def test_killed_before_each_change_and_repeated(tmp_path: Path, environ: None) -> None:
    """However far it came, the whole state is in one place at least, and the next move completes it."""
    secrets, wanted, killed = Secrets(os.environ), "", 0
    for last in range(100):
        source, target = (open_store(f"file://{tmp_path}/{last}/{name}", {}) for name in ("source", "target"))
        write_state(source)
        write_state(source, count=4)
        add_update(source)
        wanted = fingerprint_of(read_checkpoint(source, PROJECT, "a"), secrets).digest
        counter = iter(range(1_000))
        mortal_source, mortal_target = (Mortal(store, counter, last) for store in (source, target))
        try:
            move = Move(mortal_source, mortal_target, PROJECT, "a", secrets, lambda _said: None)
            move.check()
            move.run()
        except Killed:
            killed += 1
            found = [fingerprint_of(read_checkpoint(each, PROJECT, "a"), secrets).digest for each in (source, target)]
            assert wanted in found
            again = Move(source, target, PROJECT, "a", secrets, lambda _said: None)
            again.check()
            again.run()
        assert fingerprint_of(read_checkpoint(target, PROJECT, "a"), secrets).digest == wanted
        assert source.read(KEY) is None
        assert target.entries(layout.snu_prefix("moving", PROJECT, "a")) == []
        assert len(updates_of(target, PROJECT, "a", 9)) == 1
        if killed <= last:
            break
    assert killed > 10


def test_a_store_that_gives_back_something_else(tmp_path: Path, environ: None) -> None:
    source, target = (open_store(f"file://{tmp_path}/{name}", {}) for name in ("source", "target"))
    write_state(source)

    class Forgetful(Mortal):
        def write(self, key: str, content: bytes, expected: str | None = None) -> str:
            changed = content.replace(b"thing 1", b"thing x") if key == KEY else content
            return self._inner.write(key, changed, expected)

    move = Move(
        source, Forgetful(target, iter(range(1_000)), 1_000), PROJECT, "a", Secrets(os.environ), lambda _said: None
    )
    move.check()
    with pytest.raises(OpsError, match=r"differs from the state of a: thing-1 .*The state is still in"):
        move.run()
    assert source.read(KEY) is not None


# --- sizes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "limit"),
    [
        ("postgres://0a1b.pg.sdb.fr-par.scw.cloud/state", SERVERLESS_LIMIT),
        ("postgres://51.15.0.1:5432/state", None),
        ("s3://bucket?endpoint=https://s3.fr-par.scw.cloud", None),
        ("file:///somewhere", None),
    ],
)
def test_which_backends_have_a_limit(address: str, limit: int | None) -> None:
    assert limit_of(address) == limit


@pytest.mark.parametrize(
    ("size", "near", "too_large"),
    [(0, False, False), (419_999, False, False), (420_000, True, False), (700_000, True, True)],
)
def test_a_warning_well_before_a_refusal(size: int, near: bool, too_large: bool) -> None:
    found = StateSize(size, SERVERLESS_LIMIT)
    assert (found.near, found.too_large) == (near, too_large)
    assert not StateSize(size, None).near


def test_a_state_that_grows(open_session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = open_session("a", f"file://{tmp_path}/state")
    session.store.address = "postgres://0a1b.pg.sdb.fr-par.scw.cloud/state"
    write_state(session.store, count=1_000)
    assert size_of(session.store, PROJECT, "a").near
    before_change(session.stack, session.store)
    after_change(session.stack, session.store, session.environ)
    said = capsys.readouterr().err
    assert "warning: the state of a uses " in said
    assert "snu state move a --to" in said
    write_state(session.store, count=2_000)
    with pytest.raises(OpsError, match=r"is too large for .* Nothing was changed. Move it") as raised:
        before_change(session.stack, session.store)
    assert raised.value.code is ExitCode.ENVIRONMENT
