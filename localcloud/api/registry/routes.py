"""``/registry/v1``. Images and tags come from pushes to the OCI registry; this API lists and deletes them."""

from __future__ import annotations

from typing import Any

from localcloud.api.call import Call
from localcloud.api.cloud import ORGANIZATION_ID
from localcloud.api.collection import Collection
from localcloud.api.errors import already_exists
from localcloud.api.fields import Body, Boolean, Text, Uuid, Word
from localcloud.api.oci import removal
from localcloud.api.routing import Answer, Routes
from localcloud.api.store import Resource
from localcloud.api.transitions import visible

routes = Routes("/registry/v1/regions/{region}", product="registry")


def _show_namespace(call: Call, namespace: Resource) -> dict[str, Any]:
    held = [image for image in call.store.all("registry.image") if image["namespace_id"] == namespace["id"]]
    return {
        **visible(namespace, call.now),
        "endpoint": f"localhost:{call.cloud.port}/{namespace['name']}",
        "image_count": len(held),
        "size": sum(image["size"] for image in held),
    }


def _show_image(call: Call, image: Resource) -> dict[str, Any]:
    names = [tag["name"] for tag in call.store.all("registry.tag") if tag["image_id"] == image["id"]]
    return {**visible(image, call.now), "tags": names}


namespaces = Collection(
    "registry.namespace",
    "namespace",
    "namespaces",
    {"name": "name", "project_id": "project_id", "organization_id": "organization_id"},
    show=_show_namespace,
)
images = Collection(
    "registry.image",
    "image",
    "images",
    {"name": "name", "namespace_id": "namespace_id", "project_id": "_project"},
    show=_show_image,
)
tags = Collection("registry.tag", "tag", "tags", {"name": "name"})

NAMESPACE = Body(
    name=Text(
        required=True,
        longest=63,
        pattern=r"[a-z0-9]+([._-][a-z0-9]+)*",
        meaning="must be lower-case letters and digits, with single - . _ between them",
    ),
    description=Text(),
    project_id=Uuid(),
    is_public=Boolean(),
)
NAMESPACE_CHANGE = Body(description=Text(), is_public=Boolean())
IMAGE_CHANGE = Body(visibility=Word(words=("inherit", "public", "private")))


@routes("POST", "/namespaces", "namespace")
def create_namespace(call: Call) -> Answer:
    values = NAMESPACE.create(call.body)
    project = call.project(values["project_id"])
    for other in namespaces.every(call, name=values["name"], _region=call.region):
        raise already_exists("namespace", other["id"], "the name is taken in this region")
    values |= {
        "project_id": project,
        "organization_id": ORGANIZATION_ID,
        "region": call.region,
        "status": "ready",
        "status_message": "",
    }
    return namespaces.show(call, namespaces.add(call, values, project=project))


@routes("GET", "/namespaces", "namespace")
def list_namespaces(call: Call) -> Answer:
    return namespaces.list(call)


@routes("GET", "/namespaces/{id}", "namespace")
def get_namespace(call: Call) -> Answer:
    return namespaces.show(call, namespaces.find(call, call.id))


@routes("PATCH", "/namespaces/{id}", "namespace")
def update_namespace(call: Call) -> Answer:
    namespace = namespaces.find_stable(call, call.id)
    return namespaces.show(call, namespaces.change(call, namespace, NAMESPACE_CHANGE.update(call.body)))


@routes("DELETE", "/namespaces/{id}", "namespace")
def delete_namespace(call: Call) -> Answer:
    """The images in it go with it, as on the platform."""
    namespace = namespaces.find(call, call.id)
    removal.remove_namespace(call.store, namespace)
    return namespaces.show(call, namespaces.retire(call, namespace))


@routes("GET", "/images", "image")
def list_images(call: Call) -> Answer:
    return images.list(call)


@routes("GET", "/images/{id}", "image")
def get_image(call: Call) -> Answer:
    return images.show(call, images.find(call, call.id))


@routes("PATCH", "/images/{id}", "image")
def update_image(call: Call) -> Answer:
    image = images.find(call, call.id)
    return images.show(call, images.change(call, image, IMAGE_CHANGE.update(call.body)))


@routes("DELETE", "/images/{id}", "image")
def delete_image(call: Call) -> Answer:
    image = images.find(call, call.id)
    answer = images.show(call, image)
    removal.remove_image(call.store, image)
    return {**answer, "status": "deleting"}


@routes("GET", "/images/{id}/tags", "tag")
def list_tags(call: Call) -> Answer:
    image = images.find(call, call.id)
    return tags.list(call, image_id=image["id"])


@routes("GET", "/tags/{id}", "tag")
def get_tag(call: Call) -> Answer:
    return tags.show(call, tags.find(call, call.id))


@routes("DELETE", "/tags/{id}", "tag")
def delete_tag(call: Call) -> Answer:
    tag = tags.find(call, call.id)
    removal.remove_tag(call.store, tag)
    return {**tags.show(call, tag), "status": "deleting"}
