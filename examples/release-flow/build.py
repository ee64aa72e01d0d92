"""Pushes an image of each app in the practice project to an environment's registry, instead of building it with Docker.

Each image has a single layer with the app's folder. It gets the same tag as `snu images build` would give it, so that
command finds the image in the registry and builds nothing.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from infra.images.working_copy import WorkingCopy
from ops.errors import OpsError
from ops.images.registry import Manifest, Repository
from ops.images.stack_images import StackImages

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class _Blob(io.BytesIO):
    """Content with a length, so that it is uploaded in one request."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.len = len(content)


def main() -> None:
    parser = argparse.ArgumentParser(prog="./build", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("project", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("stack", help="stack whose registry gets the images, such as ci")
    options = parser.parse_args()
    stack = StackImages.find(options.project, options.stack, {})
    working_copy = WorkingCopy(options.project)
    for app in working_copy.versions.images:
        version = working_copy.inputs(app).version
        repository = Repository(f"{stack.registry}/{app}", stack.secret_key)
        if repository.digest_of(version) is None:
            push(repository, version, options.project / "code" / app)
            print(f"{app} {version}: pushed to {stack.registry}")
        else:
            print(f"{app} {version}: already in {stack.registry}")


def push(repository: Repository, tag: str, folder: Path) -> None:
    config, layer = b"{}", _layer(folder)
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _upload(repository, config, _CONFIG),
        "layers": [_upload(repository, layer, _LAYER)],
    }
    content = json.dumps(manifest).encode()
    repository.put_manifest(Manifest(_digest(content), _MANIFEST, content), tag)


def _upload(repository: Repository, content: bytes, media_type: str) -> dict[str, Any]:
    digest = _digest(content)
    if repository.blob_size(digest) is None:
        location = repository.begin_upload(digest, None)
        assert location is not None, "only a mounted blob has no upload location"
        repository.finish_upload(location, digest, _Blob(content))
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _layer(folder: Path) -> bytes:
    """The folder's files as a compressed tar archive; the same content always produces the same bytes."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(entry, file)
    return gzip.compress(archive.getvalue(), mtime=0)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


if __name__ == "__main__":
    try:
        main()
    except OpsError as error:
        raise SystemExit(f"error: {error}") from None
