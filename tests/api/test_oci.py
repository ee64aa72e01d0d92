"""The OCI registry: access, blobs, uploads, mounts (Distribution Spec 1.1)."""

from __future__ import annotations

import base64
from uuid import uuid4

import httpx
import pytest

from tests.support.local_scaleway import HTTP, Client, Server
from tests.support.oci import Oci, digest_of, files, make_namespace, uploads
from tests.support.seed import ORGANIZATION, OWNER_SECRET_KEY

BLOB = bytes(range(256)) * 40
DIGEST = digest_of(BLOB)
NAME = "snu-ci/api"


@pytest.fixture
def oci(server: Server, api: Client) -> Oci:
    make_namespace(api)
    return Oci(server.url)


def key_of(api: Client, *permission_sets: str, project: str = ORGANIZATION) -> str:
    """The secret key of an application with these permission sets in one project."""
    name = f"pusher-{uuid4().hex[:8]}"
    application = api.create("/iam/v1alpha1/applications", name=name)
    rules = [{"permission_set_names": list(permission_sets), "project_ids": [project]}]
    api.create("/iam/v1alpha1/policies", name=name, application_id=application["id"], rules=rules)
    return str(api.create("/iam/v1alpha1/api-keys", application_id=application["id"])["secret_key"])


def test_ping_requires_a_key(server: Server, oci: Oci) -> None:
    oci("GET", "/v2/", status=200)
    oci("GET", "/v2", status=200)
    for stranger in (Oci(server.url, None), Oci(server.url, "10ca1000-0000-4000-8000-00000000dead")):
        answer = stranger("GET", "/v2/", status=401, code="UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    "header", ["Basic", "Basic %%%", "Basic /w==", "Bearer x", "Basic " + base64.b64encode(b"nologin:").decode()]
)
def test_malformed_credentials_are_rejected(server: Server, header: str) -> None:
    assert HTTP.get(f"{server.url}/v2/", headers={"Authorization": header}).status_code == 401


def test_any_user_name_is_accepted(server: Server) -> None:
    assert HTTP.get(f"{server.url}/v2/", auth=("somebody", OWNER_SECRET_KEY)).status_code == 200


def test_permission_sets_apply(server: Server, api: Client, oci: Oci) -> None:
    reader, writer = (Oci(server.url, key_of(api, f"ContainerRegistry{kind}")) for kind in ("ReadOnly", "FullAccess"))
    other = Oci(server.url, key_of(api, "ContainersFullAccess"))
    digest = writer.push_blob(NAME, BLOB)
    assert reader.pull(NAME, digest) == BLOB
    refusal = reader("POST", f"{NAME}/blobs/uploads/", status=403, code="DENIED")
    assert refusal.json()["errors"][0]["message"] == "insufficient permissions: write registry"
    reader("DELETE", f"{NAME}/blobs/{digest}", status=403, code="DENIED")
    other("GET", f"{NAME}/blobs/{digest}", status=403, code="DENIED")


def test_a_key_of_another_project_cannot_pull(server: Server, api: Client, oci: Oci) -> None:
    project = api.create("/account/v3/projects", name="other")["id"]
    make_namespace(api, "theirs", project_id=project)
    key = Oci(server.url, key_of(api, "ContainerRegistryFullAccess", project=project))
    digest = oci.push_blob(NAME, BLOB)
    key("GET", f"{NAME}/blobs/{digest}", status=403, code="DENIED")
    key("POST", f"theirs/api/blobs/uploads/?mount={digest}&from={NAME}", status=202)
    key.push_blob("theirs/api", BLOB)


def test_public_images_need_no_authentication(server: Server, api: Client, oci: Oci) -> None:
    namespace = make_namespace(api, "open", is_public=True)
    oci.push("open/api", "v1", BLOB)
    oci.push(NAME, "v1", BLOB)
    empty = {"Authorization": "Basic " + base64.b64encode(b":").decode()}
    stranger = Oci(server.url, None)
    stranger("GET", "open/api/manifests/v1", status=200)
    stranger("GET", "open/api/manifests/v1", status=200, headers=empty)
    assert stranger.pull("open/api", DIGEST) == BLOB
    stranger("POST", "open/api/blobs/uploads/", status=401, code="UNAUTHORIZED")
    stranger("GET", f"{NAME}/manifests/v1", status=401, code="UNAUTHORIZED")
    stranger("GET", "nowhere/api/manifests/v1", status=401, code="UNAUTHORIZED")
    (image,) = api("GET", f"/registry/v1/regions/fr-par/images?namespace_id={namespace['id']}")["images"]
    api("PATCH", f"/registry/v1/regions/fr-par/images/{image['id']}", {"visibility": "private"})
    stranger("GET", "open/api/manifests/v1", status=401, code="UNAUTHORIZED")


