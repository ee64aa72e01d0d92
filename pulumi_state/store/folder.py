"""A folder of this machine as a store (Pulumi's ``file://`` backend)."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pulumi_state.store.store import ABSENT, ConflictError, Entry, Item, StoreError

_GUARD = ".snu/guard"
_TEMPORARY = ".tmp"
_PULUMI = ".pulumi"
_ATTRIBUTES = ".attrs"
"""The Pulumi CLI's own notes, beside each file that it writes."""


class FolderStore:
    """Objects are files; a write replaces its file in one step."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.address = f"file://{root}"

    def path(self, key: str) -> Path:
        return self._root / key

    def read(self, key: str) -> Item | None:
        try:
            content = self.path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(f"{self.path(key)} cannot be read: {error.strerror}") from error
        return Item(content, _tag(content))

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
        if expected is None:
            self._replace(key, content)
        else:
            with self._guarded():
                found = self.read(key)
                if (found.tag if found else ABSENT) != expected:
                    raise ConflictError(f"{self.path(key)} was changed by somebody else")
                self._replace(key, content)
        return _tag(content)

    def copy(self, source: str, target: str) -> None:
        origin, copy = self.path(source), self.path(target)
        try:
            if not origin.exists():
                return
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.unlink(missing_ok=True)
            copy.hardlink_to(origin)  # files are replaced, never written into
        except OSError as error:
            raise StoreError(f"{copy} cannot be written: {error.strerror}") from error

    def delete(self, key: str) -> None:
        try:
            self.path(key).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path(key)} cannot be removed: {error.strerror}") from error

    def entries(self, prefix: str) -> list[Entry]:
        """Of a prefix that ends within a name, the files whose name begins so."""
        folder, _, _ = prefix.rpartition("/")
        found = []
        for path in self.path(folder).rglob("*"):
            key = path.relative_to(self._root).as_posix()
            if key.startswith(prefix) and not path.name.endswith((_TEMPORARY, _ATTRIBUTES)):
                with suppress(FileNotFoundError):
                    stat = path.stat()
                    if path.is_file():
                        found.append(Entry(key, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC)))
        return sorted(found, key=lambda entry: entry.key)

    def drop_broken_notes(self, *prefixes: str) -> None:
        """Remove the CLI's notes that are no JSON: it writes them in place, and reads no object beside such a one.

        One without a note it reads. Raises StoreError.
        """
        for path in self.path(_PULUMI).rglob(f"*{_ATTRIBUTES}"):
            key = path.relative_to(self._root).as_posix()
            if key.startswith(prefixes):
                try:
                    json.loads(path.read_bytes())
                except ValueError:
                    self.delete(key)
                except OSError as error:
                    raise StoreError(f"{path} cannot be read: {error.strerror}") from error

    def close(self) -> None: ...

    def _replace(self, key: str, content: bytes) -> None:
        path = self.path(key)
        fresh = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
            fresh.replace(path)
        except OSError as error:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise StoreError(f"{path} cannot be written: {error.strerror}") from error

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One conditional writer at a time; the kernel frees the guard of a process that ends."""
        guard = self.path(_GUARD)
        try:
            guard.parent.mkdir(parents=True, exist_ok=True)
            file = guard.open("a")
        except OSError as error:
            raise StoreError(f"{guard} cannot be written: {error.strerror}") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _tag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
