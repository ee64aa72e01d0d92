"""Reads Git objects from one long-running `git cat-file --batch`."""

from __future__ import annotations

import os
import subprocess
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import IO, Literal, NamedTuple

from gitrepo.program import Git, GitError, git_error

FOLDER = 0o040000
LINK = 0o120000
SUBMODULE = 0o160000
EXECUTABLE = 0o100755
_FILE = 0o100644
_CACHED_TREES = 4096
"""Number of cached trees; most trees are the same in successive commits."""
_BATCH = 256


class Entry(NamedTuple):
    """A file, folder, symbolic link or submodule in a tree."""

    mode: int
    """Git's file mode: 0o100644, 0o100755, 0o120000 (symbolic link), 0o040000 (folder) or 0o160000 (submodule)."""
    id: str
    """The object ID: a hexadecimal hash of the content."""


class GitObject(NamedTuple):
    """An object and its content."""

    id: str
    kind: str
    """`commit`, `tree`, `blob` or `tag`."""
    content: bytes


class Objects:
    """Reads objects. Thread-safe."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._lock = Lock()
        self._process: tuple[subprocess.Popen[bytes], IO[bytes]] | None = None
        self._trees: dict[str, Mapping[str, Entry]] = {}

    def find(self, name: str) -> GitObject | None:
        """Return the object with a name such as `main:file` or `HEAD^{tree}`, or None if it does not exist."""
        return None if "\n" in name else next(self._read([name]))

    def content(self, identity: str) -> bytes:
        """Return the content of the object with this ID. Raises GitError if it is missing."""
        return self._content(identity, self.find(identity))

    def tree(self, identity: str) -> Mapping[str, Entry]:
        """Return a tree's entries by name. Raises GitError if the tree is missing."""
        if identity not in self._trees:
            self.load_trees([identity])
        return self._trees[identity]

    def load_trees(self, identities: Iterable[str]) -> None:
        """Read trees into the cache in bulk, which is faster than one at a time. Raises GitError if one is missing."""
        uncached = [identity for identity in dict.fromkeys(identities) if identity not in self._trees]
        for start in range(0, len(uncached), _BATCH):
            names = uncached[start : start + _BATCH]
            for identity, tree in zip(names, self._read(names), strict=True):
                self._trees[identity] = dict(_entries(self._content(identity, tree), len(identity) // 2))
        while len(self._trees) > _CACHED_TREES + len(uncached):
            self._trees.pop(next(iter(self._trees)))

    def _content(self, identity: str, found: GitObject | None) -> bytes:
        if found is None:
            raise GitError(f"object {identity} is missing from {self._git.folder}; fetch it again")
        return found.content

    def _read(self, names: Sequence[str]) -> Iterator[GitObject | None]:
        """Read objects. All names are written before any response is read, so they must fit in the pipe buffer."""
        with self._lock:
            process, messages = self._process or self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError):
                process.stdin.write(b"".join(os.fsencode(name) + b"\n" for name in names))
                process.stdin.flush()
            responses = [_response(process.stdout) for _ in names]
            if None in responses:
                messages.seek(0)
                raise git_error("cat-file", process.wait(), messages.read())
        return (response or None for response in responses)

    def _start(self) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        messages = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        process = self._git.start(messages, "cat-file", "--batch")
        self._process = process, messages
        weakref.finalize(self, _stop, process, messages)
        return self._process


def _response(output: IO[bytes]) -> GitObject | Literal[False] | None:
    """Read one response. Returns False if the object does not exist and None at the end of the output."""
    header = output.readline()
    if not header:
        return None
    words = header.split()
    if len(words) != 3 or not words[2].isdigit():  # "<name> missing", "<name> ambiguous"
        return False
    return GitObject(words[0].decode(), words[1].decode(), output.read(int(words[2]) + 1)[:-1])


def _entries(content: bytes, length: int) -> Iterator[tuple[str, Entry]]:
    """Parse a tree's entries; `length` is the length of an object ID in bytes."""
    start = 0
    while start < len(content):
        end = content.index(b"\0", start)
        mode, _, name = content[start:end].partition(b" ")
        start = end + 1 + length
        yield os.fsdecode(name), Entry(_canonical(int(mode, 8)), content[end + 1 : start].hex())


def _stop(process: subprocess.Popen[bytes], messages: IO[bytes]) -> None:
    with messages, suppress(BrokenPipeError), process:
        process.terminate()


def _canonical(mode: int) -> int:
    """Normalize the nonstandard permissions found in very old trees."""
    if mode in (FOLDER, LINK, SUBMODULE):
        return mode
    return EXECUTABLE if mode & 0o100 else _FILE
