"""``/registry/v1``. Images and tags are created by pushing to the OCI registry. This API lists and deletes them."""

from __future__ import annotations

from localcloud.api.errors import already_exists
from localcloud.api.oci import removal
from localcloud.api.registry.schemas import IMAGE_CHANGE, NAMESPACE, NAMESPACE_CHANGE, images, namespaces, tags
from localcloud.api.request import ApiRequest
from localcloud.api.routing import ResponseBody, Routes

routes = Routes("/registry/v1/regions/{region}", product="registry")


@routes("POST", "/namespaces", "namespace")
def create_namespace(request: ApiRequest) -> ResponseBody:
    values = NAMESPACE.create(request.body)
    project = request.project(values["project_id"])
    for other in namespaces.matching(request, name=values["name"], _region=request.region):
        raise already_exists("namespace", other["id"], "the name is already in use in this region")
    values |= {
        "project_id": project,
        "organization_id": request.organization_id,
        "region": request.region,
        "status": "ready",
        "status_message": "",
    }
    return namespaces.show(request, namespaces.add(request, values, project=project))


@routes("GET", "/namespaces", "namespace")
def list_namespaces(request: ApiRequest) -> ResponseBody:
    return namespaces.list(request)


@routes("GET", "/namespaces/{id}", "namespace")
def get_namespace(request: ApiRequest) -> ResponseBody:
    return namespaces.show(request, namespaces.find(request, request.id))


@routes("PATCH", "/namespaces/{id}", "namespace")
def update_namespace(request: ApiRequest) -> ResponseBody:
    namespace = namespaces.find_stable(request, request.id)
    return namespaces.show(request, namespaces.change(request, namespace, NAMESPACE_CHANGE.update(request.body)))


@routes("DELETE", "/namespaces/{id}", "namespace")
def delete_namespace(request: ApiRequest) -> ResponseBody:
    """Also deletes the namespace's images, as on the platform."""
    namespace = namespaces.find(request, request.id)
    removal.remove_namespace(request.store, namespace)
    return namespaces.show(request, namespaces.begin_deletion(request, namespace))


@routes("GET", "/images", "image")
def list_images(request: ApiRequest) -> ResponseBody:
    return images.list(request)


@routes("GET", "/images/{id}", "image")
def get_image(request: ApiRequest) -> ResponseBody:
    return images.show(request, images.find(request, request.id))


@routes("PATCH", "/images/{id}", "image")
def update_image(request: ApiRequest) -> ResponseBody:
    image = images.find(request, request.id)
    return images.show(request, images.change(request, image, IMAGE_CHANGE.update(request.body)))


@routes("DELETE", "/images/{id}", "image")
def delete_image(request: ApiRequest) -> ResponseBody:
    image = images.find(request, request.id)
    response = images.show(request, image)
    removal.remove_image(request.store, image)
    return {**response, "status": "deleting"}


@routes("GET", "/images/{id}/tags", "tag")
def list_tags(request: ApiRequest) -> ResponseBody:
    image = images.find(request, request.id)
    return tags.list(request, image_id=image["id"])


@routes("GET", "/tags/{id}", "tag")
def get_tag(request: ApiRequest) -> ResponseBody:
    return tags.show(request, tags.find(request, request.id))


@routes("DELETE", "/tags/{id}", "tag")
def delete_tag(request: ApiRequest) -> ResponseBody:
    tag = tags.find(request, request.id)
    removal.remove_tag(request.store, tag)
    return {**tags.show(request, tag), "status": "deleting"}
