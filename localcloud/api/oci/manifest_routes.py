"""Manifests by tag or digest (spec: "Pulling manifests", "Pushing Manifests", "Deleting Manifests")."""

from __future__ import annotations

from localcloud.api.oci.bodies import BodyTooLarge, FilePart, Reply
from localcloud.api.oci.endpoints import is_digest, is_tag
from localcloud.api.oci.errors import digest_invalid, manifest_invalid, manifest_unknown
from localcloud.api.oci.manifests import MAX_BYTES, parse
from localcloud.api.oci.removal import remove_manifests, remove_tag
from localcloud.api.oci.requests import RegistryRequest


async def get(visit: RegistryRequest) -> Reply:
    """The manifest as it was pushed, whatever ``Accept`` says; HEAD is answered by the same."""
    reference = visit.values["reference"]
    manifest = visit.repository.manifest(reference)
    if manifest is None:
        raise manifest_unknown(reference)
    digest = manifest["digest"]
    try:
        file = visit.site.blobs.open(digest)
    except FileNotFoundError as error:
        raise manifest_unknown(reference) from error
    headers = {"Content-Type": manifest["media_type"], "Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
    return Reply(200, headers, FilePart(file, 0, manifest["size"]))


async def put(visit: RegistryRequest) -> Reply:
    """Keep a manifest whose parts are all here."""
    reference = visit.values["reference"]
    by_digest = ":" in reference
    if by_digest and not is_digest(reference):
        raise digest_invalid({"digest": reference})
    if not by_digest and not is_tag(reference):
        raise manifest_invalid("a tag has at most 128 letters, digits and ._-, and begins with none of .-")
    try:
        content = await visit.request.body(MAX_BYTES)
    except BodyTooLarge as error:
        raise manifest_invalid(f"it has more than {MAX_BYTES} bytes", status=413) from error
    visit.require_repository()
    manifest = parse(content, visit.request.header("content-type"))
    if by_digest and manifest.digest != reference:
        raise digest_invalid({"digest": reference, "received": manifest.digest})
    visit.repository.check(manifest)
    visit.site.blobs.write(manifest.digest, content)
    visit.repository.put(manifest, None if by_digest else reference, visit.now)
    headers = {"Location": f"{visit.base}/manifests/{manifest.digest}", "Docker-Content-Digest": manifest.digest}
    if manifest.subject is not None:
        headers["OCI-Subject"] = manifest.subject
    return Reply(201, headers)


async def delete(visit: RegistryRequest) -> Reply:
    """By digest: with all tags that lead to it. By tag: the tag, and the manifest if nothing else holds it."""
    repository, reference = visit.repository, visit.values["reference"]
    image, manifest = repository.image, repository.manifest(reference)
    if image is None or manifest is None:
        raise manifest_unknown(reference)
    tag = None if ":" in reference else repository.tag(reference)
    if tag is not None:
        remove_tag(repository.store, tag)
    else:
        remove_manifests(repository.store, image, [manifest["digest"]])
    return Reply(202)
