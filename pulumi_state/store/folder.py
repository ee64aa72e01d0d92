"""A folder of this machine as a store (Pulumi's ``file://`` backend)."""

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
"""The Pulumi CLI's own notes, beside each file that it writes."""


class FolderStore:
    """Objects are files. A write replaces its file in one step, and has reached the disk when it returns."""

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
        path = self.path(key)
        with self._prepared(path, content) as fresh:
            if expected is None:
                fresh.replace(path)
            else:
                with self._guarded():
                    if self._is(key, expected):
                        fresh.replace(path)
                    elif not self._is(key, _tag(content)):
                        raise self._conflict(key)
            _sync(path.parent)
        return _tag(content)

    def _is(self, key: str, expected: str) -> bool:
        found = self.read(key)
        return (found.tag if found else ABSENT) == expected

    def _conflict(self, key: str) -> ConflictError:
        return ConflictError(f"{self.path(key)} was changed by somebody else")

    def copy(self, source: str, target: str) -> None:
        origin, copy = self.path(source), self.path(target)
        try:
            if not origin.exists():
                return
            _make_folder(copy.parent)
            copy.unlink(missing_ok=True)
            copy.hardlink_to(origin)  # files are replaced, never written into
            _sync(copy.parent)
        except OSError as error:
            raise StoreError(f"{copy} cannot be written: {error.strerror}") from error

    def delete(self, key: str, expected: str | None = None) -> None:
        if expected is None:
            self._remove(key)
            return
        with self._guarded():
            if self._is(key, expected):
                self._remove(key)
            elif not self._is(key, ABSENT):
                raise self._conflict(key)

    def _remove(self, key: str) -> None:
        path = self.path(key)
        try:
            path.unlink()
            _sync(path.parent)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise StoreError(f"{path} cannot be removed: {error.strerror}") from error

    def age(self, key: str) -> timedelta | None:
        """By the clock of the file system, which on a network is the server's."""
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

    @contextmanager
    def _prepared(self, path: Path, content: bytes) -> Iterator[Path]:
        """A file beside ``path`` with the content, which has reached the disk; removed where it was not used."""
        fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}{_TEMPORARY}")
        try:
            _make_folder(path.parent)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield fresh
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}") from error
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)

    def _guard(self) -> IO[str]:
        guard = self.path(_GUARD)
        try:
            _make_folder(guard.parent)
            return guard.open("a")
        except OSError as error:
            raise StoreError(f"{guard} cannot be written: {error.strerror}") from error

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One conditional writer at a time; the kernel frees the guard of a process that ends.

        Raises StoreError where a process keeps it, which only one that is paused does.
        """
        deadline = time.monotonic() + _GUARD_SECONDS
        with self._guard() as guard:
            while not _locked(guard):
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"{self.path(_GUARD)} is locked by a process that was paused while it wrote: let it go on, or "
                        "end it (`lsof` names it)"
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
    """Make a folder and those above it; each has reached the disk."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Until then a crash may undo what was renamed, linked, made or removed in the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _tag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
