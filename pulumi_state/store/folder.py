"""A local folder as a store (Pulumi's ``file://`` backend)."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from pulumi_state.store.store import ABSENT, ConflictError, Entry, Item, StoreError

_GUARD = ".snu/guard"
_GUARD_SECONDS = 30.0
_GUARD_POLL_SECONDS = 0.005
_TEMPORARY = ".tmp"
_PULUMI = ".pulumi"
_ATTRIBUTES = ".attrs"
"""Suffix of the metadata file that the Pulumi CLI writes alongside each of its files."""


class FolderStore:
    """A folder with a file for each object. Writes are atomic and durable."""

    def __init__(self, root: Path) -> None:
        """Use a folder, creating it on the first write."""
        self._root = root
        self.address = f"file://{root}"

    def path(self, key: str) -> Path:
        """Return an object's file."""
        return self._root / key

    def read(self, key: str) -> Item | None:
        """Return an object; see ``Store.read``."""
        try:
            content = self.path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(f"{self.path(key)} cannot be read: {error.strerror}") from error
        return Item(content, _tag(content))

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
        """Write an object; see ``Store.write``."""
        path = self.path(key)
        with self._temporary_file(path, content) as temporary:
            if expected is None:
                temporary.replace(path)
            else:
                with self._guarded():
                    if self._has_tag(key, expected):
                        temporary.replace(path)
                    elif not self._has_tag(key, _tag(content)):
                        raise self._conflict(key)
            _sync(path.parent)
        return _tag(content)

    def _has_tag(self, key: str, expected: str) -> bool:
        item = self.read(key)
        return (item.tag if item else ABSENT) == expected

    def _conflict(self, key: str) -> ConflictError:
        return ConflictError(f"{self.path(key)} was changed by another run")

    def copy(self, source: str, target: str) -> None:
        """Copy an object; see ``Store.copy``."""
        origin, copy = self.path(source), self.path(target)
        try:
            if not origin.exists():
                return
            _make_folder(copy.parent)
            copy.unlink(missing_ok=True)
            copy.hardlink_to(origin)  # safe, since files are replaced and never modified
            _sync(copy.parent)
        except OSError as error:
            raise StoreError(f"{copy} cannot be written: {error.strerror}") from error

    def delete(self, key: str, expected: str | None = None) -> None:
        """Remove an object; see ``Store.delete``."""
        if expected is None:
            self._remove(key)
            return
        with self._guarded():
            if self._has_tag(key, expected):
                self._remove(key)
            elif not self._has_tag(key, ABSENT):
                raise self._conflict(key)

    def _remove(self, key: str) -> None:
        path = self.path(key)
        try:
            path.unlink()
            path.with_name(f"{path.name}{_ATTRIBUTES}").unlink(missing_ok=True)
            _sync(path.parent)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise StoreError(f"{path} cannot be removed: {error.strerror}") from error

    def age(self, key: str) -> timedelta | None:
        """Return the time since the last write, as measured by the file system's clock (the server's, on a network)."""
        try:
            written = self.path(key).stat().st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(f"{self.path(key)} cannot be read: {error.strerror}") from error
        with self._guard() as guard:
            os.utime(guard.fileno())
            return timedelta(seconds=os.fstat(guard.fileno()).st_mtime - written)

    def entries(self, prefix: str) -> list[Entry]:
        """List objects (see ``Store.entries``); a prefix may end in the middle of a file name."""
        folder, _, _ = prefix.rpartition("/")
        entries = []
        for path in self.path(folder).rglob("*"):
            key = path.relative_to(self._root).as_posix()
            if key.startswith(prefix) and not path.name.endswith((_TEMPORARY, _ATTRIBUTES)):
                with suppress(FileNotFoundError):
                    stat = path.stat()
                    if path.is_file():
                        entries.append(Entry(key, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC)))
        return sorted(entries, key=lambda entry: entry.key)

    def remove_broken_attributes(self, *prefixes: str) -> None:
        """Remove the CLI's ``.attrs`` files that are not valid JSON; a killed CLI may leave them behind.

        The CLI cannot read an object with an invalid ``.attrs`` file, but can read one without. Raises StoreError.
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

    def close(self) -> None:
        """Do nothing, since no files are kept open."""

    @contextmanager
    def _temporary_file(self, path: Path, content: bytes) -> Iterator[Path]:
        """Write the content to a file alongside ``path`` and sync it; the file is removed afterwards unless renamed."""
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{_TEMPORARY}")
        try:
            _make_folder(path.parent)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}") from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _guard(self) -> IO[str]:
        guard = self.path(_GUARD)
        try:
            _make_folder(guard.parent)
            return guard.open("a")
        except OSError as error:
            raise StoreError(f"{guard} cannot be written: {error.strerror}") from error

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Allow one conditional writer at a time; the kernel releases the guard when a process exits.

        Raises StoreError if a process does not release the guard, which happens only if the process is paused.
        """
        deadline = time.monotonic() + _GUARD_SECONDS
        with self._guard() as guard:
            while not _locked(guard):
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"{self.path(_GUARD)} is locked by a process that was paused while writing; resume or stop "
                        "that process (use `lsof` to find it)"
                    )
                time.sleep(_GUARD_POLL_SECONDS)
            yield


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_folder(folder: Path) -> None:
    """Create a folder and its parents, syncing each to disk."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Sync a folder so that a crash cannot undo renames, links, creations and removals in it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _tag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
