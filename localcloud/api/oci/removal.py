"""Deletion of images, and garbage collection of their files.

Deleting the last tag of a manifest also deletes the manifest, unless an index refers to it. Deleting a manifest also
deletes its tags and two kinds of untagged manifests: those that only it refers to (children of an index) and those that
refer to it (referrers). Deleting the last manifest that refers to a blob also deletes the blob. Files are marked for
removal in the same transaction, and removed once it has been committed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress

from localcloud.api.oci.blobs import Blobs
from localcloud.api.oci.repository import IMAGES, LINKS, MANIFESTS, NAMESPACES, TAGS, image_size, manifests_of
from localcloud.api.store import Resource, Store

GARBAGE = "hidden.registry.garbage"
"""Store kind for the digests of blobs whose files may be unused."""

_PENDING_SECONDS = 24 * 3_600
"""Age after which a blob without a manifest is deleted at the next start."""


def remove_tag(store: Store, tag: Resource) -> None:
    """Delete a tag, and its manifest if nothing else refers to it."""
    store.delete(TAGS, tag["id"])
    image = store.get(IMAGES, tag["image_id"])
    if image is not None and not _is_referenced(store, image, tag["digest"]):
        remove_manifests(store, image, [tag["digest"]])


def remove_manifests(store: Store, image: Resource, digests: Iterable[str]) -> None:
    """Delete some of an image's manifests. Ignores unknown digests."""
    pending = list(digests)
    blobs: set[str] = set()
    while pending:
        digest = pending.pop()
        manifest = store.get(MANIFESTS, f"{image['id']}@{digest}")
        if manifest is None:
            continue
        for tag in [tag for tag in store.all(TAGS) if tag["image_id"] == image["id"] and tag["digest"] == digest]:
            store.delete(TAGS, tag["id"])
        store.delete(MANIFESTS, manifest["id"])
        _mark(store, digest)
        blobs.update(manifest["blobs"])
        referrers = [other["digest"] for other in manifests_of(store, image) if other["subject"] == digest]
        pending += [other for other in (*manifest["manifests"], *referrers) if not _is_referenced(store, image, other)]
    used = {blob for manifest in manifests_of(store, image) for blob in manifest["blobs"]}
    for blob in blobs - used:
        link = store.get(LINKS, f"{_repository(image)}@{blob}")
        if link is not None and not link["pending"]:
            remove_link(store, link)
    store.put(IMAGES, image["id"], {**image, "size": image_size(store, image)})


def remove_image(store: Store, image: Resource) -> None:
    """Delete an image and its content."""
    remove_manifests(store, image, [manifest["digest"] for manifest in manifests_of(store, image)])
    for link in [link for link in store.all(LINKS) if link["repository"] == _repository(image)]:
        remove_link(store, link)
    store.delete(IMAGES, image["id"])


def remove_namespace(store: Store, namespace: Resource) -> None:
    """Delete the content of a namespace, but not the namespace itself."""
    for image in [image for image in store.all(IMAGES) if image["namespace_id"] == namespace["id"]]:
        remove_image(store, image)
    for link in [link for link in store.all(LINKS) if link["repository"].startswith(f"{namespace['id']}/")]:
        remove_link(store, link)


def remove_link(store: Store, link: Resource) -> None:
    """Remove a blob from a repository."""
    store.delete(LINKS, link["id"])
    _mark(store, link["digest"])


def collect(store: Store, blobs: Blobs) -> None:
    """Remove the files of marked blobs that no repository uses. Call this once the marks have been committed.

    Files that cannot be removed now are removed at the next start.
    """
    marked = [mark["id"] for mark in store.all(GARBAGE)]
    if not marked:
        return
    used = _used_digests(store)
    for digest in marked:
        if digest not in used:
            with suppress(OSError):
                blobs.remove(digest)
        store.delete(GARBAGE, digest)
    try:
        store.commit()
    except sqlite3.Error:
        store.rollback()


def sweep(store: Store, blobs: Blobs, now: float) -> None:
    """On startup, remove files left by a killed process, and resources whose files were lost in a power failure."""
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
    used = _used_digests(store)
    for digest in [digest for digest in blobs.all() if digest not in used]:
        blobs.remove(digest)


def _is_referenced(store: Store, image: Resource, digest: str) -> bool:
    """Whether a tag or an index of the image refers to the manifest."""
    return any(tag["image_id"] == image["id"] and tag["digest"] == digest for tag in store.all(TAGS)) or any(
        digest in manifest["manifests"] for manifest in manifests_of(store, image)
    )


def _repository(image: Resource) -> str:
    return f"{image['namespace_id']}/{image['name']}"


def _mark(store: Store, digest: str) -> None:
    store.put(GARBAGE, digest, {"id": digest})


def _used_digests(store: Store) -> set[str]:
    return {link["digest"] for link in store.all(LINKS)} | {manifest["digest"] for manifest in store.all(MANIFESTS)}
