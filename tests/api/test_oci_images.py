"""Pushed images appear in the registry API; deletions on either side appear on the other."""

from __future__ import annotations

from typing import Any

import pytest
from scaleway.registry.v1 import ListImagesRequestOrderBy, ListTagsRequestOrderBy, RegistryV1API

from tests.api.conftest import Sdk
from tests.support.local_scaleway import Client, Server
from tests.support.oci import NAMESPACES, REGISTRY, Oci, digest_of, files, make_namespace
from tests.support.seed import ORGANIZATION

NAME = "snu-ci/api"
LAYER, OTHER = b"a layer" * 9, b"another layer" * 9


@pytest.fixture
def namespace(api: Client) -> dict[str, Any]:
    return make_namespace(api)


@pytest.fixture
def oci(server: Server, namespace: dict[str, Any]) -> Oci:
    return Oci(server.url)


def test_complete_objects(server: Server, api: Client, namespace: dict[str, Any], oci: Oci) -> None:
    content = oci.push(NAME, "v1", LAYER, OTHER)
    (image,) = api("GET", f"{REGISTRY}/images?name=api&namespace_id={namespace['id']}&order_by=created_at_asc")[
        "images"
    ]
    size = len(LAYER) + len(OTHER)
    assert image == {
        "id": image["id"],
        "name": "api",
        "namespace_id": namespace["id"],
        "status": "ready",
        "status_message": "",
        "visibility": "inherit",
        "size": size,
        "tags": ["v1"],
        "created_at": image["created_at"],
        "updated_at": image["updated_at"],
    }
    assert api("GET", f"{REGISTRY}/images/{image['id']}") == image
    (tag,) = api("GET", f"{REGISTRY}/images/{image['id']}/tags?order_by=created_at_asc")["tags"]
    assert tag == {
        "id": tag["id"],
        "name": "v1",
        "image_id": image["id"],
        "status": "ready",
        "digest": digest_of(content),
        "created_at": tag["created_at"],
        "updated_at": tag["updated_at"],
    }
    assert api("GET", f"{REGISTRY}/tags/{tag['id']}") == tag
    shown = api("GET", f"{NAMESPACES}/{namespace['id']}")
    assert (shown["image_count"], shown["size"]) == (1, size)
    assert shown["endpoint"] == f"localhost:{server.url.rpartition(':')[2]}/snu-ci"


def test_a_moved_tag_keeps_its_id(api: Client, oci: Oci) -> None:
    oci.push(NAME, "latest", LAYER)
    (image,) = api("GET", f"{REGISTRY}/images")["images"]
    (before,) = api("GET", f"{REGISTRY}/images/{image['id']}/tags")["tags"]
    content = oci.push(NAME, "latest", LAYER, OTHER)
    (after,) = api("GET", f"{REGISTRY}/images/{image['id']}/tags")["tags"]
    assert after == {**before, "digest": digest_of(content), "updated_at": after["updated_at"]}
    assert after["updated_at"] > before["updated_at"]


def test_image_sizes_count_shared_layers_once(api: Client, namespace: dict[str, Any], oci: Oci) -> None:
    oci.push(NAME, "v1", LAYER)
    oci.push(NAME, "v2", LAYER, OTHER)
    oci.push("snu-ci/app", "v1", LAYER)
    sizes = {image["name"]: image["size"] for image in api("GET", f"{REGISTRY}/images")["images"]}
    assert sizes == {"api": len(LAYER) + len(OTHER), "app": len(LAYER)}
    shown = api("GET", f"{NAMESPACES}/{namespace['id']}")
    assert (shown["image_count"], shown["size"]) == (2, sum(sizes.values()))
    oci("DELETE", f"{NAME}/manifests/v2", status=202)
    assert api("GET", f"{NAMESPACES}/{namespace['id']}")["size"] == 2 * len(LAYER)


def test_the_official_sdk_lists_images_and_tags(sdk: Sdk, api: Client, namespace: dict[str, Any], oci: Oci) -> None:
    for name in ("web", "api", "deep/app"):
        for tag in ("v2", "v1"):
            oci.push(f"snu-ci/{name}", tag, LAYER, annotations={"of": name + tag})
    registry = RegistryV1API(sdk.client)
    images = registry.list_images_all(namespace_id=namespace["id"], order_by=ListImagesRequestOrderBy.NAME_ASC)
    assert [(image.name, image.tags) for image in images] == [
        (name, ["v2", "v1"]) for name in ("api", "deep/app", "web")
    ]
    assert registry.list_images(page=2, page_size=2, order_by=ListImagesRequestOrderBy.NAME_DESC).total_count == 3
    assert [image.name for image in registry.list_images_all(name="web", project_id=ORGANIZATION)] == ["web"]
    tags = registry.list_tags_all(image_id=images[0].id, order_by=ListTagsRequestOrderBy.NAME_ASC)
    assert [tag.name for tag in tags] == ["v1", "v2"]
    assert registry.delete_tag(tag_id=tags[0].id).status == "deleting"
    oci("GET", f"{NAME}/manifests/v1", status=404, code="MANIFEST_UNKNOWN")
    assert registry.delete_image(image_id=images[0].id).status == "deleting"
    oci("GET", f"{NAME}/manifests/v2", status=404, code="MANIFEST_UNKNOWN")
    oci("GET", f"{NAME}/tags/list", status=404, code="NAME_UNKNOWN")
    api("GET", f"{REGISTRY}/images?order_by=name", status=400)


