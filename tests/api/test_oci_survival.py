"""Images survive restarts and kills; concurrent clients; memory is independent of a blob's size."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.support.local_scaleway import Server
from tests.support.oci import REGISTRY, Oci, digest_of, files, make_namespace, manifest, uploads
from tests.support.seed import OWNER_SECRET_KEY

NAME = "snu-ci/api"
LAYER = b"a layer" * 1_000
MIB = 1024 * 1024


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A server that the test may kill."""
    with Server(tmp_path / "data") as server:
        make_namespace(server.client())
        yield server


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_images_survive(own: Server, by: signal.Signals) -> None:
    content = Oci(own.url).push(NAME, "v1", LAYER)
    Oci(own.url).push_blob(NAME, b"for the next push")
    shown = own.client()("GET", f"{REGISTRY}/images")
    own.stop(by)
    own.start()
    oci = Oci(own.url)
    assert oci("GET", f"{NAME}/manifests/v1", status=200).content == content
    assert oci.pull(NAME, digest_of(LAYER)) == LAYER
    oci("HEAD", f"{NAME}/blobs/{digest_of(b'for the next push')}", status=200)
    assert own.client()("GET", f"{REGISTRY}/images") == shown


def test_unfinished_uploads_and_orphans_are_removed_at_start(own: Server) -> None:
    oci = Oci(own.url)
    path = oci.upload(NAME)
    oci("PATCH", path, status=202, content=LAYER)
    assert [file.stat().st_size for file in uploads(own)] == [len(LAYER)]
    own.stop(signal.SIGKILL)
    orphan = own.data / "registry" / "blobs" / "sha256" / ("0" * 64)
    orphan.write_bytes(b"written, but not yet in the state")
    own.start()
    assert uploads(own) == []
    assert files(own) == set()
    Oci(own.url)("PUT", f"{path}?digest={digest_of(LAYER)}", status=404, code="BLOB_UPLOAD_UNKNOWN")


def test_a_truncated_blob_can_be_pushed_again(own: Server) -> None:
    """As after a power loss: the file is shorter than recorded in the state."""
    oci = Oci(own.url)
    oci.push(NAME, "v1", LAYER)
    own.stop(signal.SIGKILL)
    (own.data / "registry" / "blobs" / "sha256" / digest_of(LAYER).partition(":")[2]).write_bytes(LAYER[:10])
    own.start()
    oci = Oci(own.url)
    oci("HEAD", f"{NAME}/blobs/{digest_of(LAYER)}", status=404)
    oci.push(NAME, "v1", LAYER)
    assert oci.pull(NAME, digest_of(LAYER)) == LAYER


@pytest.mark.parametrize("seed", range(6))
def test_kills_at_any_time_lose_nothing(own: Server, seed: int) -> None:
    """Acknowledged pushes are kept, every tag is complete, and no file is left over."""
    chance = random.Random(seed)
    answered: dict[str, bytes] = {}

    def push() -> None:
        oci = Oci(own.url)
        with suppress(httpx.HTTPError):
            for number in range(1_000):
                layers = [f"{number} {part}".encode() * 2_000 for part in range(2)]
                tag = f"v{number}"
                answered[tag] = oci.push(NAME, tag, *layers)
                if number % 3 == 2:
                    gone = f"v{number - 1}"
                    del answered[gone]
                    oci("DELETE", f"{NAME}/manifests/{gone}", status=202)

    pusher = threading.Thread(target=push)
    pusher.start()
    pusher.join(chance.uniform(0.05, 0.4))
    own.stop(signal.SIGKILL)
    pusher.join()
    own.start()
    oci = Oci(own.url)
    for tag, content in answered.items():
        assert oci("GET", f"{NAME}/manifests/{tag}", status=200).content == content
    listing = httpx.get(f"{own.url}/v2/{NAME}/tags/list", auth=oci.auth)
    for tag in listing.json()["tags"] if listing.status_code == 200 else []:
        found = oci("GET", f"{NAME}/manifests/{tag}", status=200)
        assert digest_of(found.content) == found.headers["Docker-Content-Digest"]
        for part in (found.json()["config"], *found.json()["layers"]):
            assert digest_of(oci.pull(NAME, part["digest"])) == part["digest"]
    namespace = own.client()("GET", f"{REGISTRY}/namespaces")["namespaces"][0]
    own.client()("DELETE", f"{REGISTRY}/namespaces/{namespace['id']}")
    assert files(own) == set()


