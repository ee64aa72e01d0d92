"""The OCI registry: manifests, tags, referrers (Distribution Spec 1.1)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.local_scaleway import Client, Server
from tests.support.oci import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Oci,
    descriptor,
    digest_of,
    encode,
    files,
    index,
    make_namespace,
    manifest,
)

NAME = "snu-ci/api"
LAYER, OTHER = b"a layer" * 9, b"another layer" * 9


@pytest.fixture
def oci(server: Server, api: Client) -> Oci:
    """With the blobs ``LAYER``, ``OTHER`` and ``{}``."""
    make_namespace(api)
    oci = Oci(server.url)
    for blob in (LAYER, OTHER, b"{}"):
        oci.push_blob(NAME, blob)
    return oci


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_push_and_pull(oci: Oci, media_type: str) -> None:
    content = manifest(LAYER, OTHER, media_type=media_type)
    digest = digest_of(content)
    answer = oci.push_manifest(NAME, "v1", content)
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Location"] == f"/v2/{NAME}/manifests/{digest}"
    for reference in ("v1", digest):
        for method, body in (("GET", content), ("HEAD", b"")):
            got = oci(method, f"{NAME}/manifests/{reference}", status=200)
            assert got.content == body
            assert got.headers["Content-Type"] == media_type
            assert got.headers["Content-Length"] == str(len(content))
            assert got.headers["Docker-Content-Digest"] == digest


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_an_index_needs_its_manifests(oci: Oci, media_type: str) -> None:
    parts = [manifest(LAYER), manifest(OTHER)]
    whole = index(*parts, media_type=media_type)
    oci.push_manifest(NAME, digest_of(parts[0]), parts[0])
    oci.push_manifest(NAME, "all", whole, status=404, code="MANIFEST_BLOB_UNKNOWN")
    oci.push_manifest(NAME, digest_of(parts[1]), parts[1])
    oci.push_manifest(NAME, "all", whole)
    assert oci("GET", f"{NAME}/manifests/all", status=200).headers["Content-Type"] == media_type
    assert oci("GET", f"{NAME}/tags/list", status=200).json() == {"name": NAME, "tags": ["all"]}


def test_blobs_must_be_in_the_repository(oci: Oci) -> None:
    oci.push_manifest(NAME, "v1", manifest(b"never pushed"), status=404, code="MANIFEST_BLOB_UNKNOWN")
    oci.push_manifest(NAME, "v1", manifest(LAYER, config=b"none"), status=404, code="MANIFEST_BLOB_UNKNOWN")
    oci.push_manifest("snu-ci/other", "v1", manifest(LAYER), status=404, code="MANIFEST_BLOB_UNKNOWN")
    oci("GET", f"{NAME}/manifests/v1", status=404, code="MANIFEST_UNKNOWN")


def test_foreign_layers_need_not_exist(oci: Oci) -> None:
    foreign = {**descriptor(b"x"), "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}
    bare = encode({"schemaVersion": 2, "config": descriptor(b"{}", OCI_CONFIG), "layers": [foreign]})
    headers = {"Content-Type": DOCKER_MANIFEST}
    oci("PUT", f"{NAME}/manifests/w", status=404, code="MANIFEST_BLOB_UNKNOWN", content=bare, headers=headers)
    foreign["urls"] = ["https://layers.example.test/x"]
    there = encode({"schemaVersion": 2, "config": descriptor(b"{}", OCI_CONFIG), "layers": [foreign]})
    oci("PUT", f"{NAME}/manifests/w", status=201, content=there, headers=headers)


def test_sizes_and_digests_are_checked(oci: Oci) -> None:
    wrong = manifest(LAYER, config=b"{}").replace(f'"size": {len(LAYER)}'.encode(), b'"size": 1')
    oci.push_manifest(NAME, "v1", wrong, status=400, code="SIZE_INVALID")
    content = manifest(LAYER)
    oci.push_manifest(NAME, digest_of(b"other"), content, status=400, code="DIGEST_INVALID")
    oci.push_manifest(NAME, "sha512:00", content, status=400, code="DIGEST_INVALID")
    oci.push_manifest(NAME, "v1", content.replace(b"sha256:", b"sha256:x"), status=400, code="DIGEST_INVALID")
    oci.push_manifest(NAME, digest_of(content), content)


_CONFIG = descriptor(b"{}", OCI_CONFIG)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"schemaVersion": 1},
        {"schemaVersion": 2, "mediaType": OCI_LAYER, "config": _CONFIG, "layers": []},
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "config": _CONFIG, "layers": []},
        {"schemaVersion": 2, "config": _CONFIG, "manifests": []},
        {"schemaVersion": 2, "config": _CONFIG},
        {"schemaVersion": 2, "config": _CONFIG, "layers": {}},
        {"schemaVersion": 2, "config": None, "layers": []},
        {"schemaVersion": 2, "config": {**_CONFIG, "size": -1}, "layers": []},
        {"schemaVersion": 2, "config": {**_CONFIG, "size": "2"}, "layers": []},
        {"schemaVersion": 2, "config": _CONFIG, "layers": [], "subject": "x"},
        {"schemaVersion": 2, "config": _CONFIG, "layers": [], "annotations": {"a": 1}},
        {"schemaVersion": 2, "config": _CONFIG, "layers": [], "artifactType": 1},
    ],
)
def test_malformed_manifests_are_rejected(oci: Oci, document: Any) -> None:
    headers = {"Content-Type": OCI_MANIFEST}
    oci("PUT", f"{NAME}/manifests/v1", status=400, code="MANIFEST_INVALID", content=encode(document), headers=headers)


def test_invalid_pushes_are_rejected(oci: Oci) -> None:
    for content in (b"", b"{", b"\xff", b"[" * 100_000):
        oci("PUT", f"{NAME}/manifests/v1", status=400, code="MANIFEST_INVALID", content=content)
    oci("PUT", f"{NAME}/manifests/v1", status=413, code="MANIFEST_INVALID", content=bytes(4 * 1024 * 1024 + 1))
    for tag in ("-v1", "a" * 129, "a b"):
        oci.push_manifest(NAME, tag, manifest(LAYER), status=400, code="MANIFEST_INVALID")
    oci("GET", f"{NAME}/manifests/-v1", status=404, code="MANIFEST_UNKNOWN")
    schema1 = {"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"}
    oci("PUT", f"{NAME}/manifests/v1", status=400, code="MANIFEST_INVALID", content=b"{}", headers=schema1)


def test_a_tag_moves(oci: Oci) -> None:
    first, second = manifest(LAYER), manifest(OTHER)
    oci.push_manifest(NAME, "latest", first)
    oci.push_manifest(NAME, "latest", second)
    assert oci("GET", f"{NAME}/manifests/latest", status=200).content == second
    assert oci("GET", f"{NAME}/manifests/{digest_of(first)}", status=200).content == first


def test_pages_of_tags(oci: Oci) -> None:
    names = ["1.0", "A1", "b", "C", "d_2"]
    for name in reversed(names):
        oci.push_manifest(NAME, name, manifest(LAYER))
    assert oci("GET", f"{NAME}/tags/list", status=200).json()["tags"] == names
    seen, path = [], f"/v2/{NAME}/tags/list?n=2"
    while path:
        answer = oci("GET", path, status=200)
        seen.append(answer.json()["tags"])
        path = answer.links["next"]["url"] if "Link" in answer.headers else ""
    assert seen == [names[:2], names[2:4], names[4:]]
    assert oci("GET", f"{NAME}/tags/list?n=0", status=200).json()["tags"] == []
    assert oci("GET", f"{NAME}/tags/list?last=B", status=200).json()["tags"] == names[2:]
    assert oci("GET", f"{NAME}/tags/list?last=zz&n=5", status=200).json()["tags"] == []
    oci("GET", f"{NAME}/tags/list?n=x", status=400, code="UNSUPPORTED")


def test_delete_by_digest(server: Server, oci: Oci) -> None:
    content = manifest(LAYER)
    for tag in ("v1", "v2"):
        oci.push_manifest(NAME, tag, content)
    oci("DELETE", f"{NAME}/manifests/{digest_of(content)}", status=202)
    for reference in ("v1", "v2", digest_of(content)):
        oci("GET", f"{NAME}/manifests/{reference}", status=404, code="MANIFEST_UNKNOWN")
        oci("DELETE", f"{NAME}/manifests/{reference}", status=404, code="MANIFEST_UNKNOWN")
    oci("HEAD", f"{NAME}/blobs/{digest_of(LAYER)}", status=404)
    assert files(server) == {digest_of(OTHER)}  # pushed, and not yet used by a manifest


def test_delete_by_tag(server: Server, oci: Oci) -> None:
    content = manifest(LAYER)
    for tag in ("v1", "v2"):
        oci.push_manifest(NAME, tag, content)
    oci("DELETE", f"{NAME}/manifests/v1", status=202)
    oci("GET", f"{NAME}/manifests/v1", status=404)
    assert oci("GET", f"{NAME}/manifests/v2", status=200).content == content
    oci("DELETE", f"{NAME}/manifests/v2", status=202)
    oci("GET", f"{NAME}/manifests/{digest_of(content)}", status=404)
    assert files(server) == {digest_of(OTHER)}


def test_deleting_an_index_deletes_its_manifests(server: Server, oci: Oci) -> None:
    alone, shared = manifest(LAYER), manifest(OTHER)
    oci.push_manifest(NAME, digest_of(alone), alone)
    oci.push_manifest(NAME, "kept", shared)
    oci.push_manifest(NAME, "all", index(alone, shared))
    oci("DELETE", f"{NAME}/manifests/all", status=202)
    oci("GET", f"{NAME}/manifests/{digest_of(alone)}", status=404)
    assert oci("GET", f"{NAME}/manifests/kept", status=200).content == shared
    assert files(server) == {digest_of(content) for content in (OTHER, b"{}", shared)}


def test_a_blob_in_use_is_not_deleted(oci: Oci) -> None:
    oci.push_manifest(NAME, "v1", manifest(LAYER))
    oci("DELETE", f"{NAME}/blobs/{digest_of(LAYER)}", status=405, code="UNSUPPORTED")
    oci("DELETE", f"{NAME}/blobs/{digest_of(OTHER)}", status=202)


def test_a_blob_pushed_again_outlives_its_manifest(oci: Oci) -> None:
    """Another client may be about to push a manifest with it."""
    oci.push_manifest(NAME, "v1", manifest(LAYER))
    oci.push_blob(NAME, LAYER)
    oci("DELETE", f"{NAME}/manifests/v1", status=202)
    oci("HEAD", f"{NAME}/blobs/{digest_of(LAYER)}", status=200)
    oci.push_blob(NAME, b"{}")
    oci.push_manifest(NAME, "v2", manifest(LAYER))


def test_referrers(oci: Oci) -> None:
    image = manifest(LAYER)
    digest = digest_of(image)
    subject = descriptor(image, OCI_MANIFEST)
    scan = manifest(OTHER, subject=subject, artifactType="application/scan", annotations={"by": "scanner"})
    signature = manifest(subject=subject)
    listing = index(subject=subject, artifactType="application/list")
    assert oci("GET", f"{NAME}/referrers/{digest}", status=200).json()["manifests"] == []
    for content in (scan, signature, listing):  # the subject need not be there yet
        answer = oci.push_manifest(NAME, digest_of(content), content)
        assert answer.headers["OCI-Subject"] == digest
    oci.push_manifest(NAME, "v1", image)
    answer = oci("GET", f"{NAME}/referrers/{digest}", status=200)
    assert answer.headers["Content-Type"] == OCI_INDEX
    scan_entry = {
        **descriptor(scan, OCI_MANIFEST),
        "artifactType": "application/scan",
        "annotations": {"by": "scanner"},
    }
    assert answer.json() == {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            scan_entry,
            {**descriptor(signature, OCI_MANIFEST), "artifactType": OCI_CONFIG},
            {**descriptor(listing, OCI_INDEX), "artifactType": "application/list"},
        ],
    }
    answer = oci("GET", f"{NAME}/referrers/{digest}?artifactType=application/scan", status=200)
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    assert answer.json()["manifests"] == [scan_entry]
    oci("GET", f"{NAME}/referrers/latest", status=400, code="DIGEST_INVALID")
    oci("GET", f"unknown/api/referrers/{digest}", status=404, code="NAME_UNKNOWN")
    oci("DELETE", f"{NAME}/manifests/v1", status=202)
    assert oci("GET", f"{NAME}/referrers/{digest}", status=200).json()["manifests"] == []
