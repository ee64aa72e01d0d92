"""Cases that are specific to one kind of store."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from pulumi_state.store import ABSENT, Item, MissingError, StoreError, address_of, folder, open_store
from pulumi_state.store.folder import FolderStore
from pulumi_state.store.postgres import PostgresStore
from tests.support.buckets import KEYS, Bucket
from tests.support.postgres import Database, Server

KEY = ".pulumi/stacks/snu/stage.json"


def test_a_folder_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/state", {})
    store.write(KEY, b"one")
    assert stat.S_IMODE((tmp_path / "state" / KEY).stat().st_mode) == 0o600


def test_a_folder_lists_no_half_written_file(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}", {})
    store.write(KEY, b"one")
    (tmp_path / ".pulumi/stacks/snu/.stage.json.1.tmp").write_bytes(b"half")
    (tmp_path / ".pulumi/stacks/snu/stage.json.attrs").write_bytes(b"a note of the Pulumi CLI's")
    assert [entry.key for entry in store.entries(".pulumi/")] == [KEY]


def test_an_object_is_removed_with_its_attributes(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}", {})
    for expected in (None, store.write(KEY, b"one")):
        store.write(KEY, b"one")
        attributes = tmp_path / f"{KEY}.attrs"
        attributes.write_bytes(b"{}")
        store.delete(KEY, expected)
        assert not attributes.exists()


def test_broken_attributes_of_the_cli_are_removed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write(KEY, b"one")
    folder = tmp_path / ".pulumi/stacks/snu"
    whole, empty, cut, other = (folder / f"{name}.attrs" for name in ("stage.json", "stage.json.bak", "stage.x", "ci"))
    whole.write_bytes(b'{"md5": "AAAA"}')
    for path, content in ((empty, b""), (cut, b'{"md5": "A'), (other, b"")):
        path.write_bytes(content)
    store.remove_broken_attributes(".pulumi/stacks/snu/stage")
    assert {path.name for path in folder.iterdir()} == {"stage.json", "stage.json.attrs", "ci.attrs"}
    FolderStore(tmp_path / "none").remove_broken_attributes("")


def test_a_write_to_a_folder_is_on_disk_when_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncs the content before the rename; the rename and each new folder after it."""
    calls: list[tuple[str, str]] = []
    sync, rename, make = os.fsync, os.replace, os.mkdir

    def name(path: object) -> str:
        found = Path(str(path)).relative_to(tmp_path).as_posix()
        return "temporary" if found.endswith(".tmp") else found

    def traced_sync(descriptor: int) -> None:
        calls.append(("sync", name(Path(f"/proc/self/fd/{descriptor}").readlink())))
        sync(descriptor)

    def traced_rename(source: str, target: str) -> None:
        calls.append(("rename", name(target)))
        rename(source, target)

    def traced_make(path: str, *mode: int) -> None:
        calls.append(("make", name(path)))
        make(path, *mode)

    monkeypatch.setattr(os, "fsync", traced_sync)
    monkeypatch.setattr(os, "replace", traced_rename)
    monkeypatch.setattr(os, "mkdir", traced_make)
    store = open_store(f"file://{tmp_path}", {})
    store.write("a/b/c", b"one")
    made = [("make", "a"), ("sync", "."), ("make", "a/b"), ("sync", "a")]
    assert calls == [*made, ("sync", "temporary"), ("rename", "a/b/c"), ("sync", "a/b")]
    calls.clear()
    store.copy("a/b/c", "a/b/d")
    store.delete("a/b/c")
    assert calls == [("sync", "a/b"), ("sync", "a/b")]


def test_a_process_that_was_paused_while_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "_GUARD_SECONDS", 0.0)
    store = FolderStore(tmp_path)
    with FolderStore(tmp_path)._guarded(), pytest.raises(StoreError, match=r"guard is locked by a process that was"):
        store.write(KEY, b"one", ABSENT)
    assert [path.name for path in store.path(KEY).parent.iterdir()] == []
    store.write(KEY, b"one", ABSENT)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be written"):
        open_store(f"file://{tmp_path}/state", {}).write(KEY, b"one")


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / ".pulumi").write_text("")
    store = open_store(f"file://{tmp_path}", {})
    assert store.read(KEY) is None
    assert store.entries(".pulumi/stacks/") == []
    with pytest.raises(StoreError, match="cannot be written"):
        store.write(KEY, b"one")


