"""Stores of every kind, each empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pulumi_state.store import Store, open_store
from tests.support.buckets import KEYS, Bucket, bucket, object_storage
from tests.support.postgres import database, postgres_server

__all__ = ["bucket", "database", "object_storage", "postgres_server"]

KINDS = ("folder", "bucket", "bucket with a folder", "database", "database with a table")


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A backend's address, with credentials if it has any."""
    kind: str = request.param
    if kind == "folder":
        return f"file://{tmp_path}/state"
    if kind.startswith("bucket"):
        found: Bucket = request.getfixturevalue("bucket")
        return found.url("one/two" if "folder" in kind else "")
    url: str = request.getfixturevalue("database").url
    return f"{url}&table=my_state" if "table" in kind else url


@pytest.fixture
def opened() -> Iterator[Callable[[str], Store]]:
    """Open stores, and close them after the test."""
    stores: list[Store] = []

    def make(address: str) -> Store:
        stores.append(open_store(address, KEYS))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def store(address: str, opened: Callable[[str], Store]) -> Store:
    return opened(address)
