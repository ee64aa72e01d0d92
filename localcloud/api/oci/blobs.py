"""Blob files, stored by content digest. Repositories that contain the same blob share a file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_ALGORITHM = "sha256"


class Blobs:
    """Complete files in ``<folder>/blobs/sha256/<hex>``, and unfinished ones in ``<folder>/uploads``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blobs = folder / "blobs" / _ALGORITHM
        self.uploads = folder / "uploads"
        self._create_folders()

    def path(self, digest: str) -> Path:
        return self._blobs / digest.removeprefix(f"{_ALGORITHM}:")

    def size(self, digest: str) -> int | None:
        """Size in bytes. None if the blob does not exist."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def open(self, digest: str) -> IO[bytes]:
        """Open for reading. The file remains readable even if the blob is deleted. Raises ``FileNotFoundError``."""
        return self.path(digest).open("rb", buffering=0)

    def move_in(self, file: Path, digest: str) -> None:
        """Move a complete file here atomically. Raises ``FileNotFoundError`` if it no longer exists."""
        file.replace(self.path(digest))

    def write(self, digest: str, content: bytes) -> None:
        """Store a small blob."""
        draft = self.uploads / f"{digest.removeprefix(f'{_ALGORITHM}:')}.draft"
        draft.write_bytes(content)
        self.move_in(draft, digest)

    def remove(self, digest: str) -> None:
        self.path(digest).unlink(missing_ok=True)

    def all(self) -> Iterator[str]:
        for path in self._blobs.iterdir():
            yield f"{_ALGORITHM}:{path.name}"

    def drop_uploads(self) -> None:
        """Remove unfinished files."""
        shutil.rmtree(self.uploads, ignore_errors=True)
        self._create_folders()

    def clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._create_folders()

    def _create_folders(self) -> None:
        self._blobs.mkdir(parents=True, exist_ok=True)
        self.uploads.mkdir(parents=True, exist_ok=True)
