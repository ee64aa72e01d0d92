"""Blobs: look, pull, delete (spec: "Pulling blobs", "Deleting Blobs")."""

from __future__ import annotations

from localcloud.api.oci.bodies import FilePart, Reply
from localcloud.api.oci.endpoints import is_digest
from localcloud.api.oci.errors import OciError, blob_unknown, digest_invalid, unsupported
from localcloud.api.oci.ranges import RangeNotSatisfiable, wanted_part
from localcloud.api.oci.removal import remove_link
from localcloud.api.oci.repository import manifests_of
from localcloud.api.oci.requests import RegistryRequest
from localcloud.api.store import Resource


async def get(visit: RegistryRequest) -> Reply:
    """The content, or the one part of it that ``Range`` asks for; HEAD is answered by the same."""
    link = _link(visit)
    digest, size = link["digest"], link["size"]
    headers = {
        "Content-Type": "application/octet-stream",
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Accept-Ranges": "bytes",
    }
    try:
        part = wanted_part(visit.request.header("range"), size)
    except RangeNotSatisfiable as error:
        limits = {"Content-Range": f"bytes */{size}"}
        raise OciError(416, "SIZE_INVALID", "the range lies outside the blob", headers=limits) from error
    try:
        file = visit.site.blobs.open(digest)
    except FileNotFoundError as error:
        raise blob_unknown(digest) from error
    if part is None:
        return Reply(200, headers, FilePart(file, 0, size))
    start, length = part
    headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    return Reply(206, headers, FilePart(file, start, length))


async def delete(visit: RegistryRequest) -> Reply:
    """Refused while a manifest of the repository refers to it."""
    link = _link(visit)
    image = visit.repository.image
    if image is not None and any(
        link["digest"] in manifest["blobs"] for manifest in manifests_of(visit.repository.store, image)
    ):
        raise unsupported("a manifest refers to the blob: delete the manifest")
    remove_link(visit.repository.store, link)
    return Reply(202)


def _link(visit: RegistryRequest) -> Resource:
    digest = visit.values["digest"]
    if not is_digest(digest):
        raise digest_invalid({"digest": digest})
    link = visit.repository.blob(digest)
    if link is None:
        raise blob_unknown(digest)
    return link