def test_names(oci: Oci) -> None:
    oci("GET", "unknown/api/tags/list", status=404, code="NAME_UNKNOWN")
    oci("POST", "unknown/api/blobs/uploads/", status=404, code="NAME_UNKNOWN")
    oci("POST", "snu-ci/blobs/uploads/", status=404, code="NAME_UNKNOWN")
    oci("GET", f"{NAME}/tags/list", status=404, code="NAME_UNKNOWN")
    oci("GET", "snu-ci/Api/tags/list", status=400, code="NAME_INVALID")
    oci("GET", f"snu-ci/{'a' * 250}/tags/list", status=400, code="NAME_INVALID")
    oci("GET", "_catalog", status=404, code="UNSUPPORTED")
    answer = oci("PATCH", f"{NAME}/manifests/v1", status=405, code="UNSUPPORTED")
    assert answer.headers["Allow"] == "GET, HEAD, PUT, DELETE"
    oci.push_blob("snu-ci/blobs/uploads/deep", BLOB)


def test_a_blob_in_one_request(oci: Oci) -> None:
    answer = oci("POST", f"{NAME}/blobs/uploads/?digest={DIGEST}", status=201, content=BLOB)
    assert answer.headers["Location"] == f"/v2/{NAME}/blobs/{DIGEST}"
    head = oci("HEAD", f"{NAME}/blobs/{DIGEST}", status=200)
    assert head.headers["Content-Length"] == str(len(BLOB))
    assert head.headers["Docker-Content-Digest"] == DIGEST
    assert head.content == b""
    assert oci.pull(NAME, DIGEST) == BLOB


def test_an_empty_blob(oci: Oci) -> None:
    digest = oci.push_blob(NAME, b"")
    assert oci.pull(NAME, digest) == b""
    oci("GET", f"{NAME}/blobs/{digest}", status=416, headers={"Range": "bytes=0-0"})


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=100-", 100, None), ("bytes=-7", -7, None), ("bytes=5-99999999", 5, None)],
)
def test_range_requests(oci: Oci, wanted: str, start: int, end: int | None) -> None:
    oci.push_blob(NAME, BLOB)
    answer = oci("GET", f"{NAME}/blobs/{DIGEST}", status=206, headers={"Range": wanted})
    assert answer.content == BLOB[start:end]
    first = start % len(BLOB)
    assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(BLOB)}"


def test_unsatisfiable_ranges(oci: Oci) -> None:
    oci.push_blob(NAME, BLOB)
    path = f"{NAME}/blobs/{DIGEST}"
    for outside in (f"bytes={len(BLOB)}-", "bytes=-0"):
        answer = oci("GET", path, status=416, headers={"Range": outside})
        assert answer.headers["Content-Range"] == f"bytes */{len(BLOB)}"
    for ignored in ("bytes=5-1", "bytes=0-1,3-4", "lines=0-1", "bytes=-"):
        assert oci("GET", path, status=200, headers={"Range": ignored}).content == BLOB


def test_unknown_blobs(oci: Oci) -> None:
    oci("GET", f"{NAME}/blobs/{DIGEST}", status=404, code="BLOB_UNKNOWN")
    assert oci("HEAD", f"{NAME}/blobs/{DIGEST}", status=404).content == b""
    oci("DELETE", f"{NAME}/blobs/{DIGEST}", status=404, code="BLOB_UNKNOWN")
    for odd in ("sha256:abc", "md5:" + "0" * 32, f"sha256:{'g' * 64}", "latest"):
        oci("GET", f"{NAME}/blobs/{odd}", status=400, code="DIGEST_INVALID")


