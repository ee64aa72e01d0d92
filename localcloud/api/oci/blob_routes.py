"""Pulling and deleting blobs (spec: "Pulling blobs", "Deleting Blobs")."""

from __future__ import annotations

from localcloud.api.oci.bodies import FilePart, HttpResponse
from localcloud.api.oci.errors import OciError, blob_unknown, digest_invalid, unsupported
from localcloud.api.oci.paths import is_digest
from localcloud.api.oci.ranges import RangeNotSatisfiable, requested_range
from localcloud.api.oci.removal import remove_link
from localcloud.api.oci.repository import manifests_of
from localcloud.api.oci.requests import RegistryRequest
from localcloud.api.store import Resource


async def get(request: RegistryRequest) -> HttpResponse:
    """The content, or the part selected by ``Range``. Also handles HEAD."""
    link = _link(request)
    digest, size = link["digest"], link["size"]
    headers = {
        "Content-Type": "application/octet-stream",
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Accept-Ranges": "bytes",
    }
    try:
        part = requested_range(request.http.header("range"), size)
    except RangeNotSatisfiable as error:
        limits = {"Content-Range": f"bytes */{size}"}
        raise OciError(416, "SIZE_INVALID", "the range is outside the blob", headers=limits) from error
    try:
        file = request.context.blobs.open(digest)
    except FileNotFoundError as error:
        raise blob_unknown(digest) from error
    if part is None:
        return HttpResponse(200, headers, FilePart(file, 0, size))
    start, length = part
    headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    return HttpResponse(206, headers, FilePart(file, start, length))


async def delete(request: RegistryRequest) -> HttpResponse:
    """Delete a blob. Fails while a manifest in the repository refers to it."""
    link = _link(request)
    image = request.repository.image
    if image is not None and any(
        link["digest"] in manifest["blobs"] for manifest in manifests_of(request.repository.store, image)
    ):
        raise unsupported("a manifest refers to the blob: delete the manifest first")
    remove_link(request.repository.store, link)
    return HttpResponse(202)


def _link(request: RegistryRequest) -> Resource:
    digest = request.values["digest"]
    if not is_digest(digest):
        raise digest_invalid({"digest": digest})
    link = request.repository.blob(digest)
    if link is None:
        raise blob_unknown(digest)
    return link
