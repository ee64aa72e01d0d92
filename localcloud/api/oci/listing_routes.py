"""Lists: tags (spec: "Listing Tags") and referrers ("Listing Referrers")."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from localcloud.api.oci.bodies import Reply
from localcloud.api.oci.endpoints import is_digest
from localcloud.api.oci.errors import OciError, digest_invalid, name_unknown
from localcloud.api.oci.manifests import OCI_INDEX
from localcloud.api.oci.repository import manifests_of
from localcloud.api.oci.requests import RegistryRequest
from localcloud.api.store import Resource


async def tags(visit: RegistryRequest) -> Reply:
    """In lexical order without regard to case; ``n`` tags after ``last``, with a link to the next ones."""
    if visit.repository.image is None:
        raise name_unknown(visit.name)
    names = sorted((tag["name"] for tag in visit.repository.tags()), key=_order)
    last, limit = visit.request.argument("last"), visit.request.argument("n")
    if last:
        names = [name for name in names if _order(name) > _order(last)]
    headers = {"Content-Type": "application/json"}
    if limit is not None:
        if not limit.isdecimal() or len(limit) > 9:
            raise OciError(400, "UNSUPPORTED", "n must be a number of tags")
        shown = names[: int(limit)]
        if shown and len(shown) < len(names):
            query = urlencode({"n": limit, "last": shown[-1]})
            headers["Link"] = f'<{visit.base}/tags/list?{query}>; rel="next"'
        names = shown
    return Reply(200, headers, _json({"name": visit.name, "tags": names}))


async def referrers(visit: RegistryRequest) -> Reply:
    """An index of the manifests about one, which need not be here; ``artifactType`` filters them."""
    digest = visit.values["digest"]
    if not is_digest(digest):
        raise digest_invalid({"digest": digest})
    image = visit.repository.image
    found = [item for item in manifests_of(visit.repository.store, image) if item["subject"] == digest] if image else []
    headers = {"Content-Type": OCI_INDEX}
    wanted = visit.request.argument("artifactType")
    if wanted:
        found = [item for item in found if item["artifact_type"] == wanted]
        headers["OCI-Filters-Applied"] = "artifactType"
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_descriptor(item) for item in found]}
    return Reply(200, headers, _json(index))


def _descriptor(manifest: Resource) -> dict[str, Any]:
    descriptor = {"mediaType": manifest["media_type"], "digest": manifest["digest"], "size": manifest["size"]}
    if manifest["artifact_type"]:
        descriptor["artifactType"] = manifest["artifact_type"]
    if manifest["annotations"]:
        descriptor["annotations"] = manifest["annotations"]
    return descriptor


def _order(name: str) -> tuple[str, str]:
    return name.lower(), name


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
