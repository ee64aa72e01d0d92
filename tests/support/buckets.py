"""Object storage for tests: moto's S3, as the local Scaleway starts it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from localcloud.api.object_storage import ObjectStorage
from tests.support.ports import free_port

ACCESS_KEY, SECRET_KEY = "SCWFAKEFAKEFAKE00001", "fake-secret-key-of-a-bucket"
KEYS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Bucket:
    """A bucket that exists."""

    name: str
    endpoint: str

    def url(self, folder: str = "") -> str:
        """As ``PULUMI_BACKEND_URL``."""
        place = f"{self.name}/{folder}" if folder else self.name
        return f"s3://{place}?endpoint={self.endpoint}&region=fr-par&use_path_style=true"


def start_object_storage(ask: Callable[[str, str], Any]) -> str:
    """Start a local Scaleway's object storage, and wait until it answers; gives its address."""
    state = ask("POST", "/_local/object-storage")
    deadline = time.monotonic() + _START_SECONDS
    while not state["ready"]:
        assert state["running"], "object storage has ended"
        assert time.monotonic() < deadline, "object storage did not start"
        time.sleep(0.05)
        state = ask("GET", "/_local/object-storage")
    return str(state["url"])


@pytest.fixture(scope="session")
def object_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running object storage."""
    storage = ObjectStorage(free_port(), tmp_path_factory.mktemp("object-storage"))
    storage.start()
    deadline = time.monotonic() + _START_SECONDS
    try:
        while not storage.is_ready():
            assert time.monotonic() < deadline, "object storage did not start"
            time.sleep(0.05)
        yield storage.url
    finally:
        storage.stop()


@pytest.fixture
def bucket(object_storage: str, request: pytest.FixtureRequest) -> Bucket:
    """A new, versioned bucket."""
    from pulumi_state.store.bucket import client

    name = f"state-{abs(hash(request.node.nodeid)) % 10**12}-{time.monotonic_ns() % 10**9}"
    s3 = client(object_storage, "fr-par", ACCESS_KEY, SECRET_KEY)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "fr-par"})  # type: ignore[typeddict-item]  # not a region of AWS
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.close()
    return Bucket(name, object_storage)
