"""Namespaces, images and tags, and their request bodies."""

from __future__ import annotations

from typing import Any

from localcloud.api.collection import Collection
from localcloud.api.oci.repository import IMAGES, NAMESPACES, TAGS
from localcloud.api.request import ApiRequest
from localcloud.api.store import Resource
from localcloud.api.transitions import visible
from localcloud.api.validation import Body, Boolean, EnumField, Text, Uuid


def _show_namespace(request: ApiRequest, namespace: Resource) -> dict[str, Any]:
    contained = [image for image in request.store.all(IMAGES) if image["namespace_id"] == namespace["id"]]
    return {
        **visible(namespace, request.now),
        "endpoint": f"localhost:{request.cloud.port}/{namespace['name']}",
        "image_count": len(contained),
        "size": sum(image["size"] for image in contained),
    }


def _show_image(request: ApiRequest, image: Resource) -> dict[str, Any]:
    names = [tag["name"] for tag in request.store.all(TAGS) if tag["image_id"] == image["id"]]
    return {**visible(image, request.now), "tags": names}


namespaces = Collection(
    NAMESPACES,
    "namespace",
    "namespaces",
    {"name": "name", "project_id": "project_id", "organization_id": "organization_id"},
    show=_show_namespace,
)
images = Collection(
    IMAGES,
    "image",
    "images",
    {"name": "name", "namespace_id": "namespace_id", "project_id": "_project"},
    show=_show_image,
)
tags = Collection(TAGS, "tag", "tags", {"name": "name"})

NAMESPACE = Body(
    name=Text(
        required=True,
        max_length=63,
        pattern=r"[a-z0-9]+([._-][a-z0-9]+)*",
        message="must consist of lower-case letters and digits, separated by single periods, underscores or hyphens",
    ),
    description=Text(),
    project_id=Uuid(),
    is_public=Boolean(),
)
NAMESPACE_CHANGE = Body(description=Text(), is_public=Boolean())
IMAGE_CHANGE = Body(visibility=EnumField(values=("inherit", "public", "private")))
