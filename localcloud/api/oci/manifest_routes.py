"""Pulling, pushing and deleting manifests (spec: "Pulling manifests", "Pushing Manifests", "Deleting Manifests")."""

from __future__ import annotations

from localcloud.api.oci.bodies import BodyTooLarge, FilePart, HttpResponse
from localcloud.api.oci.errors import digest_invalid, manifest_invalid, manifest_unknown
from localcloud.api.oci.manifests import MAX_BYTES, parse
from localcloud.api.oci.paths import is_digest, is_tag
from localcloud.api.oci.removal import remove_manifests, remove_tag
from localcloud.api.oci.requests import RegistryRequest


async def get(request: RegistryRequest) -> HttpResponse:
    """The manifest exactly as it was pushed, regardless of ``Accept``. Also handles HEAD."""
    reference = request.values["reference"]
    manifest = request.repository.manifest(reference)
    if manifest is None:
        raise manifest_unknown(reference)
    digest = manifest["digest"]
    try:
        file = request.context.blobs.open(digest)
    except FileNotFoundError as error:
        raise manifest_unknown(reference) from error
    headers = {"Content-Type": manifest["media_type"], "Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
    return HttpResponse(200, headers, FilePart(file, 0, manifest["size"]))


async def put(request: RegistryRequest) -> HttpResponse:
    """Store a manifest if everything that it refers to exists."""
    reference = request.values["reference"]
    by_digest = ":" in reference
    if by_digest and not is_digest(reference):
        raise digest_invalid({"digest": reference})
    if not by_digest and not is_tag(reference):
        raise manifest_invalid(
            "a tag must contain at most 128 letters, digits, periods, underscores and hyphens, and must not start with "
            "a period or hyphen"
        )
    try:
        content = await request.http.body(MAX_BYTES)
    except BodyTooLarge as error:
        raise manifest_invalid(f"it exceeds {MAX_BYTES} bytes", status=413) from error
    request.require_repository()
    manifest = parse(content, request.http.header("content-type"))
    if by_digest and manifest.digest != reference:
        raise digest_invalid({"digest": reference, "received": manifest.digest})
    request.repository.check(manifest)
    request.context.blobs.write(manifest.digest, content)
    request.repository.put(manifest, None if by_digest else reference, request.now)
    headers = {"Location": f"{request.base}/manifests/{manifest.digest}", "Docker-Content-Digest": manifest.digest}
    if manifest.subject is not None:
        headers["OCI-Subject"] = manifest.subject
    return HttpResponse(201, headers)


async def delete(request: RegistryRequest) -> HttpResponse:
    """Given a digest, delete the manifest and its tags. Given a tag, delete the tag, and its manifest if unused."""
    repository, reference = request.repository, request.values["reference"]
    image, manifest = repository.image, repository.manifest(reference)
    if image is None or manifest is None:
        raise manifest_unknown(reference)
    tag = None if ":" in reference else repository.tag(reference)
    if tag is not None:
        remove_tag(repository.store, tag)
    else:
        remove_manifests(repository.store, image, [manifest["digest"]])
    return HttpResponse(202)
