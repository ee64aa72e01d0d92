"""What goes with what is deleted.

A manifest goes with its last tag, unless an index holds it; with a manifest go the tags that lead to it, and the
untagged manifests that only it holds (children of an index) or that are about it (referrers). Blobs go with the last
manifest that refers to them. Their files are marked in the same transaction, and removed once it is written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress

from localcloud.api.oci.blobs import Blobs
from localcloud.api.oci.repository import IMAGES, LINKS, MANIFESTS, NAMESPACES, TAGS, image_size, manifests_of
from localcloud.api.store import Resource, Store

GARBAGE = "hidden.registry.garbage"
"""Kind: digest of a blob whose file may be of no use any more."""

_PENDING_SECONDS = 24 * 3_600
"""After so long a blob that no manifest refers to is given up at the next start."""


def remove_tag(store: Store, tag: Resource) -> None:
    """Delete a tag, and its manifest if nothing else holds it."""
    store.delete(TAGS, tag["id"])
    image = store.get(IMAGES, tag["image_id"])
    if image is not None and not _is_held(store, image, tag["digest"]):
        remove_manifests(store, image, [tag["digest"]])


def remove_manifests(store: Store, image: Resource, digests: Iterable[str]) -> None:
    """Delete manifests of an image; those that are not there are left out."""
    left = list(digests)
    blobs: set[str] = set()
    while left:
        digest = left.pop()
        manifest = store.get(MANIFESTS, f"{image['id']}@{digest}")
        if manifest is None:
            continue
        for tag in [tag for tag in store.all(TAGS) if tag["image_id"] == image["id"] and tag["digest"] == digest]:
            store.delete(TAGS, tag["id"])
        store.delete(MANIFESTS, manifest["id"])
        _mark(store, digest)
        blobs.update(manifest["blobs"])
        followers = [other["digest"] for other in manifests_of(store, image) if other["subject"] == digest]
        left += [other for other in (*manifest["manifests"], *followers) if not _is_held(store, image, other)]
    used = {blob for manifest in manifests_of(store, image) for blob in manifest["blobs"]}
    for blob in blobs - used:
        link = store.get(LINKS, f"{_repository(image)}@{blob}")
        if link is not None and not link["pending"]:
            remove_link(store, link)
    store.put(IMAGES, image["id"], {**image, "size": image_size(store, image)})


def remove_image(store: Store, image: Resource) -> None:
    """Delete an image with all that it holds."""
    remove_manifests(store, image, [manifest["digest"] for manifest in manifests_of(store, image)])
    for link in [link for link in store.all(LINKS) if link["repository"] == _repository(image)]:
        remove_link(store, link)
    store.delete(IMAGES, image["id"])


def remove_namespace(store: Store, namespace: Resource) -> None:
    """Delete what a namespace holds; not the namespace itself."""
    for image in [image for image in store.all(IMAGES) if image["namespace_id"] == namespace["id"]]:
        remove_image(store, image)
    for link in [link for link in store.all(LINKS) if link["repository"].startswith(f"{namespace['id']}/")]:
        remove_link(store, link)


def remove_link(store: Store, link: Resource) -> None:
    """A repository holds a blob no longer."""
    store.delete(LINKS, link["id"])
    _mark(store, link["digest"])


def collect(store: Store, blobs: Blobs) -> None:
    """Remove the files of marked blobs that no repository holds. To be called once the marks are written.

    What cannot be removed now is swept at the next start.
    """
    marked = [mark["id"] for mark in store.all(GARBAGE)]
    if not marked:
        return
    alive = _alive(store)
    for digest in marked:
        if digest not in alive:
            with suppress(OSError):
                blobs.remove(digest)
        store.delete(GARBAGE, digest)
    try:
        store.commit()
    except sqlite3.Error:
        store.rollback()


def sweep(store: Store, blobs: Blobs, now: float) -> None:
    """At start: remove what a killed process left, and what the files no longer have (after a loss of power)."""
    blobs.drop_uploads()
    for link in list(store.all(LINKS)):
        is_stale = link["pending"] and now - link["at"] > _PENDING_SECONDS
        is_orphan = store.get(NAMESPACES, link["repository"].partition("/")[0]) is None
        if is_stale or is_orphan or blobs.size(link["digest"]) != link["size"]:
            remove_link(store, link)
    for manifest in list(store.all(MANIFESTS)):
        image = store.get(IMAGES, manifest["image_id"])
        if blobs.size(manifest["digest"]) != manifest["size"] and image is not None:
            remove_manifests(store, image, [manifest["digest"]])
    store.commit()
    collect(store, blobs)
    alive = _alive(store)
    for digest in [digest for digest in blobs.all() if digest not in alive]:
        blobs.remove(digest)


def _is_held(store: Store, image: Resource, digest: str) -> bool:
    """Whether a tag or an index of the image leads to the manifest."""
    return any(tag["image_id"] == image["id"] and tag["digest"] == digest for tag in store.all(TAGS)) or any(
        digest in manifest["manifests"] for manifest in manifests_of(store, image)
    )


def _repository(image: Resource) -> str:
    return f"{image['namespace_id']}/{image['name']}"


def _mark(store: Store, digest: str) -> None:
    store.put(GARBAGE, digest, {"id": digest})


def _alive(store: Store) -> set[str]:
    return {link["digest"] for link in store.all(LINKS)} | {manifest["digest"] for manifest in store.all(MANIFESTS)}