def test_a_bucket_that_does_not_exist(object_storage: str) -> None:
    store = open_store(Bucket("no-such-bucket", object_storage).url(), KEYS)
    for use in (lambda: store.read(KEY), lambda: store.write(KEY, b"one"), lambda: store.entries("")):
        with pytest.raises(MissingError, match="NoSuchBucket"):
            use()


def test_folders_of_a_bucket_are_apart(bucket: Bucket) -> None:
    one, two, whole = (open_store(bucket.url(folder), KEYS) for folder in ("one", "two", ""))
    one.write(KEY, b"one")
    assert two.read(KEY) is None
    assert two.entries("") == []
    assert [entry.key for entry in whole.entries("")] == [f"one/{KEY}"]


def test_an_endpoint_without_a_scheme_is_https() -> None:
    store = open_store("s3://bucket?endpoint=127.0.0.1:1&region=fr-par", KEYS)
    with pytest.raises(StoreError, match="no response from"):
        store.read(KEY)


def test_a_wrong_password(database: Database) -> None:
    wrong = database.url.replace(database.password, "hush-hush")
    with pytest.raises(StoreError, match="cannot be reached") as raised:
        open_store(wrong, {})
    assert "hush-hush" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_user_reaches_only_its_own_database(postgres_server: Server, database: Database) -> None:
    other = postgres_server.new_database()
    foreign = database.url.replace(f"/{database.name}?", f"/{other.name}?")
    with pytest.raises(StoreError, match="permission denied"):
        open_store(foreign, {})


def test_the_table_and_the_keys_are_the_cli_s(database: Database) -> None:
    store = open_store(database.url, {})
    store.write(KEY, b"content")
    import psycopg

    with psycopg.connect(database.url) as connection:
        row = connection.execute("SELECT key, data FROM pulumi_state").fetchone()
    assert row == (f"{database.name}/{KEY}", {"data": "Y29udGVudA=="})


def test_a_user_without_permission_to_create_the_table(postgres_server: Server, database: Database) -> None:
    postgres_server.run("ALTER SCHEMA public OWNER TO postgres", database=database.name)
    postgres_server.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC", database=database.name)
    with pytest.raises(StoreError, match="refused to create its table: permission denied"):
        open_store(database.url, {})


def test_a_search_path(postgres_server: Server, database: Database) -> None:
    postgres_server.run(f"CREATE SCHEMA apart AUTHORIZATION {database.user}", database=database.name)
    apart = open_store(f"{database.url}&search_path=apart", {})
    plain = open_store(database.url, {})
    apart.write(KEY, b"apart")
    assert plain.read(KEY) is None
    assert apart.address != plain.address


def test_table_names_are_lowercased(database: Database) -> None:
    """The CLI does not quote it."""
    open_store(f"{database.url}&table=MyState", {}).write(KEY, b"one")
    assert [entry.key for entry in open_store(f"{database.url}&table=mystate", {}).entries("")] == [KEY]


def test_a_table_name_that_needs_quotes(database: Database) -> None:
    with pytest.raises(StoreError, match="invalid `table` option"):
        open_store(f"{database.url}&table=a%20b", {})


def test_a_connection_that_is_lost(postgres_server: Server, database: Database) -> None:
    store = open_store(database.url, {})
    postgres_server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{database.user}'")
    store.write(KEY, b"one")
    assert store.read(KEY) is not None


def test_a_lost_response(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement was executed before the connection broke: its retry finds its own result."""
    store = PostgresStore(urlsplit(database.url), "database")
    execute = store._execute
    lost: list[str] = []

    def execute_once(statement: str, values: list[str]) -> list[tuple[Any, ...]]:
        rows = execute(statement, values)
        if "INSERT" in statement and not lost:
            lost.append(statement)
            store.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return rows

    monkeypatch.setattr(store, "_execute", execute_once)
    tag = store.write(KEY, b"one", ABSENT)
    assert lost
    assert store.read(KEY) == Item(b"one", tag)


def test_a_password_that_must_be_quoted(postgres_server: Server) -> None:
    made = postgres_server.new_database()
    postgres_server.run(f"ALTER ROLE {made.user} PASSWORD 'p@ss/word:%'")
    url = made.url.replace(made.password, "p%40ss%2Fword%3A%25")
    open_store(url, {}).write(KEY, json.dumps({}).encode())
    assert "word" not in address_of(url)
