"""Listing tags and referrers (spec: "Listing Tags", "Listing Referrers")."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from localcloud.api.oci.bodies import HttpResponse
from localcloud.api.oci.errors import OciError, digest_invalid, name_unknown
from localcloud.api.oci.manifests import OCI_INDEX
from localcloud.api.oci.paths import is_digest
from localcloud.api.oci.repository import manifests_of
from localcloud.api.oci.requests import RegistryRequest
from localcloud.api.store import Resource


async def tags(request: RegistryRequest) -> HttpResponse:
    """Tags in case-insensitive lexical order: ``n`` tags after ``last``, with a link to the next page."""
    if request.repository.image is None:
        raise name_unknown(request.name)
    names = sorted((tag["name"] for tag in request.repository.tags()), key=_sort_key)
    last, limit = request.http.argument("last"), request.http.argument("n")
    if last:
        names = [name for name in names if _sort_key(name) > _sort_key(last)]
    headers = {"Content-Type": "application/json"}
    if limit is not None:
        if not limit.isdecimal() or len(limit) > 9:
            raise OciError(400, "UNSUPPORTED", "n must be a non-negative integer")
        page = names[: int(limit)]
        if page and len(page) < len(names):
            query = urlencode({"n": limit, "last": page[-1]})
            headers["Link"] = f'<{request.base}/tags/list?{query}>; rel="next"'
        names = page
    return HttpResponse(200, headers, _json({"name": request.name, "tags": names}))


async def referrers(request: RegistryRequest) -> HttpResponse:
    """An index of the manifests that refer to a digest (which need not exist), filtered by ``artifactType``."""
    digest = request.values["digest"]
    if not is_digest(digest):
        raise digest_invalid({"digest": digest})
    image = request.repository.image
    manifests = manifests_of(request.repository.store, image) if image else []
    referring = [manifest for manifest in manifests if manifest["subject"] == digest]
    headers = {"Content-Type": OCI_INDEX}
    artifact_type = request.http.argument("artifactType")
    if artifact_type:
        referring = [manifest for manifest in referring if manifest["artifact_type"] == artifact_type]
        headers["OCI-Filters-Applied"] = "artifactType"
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_descriptor(manifest) for manifest in referring]}
    return HttpResponse(200, headers, _json(index))


def _descriptor(manifest: Resource) -> dict[str, Any]:
    descriptor = {"mediaType": manifest["media_type"], "digest": manifest["digest"], "size": manifest["size"]}
    if manifest["artifact_type"]:
        descriptor["artifactType"] = manifest["artifact_type"]
    if manifest["annotations"]:
        descriptor["annotations"] = manifest["annotations"]
    return descriptor


def _sort_key(name: str) -> tuple[str, str]:
    return name.lower(), name


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