def test_chunks_must_be_in_order(oci: Oci) -> None:
    path = oci.upload(NAME)
    answer = oci("PATCH", path, status=202, content=BLOB[:100], headers={"Content-Range": "0-99"})
    assert answer.headers["Range"] == "0-99"
    for early in ("0-99", "200-299"):
        refusal = oci("PATCH", path, status=416, content=BLOB[:100], headers={"Content-Range": early})
        assert refusal.headers["Range"] == "0-99"
    refusal = oci("PATCH", path, status=400, code="SIZE_INVALID", content=b"x", headers={"Content-Range": "100-149"})
    oci("PATCH", path, status=400, code="BLOB_UPLOAD_INVALID", content=b"x", headers={"Content-Range": "some"})
    assert oci("GET", path, status=204).headers["Range"] == "0-99"
    rest = {"Content-Range": f"100-{len(BLOB) - 1}"}
    oci("PUT", f"{path}?digest={DIGEST}", status=201, content=BLOB[100:], headers=rest)
    assert oci.pull(NAME, DIGEST) == BLOB
    oci("GET", path, status=404, code="BLOB_UPLOAD_UNKNOWN")


def test_a_wrong_digest_discards_the_upload(server: Server, oci: Oci) -> None:
    path = oci.upload(NAME)
    for missing in ("", "?digest=sha256:abc"):
        oci("PUT", f"{path}{missing}", status=400, code="DIGEST_INVALID")
    oci("PUT", f"{path}?digest={DIGEST}", status=400, code="DIGEST_INVALID", content=BLOB + b"x")
    oci("POST", f"{NAME}/blobs/uploads/?digest={DIGEST}", status=400, code="DIGEST_INVALID", content=b"x")
    oci("HEAD", f"{NAME}/blobs/{DIGEST}", status=404)
    assert files(server) == set()
    assert uploads(server) == []


def test_cancel(server: Server, oci: Oci) -> None:
    path = oci.upload(NAME)
    oci("PATCH", path, status=202, content=BLOB)
    oci("GET", path.replace(NAME, "snu-ci/other"), status=404, code="BLOB_UPLOAD_UNKNOWN")
    oci("DELETE", path, status=204)
    assert uploads(server) == []
    for method in ("GET", "PATCH", "DELETE"):
        oci(method, path, status=404, code="BLOB_UPLOAD_UNKNOWN")
    oci("PUT", f"{path}?digest={DIGEST}", status=404, code="BLOB_UPLOAD_UNKNOWN")


def test_mount(server: Server, api: Client, oci: Oci) -> None:
    make_namespace(api, "snu-production")
    oci.push_blob(NAME, BLOB)
    mounted = oci("POST", f"snu-production/api/blobs/uploads/?mount={DIGEST}&from={NAME}", status=201)
    assert mounted.headers["Location"] == f"/v2/snu-production/api/blobs/{DIGEST}"
    assert oci.pull("snu-production/api", DIGEST) == BLOB
    assert files(server) == {DIGEST}
    for elsewhere in ("&from=unknown/x", "&from=snu-ci/unknown", "&from=Bad", ""):
        oci("POST", f"snu-ci/third/blobs/uploads/?mount={DIGEST}{elsewhere}", status=202)
    oci("POST", f"snu-ci/third/blobs/uploads/?mount=sha256:abc&from={NAME}", status=400, code="DIGEST_INVALID")
    oci("DELETE", f"{NAME}/blobs/{DIGEST}", status=202)
    assert oci.pull("snu-production/api", DIGEST) == BLOB
    oci("DELETE", f"snu-production/api/blobs/{DIGEST}", status=202)
    assert files(server) == set()


def test_the_hosts_of_containers_are_not_the_registry(server: Server) -> None:
    answer = HTTP.get(f"{server.url}/v2/", headers={"Host": "api.local.snu.localhost"})
    assert "Docker-Distribution-API-Version" not in answer.headers


def test_a_connection_survives_a_rejected_body(oci: Oci) -> None:
    with httpx.Client() as http:
        for _ in range(3):
            body = bytes(3_000_000)
            oci("PUT", f"{NAME}/manifests/sha256:abc", status=400, code="DIGEST_INVALID", content=body, http=http)
            oci("GET", "/v2/", status=200, http=http)
