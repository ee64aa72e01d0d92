"""Uploading blobs (spec: "Pushing Blobs"): in one request, in chunks, or by mounting from another repository."""

from __future__ import annotations

from localcloud.api.asgi import ClientDisconnected
from localcloud.api.oci.access import PULL, open_repository
from localcloud.api.oci.bodies import HttpResponse
from localcloud.api.oci.errors import OciError, digest_invalid, size_invalid
from localcloud.api.oci.paths import is_digest, is_name
from localcloud.api.oci.ranges import chunk_range, upload_range
from localcloud.api.oci.requests import RegistryRequest
from localcloud.api.oci.uploads import Upload


async def begin(request: RegistryRequest) -> HttpResponse:
    """POST: mount a blob (``?mount=&from=``), store a complete blob (``?digest=``), or start an upload."""
    uploads = request.context.uploads
    mounted = _mount(request)
    if mounted is not None:
        return mounted
    digest = request.http.argument("digest")
    if digest is not None and not is_digest(digest):
        raise digest_invalid({"digest": digest})
    upload = uploads.begin(request.repository.key, request.now)
    if digest is None:
        return _progress(request, upload, 202)
    try:
        await _receive(request, upload)
    except (ClientDisconnected, OciError):
        uploads.cancel(upload)
        raise
    return _finish(request, upload, digest)


async def status(request: RegistryRequest) -> HttpResponse:
    return _progress(request, _upload(request), 204)


async def add(request: RegistryRequest) -> HttpResponse:
    """PATCH: append a chunk."""
    upload = _upload(request)
    with upload.exclusive():
        await _receive(request, upload)
    return _progress(request, upload, 202)


async def finish(request: RegistryRequest) -> HttpResponse:
    """PUT: append the last chunk, which may be empty, and complete the blob with the given digest."""
    upload = _upload(request)
    digest = request.http.argument("digest")
    if digest is None or not is_digest(digest):
        raise digest_invalid({"digest": digest})
    with upload.exclusive():
        await _receive(request, upload)
    return _finish(request, upload, digest)


async def cancel(request: RegistryRequest) -> HttpResponse:
    request.context.uploads.cancel(_upload(request))
    return HttpResponse(204)


def _upload(request: RegistryRequest) -> Upload:
    return request.context.uploads.find(request.values["upload"], request.repository.key, request.now)


async def _receive(request: RegistryRequest, upload: Upload) -> None:
    """Append the request's body. Raises 416 for an out-of-order chunk and ``SIZE_INVALID`` for a wrong length."""
    length = request.http.header("content-length")
    try:
        chunk = chunk_range(request.http.header("content-range"))
    except ValueError as error:
        raise OciError(400, "BLOB_UPLOAD_INVALID", str(error)) from error
    if chunk is not None:
        if chunk[0] != upload.size:
            headers = _progress(request, upload, 416).headers
            raise OciError(416, "BLOB_UPLOAD_INVALID", "the chunk does not follow the previous one", headers=headers)
        if length and int(length) != chunk[1]:
            raise size_invalid({"range": chunk[1], "content_length": int(length)})
    before = upload.size
    try:
        await upload.append(request.http.chunks())
    except OSError as error:
        request.context.uploads.cancel(upload)
        message = f"the registry cannot store the blob ({error.strerror})"
        raise OciError(500, "BLOB_UPLOAD_INVALID", message) from error
    if chunk is not None and upload.size - before != chunk[1]:
        request.context.uploads.cancel(upload)
        raise size_invalid({"range": chunk[1], "received": upload.size - before})


def _mount(request: RegistryRequest) -> HttpResponse | None:
    """Mount a blob from a repository that the caller may pull from.

    Returns None if the blob cannot be mounted; the client then uploads it.
    """
    digest, source = request.http.argument("mount"), request.http.argument("from")
    if digest is None:
        return None
    if not is_digest(digest):
        raise digest_invalid({"digest": digest})
    if source is None or not is_name(source):
        return None
    try:
        origin = open_repository(request.context.cloud, request.principal, source, PULL)
    except OciError:
        return None
    link = origin.blob(digest)
    if link is None:
        return None
    request.repository.link(digest, link["size"], request.now)
    return _created(request, digest)


def _finish(request: RegistryRequest, upload: Upload, digest: str) -> HttpResponse:
    request.require_repository()
    request.context.uploads.finish(upload, digest)
    request.repository.link(digest, upload.size, request.now)
    return _created(request, digest)


def _created(request: RegistryRequest, digest: str) -> HttpResponse:
    return HttpResponse(201, {"Location": f"{request.base}/blobs/{digest}", "Docker-Content-Digest": digest})


def _progress(request: RegistryRequest, upload: Upload, status: int) -> HttpResponse:
    headers = {
        "Location": f"{request.base}/blobs/uploads/{upload.id}",
        "Range": upload_range(upload.size),
        "Docker-Upload-UUID": upload.id,
    }
    return HttpResponse(status, headers)
