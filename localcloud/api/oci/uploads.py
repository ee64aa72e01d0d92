"""Blobs on their way. An upload lives as long as the process; what a dead one left is swept at the next start."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from localcloud.api.oci.blobs import Blobs
from localcloud.api.oci.errors import OciError, digest_invalid, upload_unknown

IDLE_SECONDS = 24 * 3_600
"""After so long without a request an upload is given up."""


class Upload:
    """One file that grows; its digest is computed on the way."""

    def __init__(self, id: str, repository: str, path: Path, now: float) -> None:
        self.id = id
        self.repository = repository
        self.path = path
        self.size = 0
        """Bytes so far."""
        self.touched = now
        self._hash = hashlib.sha256()
        self._busy = False
        path.touch()

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One request at a time may write. Raises ``BLOB_UPLOAD_INVALID``."""
        if self._busy:
            raise OciError(409, "BLOB_UPLOAD_INVALID", "another request writes to this upload")
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    async def append(self, chunks: AsyncIterator[bytes]) -> None:
        """Add what arrives; if the client goes away, what it sent stays. Raises ``OSError`` for a full disk."""
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
    """All that are on their way."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._uploads: dict[str, Upload] = {}

    def begin(self, repository: str, now: float) -> Upload:
        for old in [upload for upload in self._uploads.values() if now - upload.touched > IDLE_SECONDS]:
            self.cancel(old)
        id = str(uuid4())
        upload = self._uploads[id] = Upload(id, repository, self._blobs.uploads / id, now)
        return upload

    def find(self, id: str, repository: str, now: float) -> Upload:
        """Raises ``BLOB_UPLOAD_UNKNOWN``, also for another repository's."""
        upload = self._uploads.get(id)
        if upload is None or upload.repository != repository:
            raise upload_unknown()
        upload.touched = now
        return upload

    def cancel(self, upload: Upload) -> None:
        self._uploads.pop(upload.id, None)
        upload.path.unlink(missing_ok=True)

    def finish(self, upload: Upload, digest: str) -> None:
        """Make it a blob. Raises ``DIGEST_INVALID``, after which the upload is gone."""
        if upload.digest != digest:
            self.cancel(upload)
            raise digest_invalid({"digest": digest, "received": upload.digest})
        self._uploads.pop(upload.id, None)
        try:
            self._blobs.adopt(upload.path, digest)
        except FileNotFoundError as error:
            raise upload_unknown() from error

    def clear(self) -> None:
        for upload in list(self._uploads.values()):
            self.cancel(upload)
