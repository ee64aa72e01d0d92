"""Uploads of blobs (spec: "Pushing Blobs"): in one request, in chunks, and by mounting from another repository."""

from __future__ import annotations

from localcloud.api.oci.access import PULL, open_repository
from localcloud.api.oci.bodies import ClientDisconnected, Reply
from localcloud.api.oci.endpoints import is_digest, is_name
from localcloud.api.oci.errors import OciError, digest_invalid, size_invalid
from localcloud.api.oci.ranges import chunk_range, received
from localcloud.api.oci.requests import RegistryRequest
from localcloud.api.oci.uploads import Upload


async def begin(visit: RegistryRequest) -> Reply:
    """POST: mount (``?mount=&from=``), whole blob (``?digest=``), or the start of an upload."""
    request, site = visit.request, visit.site
    mounted = _mount(visit)
    if mounted is not None:
        return mounted
    digest = request.argument("digest")
    if digest is not None and not is_digest(digest):
        raise digest_invalid({"digest": digest})
    upload = site.uploads.begin(visit.repository.key, visit.now)
    if digest is None:
        return _progress(visit, upload, 202)
    try:
        await _receive(visit, upload)
    except (ClientDisconnected, OciError):
        site.uploads.cancel(upload)
        raise
    return _finish(visit, upload, digest)


async def status(visit: RegistryRequest) -> Reply:
    return _progress(visit, _upload(visit), 204)


async def add(visit: RegistryRequest) -> Reply:
    """PATCH: one chunk."""
    upload = _upload(visit)
    with upload.alone():
        await _receive(visit, upload)
    return _progress(visit, upload, 202)


async def finish(visit: RegistryRequest) -> Reply:
    """PUT: the last chunk, which may be empty, and the digest of the whole."""
    upload = _upload(visit)
    digest = visit.request.argument("digest")
    if digest is None or not is_digest(digest):
        raise digest_invalid({"digest": digest})
    with upload.alone():
        await _receive(visit, upload)
    return _finish(visit, upload, digest)


async def cancel(visit: RegistryRequest) -> Reply:
    visit.site.uploads.cancel(_upload(visit))
    return Reply(204)


def _upload(visit: RegistryRequest) -> Upload:
    return visit.site.uploads.find(visit.values["upload"], visit.repository.key, visit.now)


async def _receive(visit: RegistryRequest, upload: Upload) -> None:
    """Append the request's body. Raises 416 for a chunk out of order, ``SIZE_INVALID`` for a false length."""
    request = visit.request
    length = request.header("content-length")
    try:
        said = chunk_range(request.header("content-range"))
    except ValueError as error:
        raise OciError(400, "BLOB_UPLOAD_INVALID", str(error)) from error
    if said is not None:
        if said[0] != upload.size:
            headers = _progress(visit, upload, 416).headers
            raise OciError(416, "BLOB_UPLOAD_INVALID", "the chunk does not follow the last one", headers=headers)
        if length and int(length) != said[1]:
            raise size_invalid({"range": said[1], "content_length": int(length)})
    before = upload.size
    try:
        await upload.append(request.chunks())
    except OSError as error:
        visit.site.uploads.cancel(upload)
        message = f"the registry cannot keep the blob ({error.strerror})"
        raise OciError(500, "BLOB_UPLOAD_INVALID", message) from error
    if said is not None and upload.size - before != said[1]:
        visit.site.uploads.cancel(upload)
        raise size_invalid({"range": said[1], "received": upload.size - before})


def _mount(visit: RegistryRequest) -> Reply | None:
    """Mount a blob that the caller may pull elsewhere; ``None`` where it cannot be, so that the client uploads it."""
    digest, source = visit.request.argument("mount"), visit.request.argument("from")
    if digest is None:
        return None
    if not is_digest(digest):
        raise digest_invalid({"digest": digest})
    if source is None or not is_name(source):
        return None
    try:
        origin = open_repository(visit.site.cloud, visit.principal, source, PULL)
    except OciError:
        return None
    link = origin.blob(digest)
    if link is None:
        return None
    visit.repository.link(digest, link["size"], visit.now)
    return _created(visit, digest)


def _finish(visit: RegistryRequest, upload: Upload, digest: str) -> Reply:
    visit.require_repository()
    visit.site.uploads.finish(upload, digest)
    visit.repository.link(digest, upload.size, visit.now)
    return _created(visit, digest)


def _created(visit: RegistryRequest, digest: str) -> Reply:
    return Reply(201, {"Location": f"{visit.base}/blobs/{digest}", "Docker-Content-Digest": digest})


def _progress(visit: RegistryRequest, upload: Upload, status: int) -> Reply:
    headers = {
        "Location": f"{visit.base}/blobs/uploads/{upload.id}",
        "Range": received(upload.size),
        "Docker-Upload-UUID": upload.id,
    }
    return Reply(status, headers)
