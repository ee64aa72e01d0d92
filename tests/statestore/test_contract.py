"""The contract that every kind of store fulfils."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from pulumi_state.store import ABSENT, ConflictError, Store, StoreError, address_of, open_store
from tests.support.buckets import KEYS, SECRET_KEY

KEY = ".pulumi/stacks/snu/stage.json"
WRITERS = 8


def content_of(store: Store, key: str = KEY) -> bytes | None:
    item = store.read(key)
    return None if item is None else item.content


def test_missing_objects(store: Store) -> None:
    assert store.read(KEY) is None
    assert store.entries("") == []
    store.delete(KEY)
    store.copy(KEY, "other")
    assert store.read("other") is None


CONTENTS = {
    "nothing": b"",
    "JSON": b"{}",
    "many bytes": bytes(range(256)) * 4_000,
    "UTF-8": '{"é": "\\u0000"}'.encode(),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_writes_are_read_back(store: Store, content: bytes) -> None:
    tag = store.write(KEY, content)
    item = store.read(KEY)
    assert item is not None
    assert (item.content, item.tag) == (content, tag)


def test_different_content_has_different_tags(store: Store) -> None:
    first, second = store.write(KEY, b"one"), store.write(KEY, b"two")
    assert first != second
    assert content_of(store) == b"two"


def test_other_connections_see_writes(store: Store, address: str, opened: Callable[[str], Store]) -> None:
    store.write(KEY, b"one")
    other = opened(address)
    assert content_of(other) == b"one"
    other.write(KEY, b"two")
    assert content_of(store) == b"two"


def test_a_copy_stays_as_it_was(store: Store) -> None:
    store.write(KEY, b"one")
    store.copy(KEY, f"{KEY}.bak")
    store.write(KEY, b"two")
    assert content_of(store, f"{KEY}.bak") == b"one"
    store.copy(KEY, f"{KEY}.bak")
    assert content_of(store, f"{KEY}.bak") == b"two"


def test_deleted_objects_are_gone(store: Store) -> None:
    store.write(KEY, b"one")
    store.delete(KEY)
    assert store.read(KEY) is None
    assert store.entries("") == []


def test_entries_have_the_prefix(store: Store) -> None:
    keys = ["a/b/1", "a/b/2", "a/bc", "a_b/1", "ä/1", "a%b"]
    for key in keys:
        store.write(key, b"x" * 300)
    assert [entry.key for entry in store.entries("")] == sorted(keys)
    assert [entry.key for entry in store.entries("a/b/")] == ["a/b/1", "a/b/2"]
    assert [entry.key for entry in store.entries("a/b")] == ["a/b/1", "a/b/2", "a/bc"]
    assert [entry.key for entry in store.entries("a_")] == ["a_b/1"]
    assert store.entries("nothing/") == []
    (entry,) = store.entries("a%b")
    assert entry.size == 300
    assert abs(datetime.now(UTC) - entry.modified) < timedelta(minutes=5)


def test_many_entries(store: Store) -> None:
    for number in range(30):
        store.write(f"many/{number:04}", b"x")
    assert len(store.entries("many/")) == 30


# --- conditions -------------------------------------------------------------------------------------------


def test_only_if_absent(store: Store) -> None:
    tag = store.write(KEY, b"one", ABSENT)
    with pytest.raises(ConflictError, match="changed by another run"):
        store.write(KEY, b"two", ABSENT)
    assert content_of(store) == b"one"
    assert store.write(KEY, b"three", tag) != tag


def test_only_if_unchanged(store: Store) -> None:
    tag = store.write(KEY, b"one")
    assert store.write(KEY, b"two", tag)
    with pytest.raises(ConflictError):
        store.write(KEY, b"three", tag)
    assert content_of(store) == b"two"


def test_a_deleted_object_counts_as_changed(store: Store) -> None:
    tag = store.write(KEY, b"one")
    store.delete(KEY)
    with pytest.raises(ConflictError):
        store.write(KEY, b"two", tag)
    assert store.read(KEY) is None


def test_a_write_whose_response_was_lost_can_be_repeated(store: Store) -> None:
    tag = store.write(KEY, b"one", ABSENT)
    assert store.write(KEY, b"one", ABSENT) == tag
    after = store.write(KEY, b"two", tag)
    assert store.write(KEY, b"two", tag) == after
    with pytest.raises(ConflictError):
        store.write(KEY, b"one", tag + "x")


def test_conditional_deletion(store: Store) -> None:
    tag = store.write(KEY, b"one")
    store.write(KEY, b"two")
    with pytest.raises(ConflictError):
        store.delete(KEY, tag)
    item = store.read(KEY)
    assert item is not None
    store.delete(KEY, item.tag)
    store.delete(KEY, item.tag)
    assert store.read(KEY) is None


def test_the_age_is_by_the_clock_of_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.age(KEY) is None
    store.write(KEY, b"one")
    monkeypatch.setattr("time.time", lambda: 0.0)
    age = store.age(KEY)
    assert age is not None
    assert timedelta(seconds=-1) <= age < timedelta(minutes=5)


@pytest.mark.parametrize("exists", [False, True])
def test_only_one_of_many_writers_wins(
    store: Store, address: str, opened: Callable[[str], Store], exists: bool
) -> None:
    expected = store.write(KEY, b"before") if exists else ABSENT
    stores = [opened(address) for _ in range(WRITERS)]
    together = threading.Barrier(WRITERS)

    def write(number: int) -> int | None:
        together.wait()
        try:
            stores[number].write(KEY, f"writer {number}".encode(), expected)
        except ConflictError:
            return None
        return number

    with ThreadPoolExecutor(WRITERS) as pool:
        winners = [number for number in pool.map(write, range(WRITERS)) if number is not None]
    assert len(winners) == 1
    assert content_of(store) == f"writer {winners[0]}".encode()


# --- addresses --------------------------------------------------------------------------------------------


def test_the_address_shows_no_credentials(store: Store, address: str) -> None:
    assert "@" not in store.address
    assert SECRET_KEY not in store.address
    assert address_of(address).split("?")[0] == store.address.split("?")[0]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nonsense",
        "gs://bucket",
        "https://api.pulumi.com",
        "postgres://u:hush-hush@[::1/db",
        "postgres://u:hush-hush@host:port/db",
        "postgres://u:hush-hush@host:99999/db",
        "s3://bucket?region=fr-par",
        "s3://",
        "postgres://u:hush-hush@127.0.0.1:1/db",
        "postgres://u:hush-hush@127.0.0.1:1/db?nonsense=1",
        "postgres://u@127.0.0.1:1/db?password=hush-hush",
        "postgres://u:hush%ZZ-hush@127.0.0.1:1/db",
        "s3://bucket?endpoint=http://127.0.0.1:1&region=fr-par",
        "s3://bucket?endpoint=not%20an%20address&region=fr-par",
    ],
)
def test_invalid_addresses(address: str) -> None:
    with pytest.raises(StoreError) as raised:
        open_store(address, KEYS).read(KEY)
    said = str(raised.value) + repr(raised.value.__cause__ or "")
    assert "hush" not in said
    assert SECRET_KEY not in said
    assert said.strip()
    assert "hush" not in address_of(address)


def test_a_bucket_without_keys() -> None:
    with pytest.raises(StoreError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        open_store("s3://bucket?endpoint=http://127.0.0.1:1", {})