def test_concurrent_pushes(own: Server) -> None:
    """Push images with shared layers to several repositories while others are deleted."""
    shared = [f"shared {number}".encode() * 5_000 for number in range(4)]

    def work(number: int) -> None:
        oci, name = Oci(own.url), f"snu-ci/app{number % 3}"
        with httpx.Client() as http:
            for turn in range(6):
                tag, mine = f"t{number}-{turn}", f"{number} {turn}".encode() * 500
                for blob in (*shared, mine, b"{}"):
                    path = oci("POST", f"{name}/blobs/uploads/", status=202, http=http).headers["Location"]
                    oci("PUT", f"{path}?digest={digest_of(blob)}", status=201, content=blob, http=http)
                content = manifest(*shared, mine)
                headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
                oci("PUT", f"{name}/manifests/{tag}", status=201, content=content, headers=headers, http=http)
                if turn % 2:
                    oci("DELETE", f"{name}/manifests/{tag}", status=202, http=http)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    oci = Oci(own.url)
    for number in range(8):
        for turn in range(0, 6, 2):
            found = oci("GET", f"snu-ci/app{number % 3}/manifests/t{number}-{turn}", status=200)
            for part in found.json()["layers"]:
                assert digest_of(oci.pull(f"snu-ci/app{number % 3}", part["digest"])) == part["digest"]
    images = own.client()("GET", f"{REGISTRY}/images")["images"]
    assert sum(len(image["tags"]) for image in images) == 24
    assert len(files(own)) == 24 * 2 + len(shared) + 1


def test_two_clients_cannot_write_to_one_upload(own: Server) -> None:
    oci = Oci(own.url)
    path = oci.upload(NAME)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[bytes]:
        yield b"first"
        begun.set()
        go_on.wait(5)
        yield b"second"

    with ThreadPoolExecutor(1) as pool, httpx.Client() as http:
        writer = pool.submit(lambda: oci("PATCH", path, status=202, content=slow(), http=http))
        assert begun.wait(5)
        while not any(file.stat().st_size for file in uploads(own)):
            pass
        oci("PATCH", path, status=409, code="BLOB_UPLOAD_INVALID", content=b"other")
        go_on.set()
        writer.result()
    oci("PUT", f"{path}?digest={digest_of(b'firstsecond')}", status=201)


def test_an_upload_resumes_after_a_lost_connection(own: Server) -> None:
    oci = Oci(own.url)
    path = oci.upload(NAME)
    host, port = own.url.removeprefix("http://").split(":")
    auth = b64encode(f"nologin:{OWNER_SECRET_KEY}".encode()).decode()
    lines = [
        f"PATCH {path} HTTP/1.1",
        f"Host: {host}:{port}",
        f"Authorization: Basic {auth}",
        f"Content-Length: {len(LAYER)}",
    ]
    head = "".join(f"{line}\r\n" for line in (*lines, ""))
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + LAYER[:3_000])
        while not any(file.stat().st_size == 3_000 for file in uploads(own)):
            pass
    answer = oci("GET", path, status=204)
    assert answer.headers["Range"] == "0-2999"
    for _ in range(100):
        answer = httpx.patch(
            own.url + path, content=LAYER[3_000:], auth=oci.auth, headers={"Content-Range": "3000-6999"}
        )
        if answer.status_code != 409:  # until the server sees that the first client is gone
            break
    assert answer.status_code == 202
    oci("PUT", f"{path}?digest={digest_of(LAYER)}", status=201)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc")
def test_large_blobs_are_not_held_in_memory(own: Server) -> None:
    piece, count = os.urandom(MIB), 150
    whole = piece * count
    digest = digest_of(whole)
    oci = Oci(own.url)
    path = oci.upload(NAME)

    def peak() -> int:
        """Bytes."""
        status = Path(f"/proc/{own.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024

    before = peak()
    oci("PATCH", path, status=202, content=(piece for _ in range(count)))
    oci("PUT", f"{path}?digest={digest}", status=201)
    assert oci.pull(NAME, digest) == whole
    assert peak() - before < 20 * MIB
