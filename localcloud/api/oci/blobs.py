"""Files by the digest of their content. One file serves all repositories that hold the blob."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_ALGORITHM = "sha256"


class Blobs:
    """``<folder>/blobs/sha256/<hex>``, and ``<folder>/uploads`` for what is not whole yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blobs = folder / "blobs" / _ALGORITHM
        self.uploads = folder / "uploads"
        self._make()

    def path(self, digest: str) -> Path:
        return self._blobs / digest.removeprefix(f"{_ALGORITHM}:")

    def size(self, digest: str) -> int | None:
        """In bytes; ``None`` where there is none."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def open(self, digest: str) -> IO[bytes]:
        """For reading; goes on to work if the blob is deleted meanwhile. Raises ``FileNotFoundError``."""
        return self.path(digest).open("rb", buffering=0)

    def adopt(self, whole: Path, digest: str) -> None:
        """Take a whole file over, at once or not at all. Raises ``FileNotFoundError`` if it is gone."""
        whole.replace(self.path(digest))

    def write(self, digest: str, content: bytes) -> None:
        """Keep a small content."""
        draft = self.uploads / f"{digest.removeprefix(f'{_ALGORITHM}:')}.draft"
        draft.write_bytes(content)
        self.adopt(draft, digest)

    def remove(self, digest: str) -> None:
        self.path(digest).unlink(missing_ok=True)

    def all(self) -> Iterator[str]:
        for path in self._blobs.iterdir():
            yield f"{_ALGORITHM}:{path.name}"

    def drop_uploads(self) -> None:
        """Remove what never became whole."""
        shutil.rmtree(self.uploads, ignore_errors=True)
        self._make()

    def clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._make()

    def _make(self) -> None:
        self._blobs.mkdir(parents=True, exist_ok=True)
        self.uploads.mkdir(parents=True, exist_ok=True)
