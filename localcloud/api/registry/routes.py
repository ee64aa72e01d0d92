"""``/registry/v1``. Images and tags come from pushes to the OCI registry; this API lists and deletes them."""

from __future__ import annotations

from localcloud.api.errors import already_exists
from localcloud.api.oci import removal
from localcloud.api.registry.schemas import IMAGE_CHANGE, NAMESPACE, NAMESPACE_CHANGE, images, namespaces, tags
from localcloud.api.request import ApiRequest
from localcloud.api.routing import Answer, Routes

routes = Routes("/registry/v1/regions/{region}", product="registry")


@routes("POST", "/namespaces", "namespace")
def create_namespace(call: ApiRequest) -> Answer:
    values = NAMESPACE.create(call.body)
    project = call.project(values["project_id"])
    for other in namespaces.every(call, name=values["name"], _region=call.region):
        raise already_exists("namespace", other["id"], "the name is taken in this region")
    values |= {
        "project_id": project,
        "organization_id": call.organization_id,
        "region": call.region,
        "status": "ready",
        "status_message": "",
    }
    return namespaces.show(call, namespaces.add(call, values, project=project))


@routes("GET", "/namespaces", "namespace")
def list_namespaces(call: ApiRequest) -> Answer:
    return namespaces.list(call)


@routes("GET", "/namespaces/{id}", "namespace")
def get_namespace(call: ApiRequest) -> Answer:
    return namespaces.show(call, namespaces.find(call, call.id))


@routes("PATCH", "/namespaces/{id}", "namespace")
def update_namespace(call: ApiRequest) -> Answer:
    namespace = namespaces.find_stable(call, call.id)
    return namespaces.show(call, namespaces.change(call, namespace, NAMESPACE_CHANGE.update(call.body)))


@routes("DELETE", "/namespaces/{id}", "namespace")
def delete_namespace(call: ApiRequest) -> Answer:
    """The images in it go with it, as on the platform."""
    namespace = namespaces.find(call, call.id)
    removal.remove_namespace(call.store, namespace)
    return namespaces.show(call, namespaces.retire(call, namespace))


@routes("GET", "/images", "image")
def list_images(call: ApiRequest) -> Answer:
    return images.list(call)


@routes("GET", "/images/{id}", "image")
def get_image(call: ApiRequest) -> Answer:
    return images.show(call, images.find(call, call.id))


@routes("PATCH", "/images/{id}", "image")
def update_image(call: ApiRequest) -> Answer:
    image = images.find(call, call.id)
    return images.show(call, images.change(call, image, IMAGE_CHANGE.update(call.body)))


@routes("DELETE", "/images/{id}", "image")
def delete_image(call: ApiRequest) -> Answer:
    image = images.find(call, call.id)
    answer = images.show(call, image)
    removal.remove_image(call.store, image)
    return {**answer, "status": "deleting"}


@routes("GET", "/images/{id}/tags", "tag")
def list_tags(call: ApiRequest) -> Answer:
    image = images.find(call, call.id)
    return tags.list(call, image_id=image["id"])


@routes("GET", "/tags/{id}", "tag")
def get_tag(call: ApiRequest) -> Answer:
    return tags.show(call, tags.find(call, call.id))


@routes("DELETE", "/tags/{id}", "tag")
def delete_tag(call: ApiRequest) -> Answer:
    tag = tags.find(call, call.id)
    removal.remove_tag(call.store, tag)
    return {**tags.show(call, tag), "status": "deleting"}
