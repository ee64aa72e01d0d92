"""A repository's content in the store: images and tags, as exposed by the ``registry`` product, and manifests.

A *link* records that a repository has a blob. The link is *pending* until a manifest in the repository refers to the
blob. A pending link protects the blob from removal between its own upload and that of its manifest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from localcloud.api.oci.errors import manifest_blob_unknown, size_invalid
from localcloud.api.oci.manifests import Descriptor, Manifest
from localcloud.api.store import Resource, Store
from localcloud.api.timestamps import timestamp
from localcloud.api.transitions import is_deleting

NAMESPACES = "registry.namespace"
IMAGES = "registry.image"
TAGS = "registry.tag"
MANIFESTS = "hidden.registry.manifest"
"""Store kind that maps ``<image id>@<digest>`` to the parsed manifest."""
LINKS = "hidden.registry.link"
"""Store kind that maps ``<namespace id>/<image path>@<digest>`` to the blob's size."""


@dataclass(frozen=True)
class Repository:
    """An image path in a namespace, whether or not anything has been pushed to it."""

    store: Store
    namespace: Resource
    path: str

    @property
    def key(self) -> str:
        return f"{self.namespace['id']}/{self.path}"

    @property
    def exists(self) -> bool:
        """Whether the namespace still exists."""
        namespace = self.store.get(NAMESPACES, self.namespace["id"])
        return namespace is not None and not is_deleting(namespace)

    @property
    def image(self) -> Resource | None:
        """The image as exposed by the ``registry`` product. It exists once a manifest has been pushed."""
        for image in self.store.all(IMAGES):
            if image["name"] == self.path and image["namespace_id"] == self.namespace["id"]:
                return image
        return None

    def blob(self, digest: str) -> Resource | None:
        """The link to a blob."""
        return self.store.get(LINKS, f"{self.key}@{digest}")

    def link(self, digest: str, size: int, now: float, *, pending: bool = True) -> None:
        id = f"{self.key}@{digest}"
        link = {"id": id, "repository": self.key, "digest": digest, "size": size, "pending": pending, "at": now}
        self.store.put(LINKS, id, link)

    def tags(self) -> list[Resource]:
        image = self.image
        return [tag for tag in self.store.all(TAGS) if tag["image_id"] == image["id"]] if image else []

    def tag(self, name: str) -> Resource | None:
        return next((tag for tag in self.tags() if tag["name"] == name), None)

    def manifest(self, reference: str) -> Resource | None:
        """The manifest with this tag or digest."""
        image = self.image
        if image is None:
            return None
        if ":" not in reference:
            tag = self.tag(reference)
            if tag is None:
                return None
            reference = tag["digest"]
        return self.store.get(MANIFESTS, f"{image['id']}@{reference}")

    def check(self, manifest: Manifest) -> None:
        """Check that everything a manifest refers to exists. Raises ``MANIFEST_BLOB_UNKNOWN`` or ``SIZE_INVALID``."""
        for descriptor in manifest.blobs:
            if not descriptor.is_foreign:
                _check(descriptor, self.blob(descriptor.digest))
        for descriptor in manifest.manifests:
            _check(descriptor, self.manifest(descriptor.digest))

    def put(self, manifest: Manifest, tag: str | None, now: float) -> None:
        """Store a checked manifest and move ``tag`` to it. The first manifest creates the image."""
        moment = timestamp(now)
        image = self.image or self._new_image(moment)
        id = f"{image['id']}@{manifest.digest}"
        self.store.put(
            MANIFESTS,
            id,
            {
                "id": id,
                "image_id": image["id"],
                "digest": manifest.digest,
                "size": manifest.size,
                "media_type": manifest.media_type,
                "layers": {layer.digest: layer.size for layer in manifest.layers if not layer.is_foreign},
                "blobs": [blob.digest for blob in manifest.blobs if not blob.is_foreign],
                "manifests": [child.digest for child in manifest.manifests],
                "subject": manifest.subject,
                "artifact_type": manifest.artifact_type,
                "annotations": manifest.annotations,
            },
        )
        for digest in {blob.digest for blob in manifest.blobs}:
            link = self.blob(digest)
            if link is not None and link["pending"]:
                self.link(digest, link["size"], now, pending=False)
        if tag is not None:
            self._put_tag(image, tag, manifest.digest, moment)
        self.store.put(IMAGES, image["id"], {**image, "size": image_size(self.store, image), "updated_at": moment})

    def _new_image(self, moment: str) -> Resource:
        return {
            "id": str(uuid4()),
            "name": self.path,
            "namespace_id": self.namespace["id"],
            "status": "ready",
            "status_message": "",
            "visibility": "inherit",
            "size": 0,
            "created_at": moment,
            "updated_at": moment,
            **_owner_fields(self.namespace),
        }

    def _put_tag(self, image: Resource, name: str, digest: str, moment: str) -> None:
        tag = self.tag(name) or {
            "id": str(uuid4()),
            "name": name,
            "image_id": image["id"],
            "status": "ready",
            "created_at": moment,
            **_owner_fields(image),
        }
        self.store.put(TAGS, tag["id"], {**tag, "digest": digest, "updated_at": moment})


def find_namespace(store: Store, name: str) -> Resource | None:
    """Find a namespace by name. All regions share one address here, so the oldest namespace with that name is used."""
    for namespace in store.all(NAMESPACES):
        if namespace["name"] == name and not is_deleting(namespace):
            return namespace
    return None


def manifests_of(store: Store, image: Resource) -> Iterable[Resource]:
    return [manifest for manifest in store.all(MANIFESTS) if manifest["image_id"] == image["id"]]


def image_size(store: Store, image: Resource) -> int:
    """Total size of the image's layers in bytes. A layer shared by several tags counts once, as on the platform."""
    layers: dict[str, int] = {}
    for manifest in manifests_of(store, image):
        layers |= manifest["layers"]
    return sum(layers.values())


def _check(descriptor: Descriptor, existing: Resource | None) -> None:
    if existing is None:
        raise manifest_blob_unknown(descriptor.digest)
    if existing["size"] != descriptor.size:
        raise size_invalid({"digest": descriptor.digest, "size": descriptor.size, "held": existing["size"]})


def _owner_fields(resource: Resource) -> dict[str, Any]:
    """The internal fields ``_project`` and ``_region`` of the resource (see ``collection``)."""
    return {name: resource[name] for name in ("_project", "_region") if name in resource}
