"""Unfinished uploads. A restart discards them and removes their files."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from localcloud.api.oci.blobs import Blobs
from localcloud.api.oci.errors import OciError, digest_invalid, upload_unknown

IDLE_SECONDS = 24 * 3_600
"""Seconds without requests after which an upload expires."""


class Upload:
    """A growing file and its digest so far."""

    def __init__(self, id: str, repository: str, path: Path, now: float) -> None:
        self.id = id
        self.repository = repository
        self.path = path
        self.size = 0
        """Size so far, in bytes."""
        self.last_used = now
        self._hash = hashlib.sha256()
        self._busy = False
        path.touch()

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Allow only one write request at a time. Raises ``BLOB_UPLOAD_INVALID``."""
        if self._busy:
            raise OciError(409, "BLOB_UPLOAD_INVALID", "another request is writing to this upload")
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    async def append(self, chunks: AsyncIterator[bytes]) -> None:
        """Append chunks, keeping them even if the client disconnects. Raises ``OSError`` if the disk is full."""
        if not self.path.exists():
            raise upload_unknown()
        with self.path.open("ab", buffering=0) as file:
            async for chunk in chunks:
                view = memoryview(chunk)
                while view:
                    view = view[file.write(view) :]
                self._hash.update(chunk)
                self.size += len(chunk)


class Uploads:
    """All unfinished uploads."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._uploads: dict[str, Upload] = {}

    def begin(self, repository: str, now: float) -> Upload:
        for old in [upload for upload in self._uploads.values() if now - upload.last_used > IDLE_SECONDS]:
            self.cancel(old)
        id = str(uuid4())
        upload = self._uploads[id] = Upload(id, repository, self._blobs.uploads / id, now)
        return upload

    def find(self, id: str, repository: str, now: float) -> Upload:
        """Find an upload to the repository. Raises ``BLOB_UPLOAD_UNKNOWN``."""
        upload = self._uploads.get(id)
        if upload is None or upload.repository != repository:
            raise upload_unknown()
        upload.last_used = now
        return upload

    def cancel(self, upload: Upload) -> None:
        self._uploads.pop(upload.id, None)
        upload.path.unlink(missing_ok=True)

    def finish(self, upload: Upload, digest: str) -> None:
        """Turn an upload into a blob. On a mismatch, cancels the upload and raises ``DIGEST_INVALID``."""
        if upload.digest != digest:
            self.cancel(upload)
            raise digest_invalid({"digest": digest, "received": upload.digest})
        self._uploads.pop(upload.id, None)
        try:
            self._blobs.move_in(upload.path, digest)
        except FileNotFoundError as error:
            raise upload_unknown() from error

    def clear(self) -> None:
        for upload in list(self._uploads.values()):
            self.cancel(upload)
