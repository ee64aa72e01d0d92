"""Copies images between repositories by digest, without Docker, and transfers only missing blobs and manifests."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import ParamSpec, TypeVar

from infra.settings import Image
from ops.images.registry import Manifest, RegistryError, Repository

P = ParamSpec("P")
T = TypeVar("T")
OnBytes = Callable[[int, int], None]
"""Called with the number of bytes copied and the total size of the missing blobs."""

_PARALLEL = 4
_ATTEMPTS = 4
_RETRY_SECONDS = 0.5
_LONGEST_TAG = 128
_DIGITS = 12
"""Number of a digest's hexadecimal digits in a tag."""


@dataclass(frozen=True)
class CopyStatistics:
    """The number of bytes that a copy transferred."""

    sent: int
    """Bytes of blobs and manifests that passed through this machine."""
    mounted: int
    """Bytes of blobs that the registry mounted from another repository."""


class Copier:
    """Copies images from one repository to another.

    Skips blobs and manifests that already exist, so a copy can be resumed.
    """

    def __init__(
        self,
        source: Repository,
        target: Repository,
        *,
        on_bytes: OnBytes = lambda _done, _all: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._target = target
        # Blobs can be mounted only within one registry.
        self._origin = source if source.host == target.host else None
        self._on_bytes = on_bytes
        self._sleep = sleep
        self._lock = Lock()
        self._stopped = False
        self._sent = self._mounted = self._done = self._all = 0

    def copy(self, image: Image) -> CopyStatistics:
        """Copy the image under its digest and version, and verify the result by reading it back.

        Raises RegistryError if a blob or manifest is missing from the source, or if a registry fails permanently or
        returns corrupt content.
        """
        manifests = self._manifests(image.digest)
        blobs: dict[str, int] = {}
        for manifest in manifests:
            blobs |= manifest.blobs
        with ThreadPoolExecutor(_PARALLEL) as pool:
            missing = [
                digest
                for digest, is_there in zip(blobs, pool.map(self._has, blobs.items()), strict=True)
                if not is_there
            ]
            self._all = sum(blobs[digest] for digest in missing)
            copies = [pool.submit(self._retry, self._copy_blob, digest, blobs[digest]) for digest in missing]
            try:
                for copy in copies:
                    copy.result()
            except BaseException:
                self._stopped = True
                pool.shutdown(cancel_futures=True)
                raise
        for manifest in manifests:
            self._retry(self._put, manifest, manifest.digest)
        self._retry(self._name, manifests[-1], image.version)
        return CopyStatistics(self._sent, self._mounted)

    # --- manifests --------------------------------------------------------------------------------------

    def _manifests(self, digest: str) -> list[Manifest]:
        """A manifest and all manifests that it references, children first."""
        manifests: dict[str, Manifest] = {}

        def collect(digest: str) -> None:
            if digest in manifests:
                return
            manifest = self._retry(self._source.manifest, digest)
            if manifest is None:
                raise RegistryError(f"{self._source.name} does not have {digest}")
            for child in manifest.children:
                collect(child)
            manifests[digest] = manifest

        collect(digest)
        return [*manifests.values()]

    def _put(self, manifest: Manifest, reference: str) -> None:
        if self._target.digest_of(reference) != manifest.digest:
            self._target.put_manifest(manifest, reference)
            with self._lock:
                self._sent += len(manifest.content)
        written = self._target.manifest(reference)
        if written is None or written.content != manifest.content:
            actual = "nothing" if written is None else written.digest
            raise RegistryError(
                f"{self._target.name} returned {actual} for {reference} after {manifest.digest} was uploaded"
            )

    def _name(self, manifest: Manifest, version: str) -> None:
        """Tag the image. A tag of another image is not moved, because that image may be in use."""
        existing = self._target.digest_of(version)
        if existing not in (None, manifest.digest):
            digits = manifest.digest.removeprefix("sha256:")[:_DIGITS]
            version = f"{version[: _LONGEST_TAG - _DIGITS - 1]}-{digits}"
        self._put(manifest, version)

    # --- blobs ------------------------------------------------------------------------------------------

    def _has(self, blob: tuple[str, int]) -> bool:
        digest, size = blob
        return self._retry(self._target.blob_size, digest) in (size, -1)

    def _copy_blob(self, digest: str, size: int) -> None:
        location = self._target.begin_upload(digest, self._origin)
        if location is None:
            self._count(size, mounted=size)
            return
        total = 0

        def count(received: int) -> None:
            nonlocal total
            if self._stopped:
                raise RegistryError("cancelled")
            total += received
            self._count(received, sent=received)

        try:
            with self._source.blob(digest) as parts:
                self._target.finish_upload(location, digest, _Body(parts, digest, size, self._source.name, count))
        except BaseException:
            self._count(-total)
            raise
        if self._target.blob_size(digest) not in (size, -1):
            raise RegistryError(f"{self._target.name} does not contain blob {digest} after its upload", transient=True)

    def _count(self, done: int, *, sent: int = 0, mounted: int = 0) -> None:
        with self._lock:
            self._done += done
            self._sent += sent
            self._mounted += mounted
            self._on_bytes(self._done, self._all)

    def _retry(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Retry transient failures. Raises RegistryError."""
        for attempt in range(_ATTEMPTS):
            try:
                return work(*arguments, **named)
            except RegistryError as error:
                if not error.transient or attempt == _ATTEMPTS - 1:
                    raise
            except OSError as error:  # includes errors of requests
                if attempt == _ATTEMPTS - 1:
                    raise RegistryError(
                        f"{self._source.name} → {self._target.name}: interrupted {_ATTEMPTS} times "
                        f"({type(error).__name__})"
                    ) from None
            self._sleep(_RETRY_SECONDS * 2**attempt)
        raise AssertionError("unreachable")


class _Body:
    """A request body that verifies a blob's digest while the blob is sent."""

    def __init__(
        self, parts: Iterator[bytes], digest: str, size: int, source: str, on_received: Callable[[int], None]
    ) -> None:
        self.len = size
        self._parts = parts
        self._digest = digest
        self._source = source
        self._on_received = on_received
        self._hash = hashlib.sha256()
        self._received = 0

    def __iter__(self) -> Iterator[bytes]:
        while part := self.read():
            yield part

    def read(self, _size: int = -1, /) -> bytes:
        """The next chunk, of any size.

        Raises RegistryError if the content has a different size or digest than the blob.
        """
        part = next((part for part in self._parts if part), b"")
        self._hash.update(part)
        self._received += len(part)
        self._on_received(len(part))
        wrong_end = not part and f"sha256:{self._hash.hexdigest()}" != self._digest
        if wrong_end or self._received > self.len:
            raise RegistryError(f"{self._source} returned wrong content for blob {self._digest}", transient=True)
        return part