def test_deleting_a_tag_removes_unused_blobs(server: Server, api: Client, oci: Oci) -> None:
    kept = oci.push(NAME, "v1", LAYER)
    oci.push(NAME, "v2", LAYER, OTHER)
    (image,) = api("GET", f"{REGISTRY}/images")["images"]
    ids = {tag["name"]: tag["id"] for tag in api("GET", f"{REGISTRY}/images/{image['id']}/tags")["tags"]}
    api("DELETE", f"{REGISTRY}/tags/{ids['v2']}")
    assert files(server) == {digest_of(content) for content in (LAYER, b"{}", kept)}
    api("DELETE", f"{REGISTRY}/tags/{ids['v2']}", status=404)
    api("DELETE", f"{REGISTRY}/tags/{ids['v1']}")
    assert files(server) == set()
    assert api("GET", f"{REGISTRY}/images/{image['id']}")["tags"] == []


def test_deletions_through_the_registry_show_in_the_api(api: Client, oci: Oci) -> None:
    content = oci.push(NAME, "v1", LAYER)
    oci.push_manifest(NAME, "v2", content)
    oci("DELETE", f"{NAME}/manifests/v1", status=202)
    (image,) = api("GET", f"{REGISTRY}/images")["images"]
    assert image["tags"] == ["v2"]
    oci("DELETE", f"{NAME}/manifests/{digest_of(content)}", status=202)
    (image,) = api("GET", f"{REGISTRY}/images")["images"]
    assert (image["tags"], image["size"]) == ([], 0)


def test_deleting_a_namespace_deletes_its_images_only(
    server: Server, api: Client, namespace: dict[str, Any], oci: Oci
) -> None:
    make_namespace(api, "snu-production")
    oci.push(NAME, "v1", LAYER, OTHER)
    oci.push_blob("snu-ci/unfinished", b"never used")
    kept = oci.push("snu-production/api", "v1", LAYER)
    api("POST", "/_local/transitions", {"seconds": 60})
    assert api("DELETE", f"{NAMESPACES}/{namespace['id']}")["status"] == "deleting"
    oci("GET", f"{NAME}/manifests/v1", status=404, code="NAME_UNKNOWN")
    oci("POST", f"{NAME}/blobs/uploads/", status=404, code="NAME_UNKNOWN")
    assert files(server) == {digest_of(content) for content in (LAYER, b"{}", kept)}
    assert oci("GET", "snu-production/api/manifests/v1", status=200).content == kept
    assert [image["name"] for image in api("GET", f"{REGISTRY}/images")["images"]] == ["api"]


def test_an_upload_to_a_namespace_deleted_meanwhile_fails(
    server: Server, api: Client, namespace: dict[str, Any], oci: Oci
) -> None:
    path = oci.upload(NAME)
    api("DELETE", f"{NAMESPACES}/{namespace['id']}")
    make_namespace(api)
    digest = digest_of(LAYER)
    oci("PUT", f"{path}?digest={digest}", status=404, code="BLOB_UPLOAD_UNKNOWN", content=LAYER)
    assert files(server) == set()


def test_the_older_of_two_namespaces_of_one_name_is_used(api: Client, namespace: dict[str, Any], oci: Oci) -> None:
    api.create("/registry/v1/regions/nl-ams/namespaces", name="snu-ci")
    oci.push(NAME, "v1", LAYER)
    assert api("GET", f"{REGISTRY}/images")["total_count"] == 1
    assert api("GET", "/registry/v1/regions/nl-ams/images")["total_count"] == 0


def test_a_reset_removes_all_images(server: Server, api: Client, oci: Oci) -> None:
    oci.push(NAME, "v1", LAYER)
    path = oci.upload(NAME)
    api("POST", "/_local/reset")
    assert files(server) == set()
    make_namespace(api)
    oci("GET", f"{NAME}/manifests/v1", status=404)
    oci("PATCH", path, status=404, code="BLOB_UPLOAD_UNKNOWN", content=LAYER)
    oci.push(NAME, "v1", LAYER)


def test_the_journal_contains_changes(api: Client, oci: Oci) -> None:
    oci.push(NAME, "v1", LAYER)
    entries = api("GET", "/_local/journal")["entries"]
    assert [entry["method"] for entry in entries] == ["POST", "PUT", "PUT", "PUT"]
    assert entries[-1]["path"] == f"/v2/{NAME}/manifests/v1"
