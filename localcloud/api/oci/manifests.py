"""Parses manifests: OCI image manifests and indexes (Image Spec 1.1), Docker schema 2 manifests and lists."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from localcloud.api.oci.errors import OciError, manifest_invalid
from localcloud.api.oci.paths import is_digest

MAX_BYTES = 4 * 1024 * 1024
"""Maximum size of a manifest: the minimum that registries should support (spec: "Pushing manifests")."""

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_IMAGES = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_INDEXES = (OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_FOREIGN = ("nondistributable", "foreign.diff")
"""Substrings in the media types of layers that may be stored elsewhere."""


@dataclass(frozen=True)
class Descriptor:
    """A reference to content (Image Spec, "Content Descriptors")."""

    media_type: str
    digest: str
    size: int
    """Size of the content in bytes."""
    is_foreign: bool = False
    """Whether the content may be stored elsewhere."""


@dataclass(frozen=True)
class Manifest:
    media_type: str
    digest: str
    size: int
    """Size of the manifest itself, in bytes."""
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    subject: str | None = None
    """Digest of the manifest that this manifest refers to."""
    artifact_type: str = ""
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        return (self.config, *self.layers) if self.config else self.layers


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def parse(content: bytes, content_type: str) -> Manifest:
    """Parse a pushed manifest. Raises ``MANIFEST_INVALID``."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise manifest_invalid("it is not valid JSON") from error
    if not isinstance(document, dict):
        raise manifest_invalid("it is not a JSON object")
    if document.get("schemaVersion") != 2:
        raise manifest_invalid("schemaVersion must be 2")
    media_type = _media_type(document, content_type.partition(";")[0].strip())
    digest, size = digest_of(content), len(content)
    subject = _descriptor(document["subject"], "subject").digest if "subject" in document else None
    annotations = _annotations(document)
    artifact_type = _string(document, "artifactType")
    if media_type in _INDEXES:
        manifests = _descriptors(document, "manifests")
        return Manifest(media_type, digest, size, None, (), manifests, subject, artifact_type, annotations)
    config = _descriptor(document.get("config"), "config")
    layers = _descriptors(document, "layers")
    return Manifest(
        media_type, digest, size, config, layers, (), subject, artifact_type or config.media_type, annotations
    )


def _media_type(document: dict[str, Any], header: str) -> str:
    own_type = _string(document, "mediaType")
    if own_type and header and own_type != header:
        raise manifest_invalid(f"its mediaType is {own_type}, but the request's Content-Type is {header}")
    media_type = header or own_type
    if media_type not in (*_IMAGES, *_INDEXES):
        raise manifest_invalid(f"unknown media type {media_type or '(none)'}")
    if (media_type in _IMAGES) == ("manifests" in document):
        raise manifest_invalid(f"its fields do not match {media_type}")
    return media_type


def _string(document: dict[str, Any], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str):
        raise manifest_invalid(f"{name} must be a string")
    return value


def _annotations(document: dict[str, Any]) -> dict[str, str]:
    annotations = document.get("annotations") or {}
    if not isinstance(annotations, dict) or not all(isinstance(value, str) for value in annotations.values()):
        raise manifest_invalid("annotations must be strings")
    return annotations


def _descriptors(document: dict[str, Any], name: str) -> tuple[Descriptor, ...]:
    items = document.get(name)
    if not isinstance(items, list):
        raise manifest_invalid(f"{name} must be a list")
    return tuple(_descriptor(item, f"{name}[{number}]") for number, item in enumerate(items))


def _descriptor(value: Any, place: str) -> Descriptor:
    match value:
        case {"mediaType": str(media_type), "digest": str(digest), "size": int(size)} if size >= 0:
            if not is_digest(digest):
                raise OciError(
                    400, "DIGEST_INVALID", "a digest must be sha256: followed by 64 hexadecimal digits", place
                )
            is_foreign = bool(value.get("urls")) and any(word in media_type for word in _FOREIGN)
            return Descriptor(media_type, digest, size, is_foreign)
    raise manifest_invalid(f"{place} must have mediaType, digest and size")
