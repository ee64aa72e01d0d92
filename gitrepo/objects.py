"""Objects by name, from one `git cat-file --batch` for as long as the repository is in use."""

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
_KEPT = 4096
"""Trees that are kept: most are the same in commit after commit."""
_AT_ONCE = 256


class Entry(NamedTuple):
    """A file, folder, link or submodule of a tree."""

    mode: int
    """As Git counts them: 0o100644, 0o100755, 0o120000 (link), 0o040000 (folder), 0o160000 (submodule)."""
    id: str
    """The object's name in hexadecimal digits: the same content has the same."""


class GitObject(NamedTuple):
    """An object."""

    id: str
    kind: str
    """`commit`, `tree`, `blob` or `tag`."""
    content: bytes


class Objects:
    """Reads objects. Safe to use from several threads."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._lock = Lock()
        self._process: tuple[subprocess.Popen[bytes], IO[bytes]] | None = None
        self._trees: dict[str, Mapping[str, Entry]] = {}

    def find(self, name: str) -> GitObject | None:
        """The object that a name stands for, as `main:file` or `HEAD^{tree}`; None where there is none."""
        return None if "\n" in name else next(self._ask([name]))

    def content(self, identity: str) -> bytes:
        """An object that another one names. Raises GitError where it is missing."""
        return self._content(identity, self.find(identity))

    def tree(self, identity: str) -> Mapping[str, Entry]:
        """The entries of a tree, by name. Raises GitError where the object is missing."""
        if identity not in self._trees:
            self.load_trees([identity])
        return self._trees[identity]

    def load_trees(self, identities: Iterable[str]) -> None:
        """Read trees that will be asked for, which is faster than one by one. Raises GitError as `tree`."""
        wanted = [identity for identity in dict.fromkeys(identities) if identity not in self._trees]
        for start in range(0, len(wanted), _AT_ONCE):
            names = wanted[start : start + _AT_ONCE]
            for identity, found in zip(names, self._ask(names), strict=True):
                self._trees[identity] = dict(_entries(self._content(identity, found), len(identity) // 2))
        while len(self._trees) > _KEPT + len(wanted):
            self._trees.pop(next(iter(self._trees)))

    def _content(self, identity: str, found: GitObject | None) -> bytes:
        if found is None:
            raise GitError(f"object {identity} is missing in {self._git.folder}; fetch it again")
        return found.content

    def _ask(self, names: Sequence[str]) -> Iterator[GitObject | None]:
        """All are asked for before the first answer is read: together they have to fit into a pipe."""
        with self._lock:
            process, messages = self._process or self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError):
                process.stdin.write(b"".join(os.fsencode(name) + b"\n" for name in names))
                process.stdin.flush()
            answers = [_answer(process.stdout) for _ in names]
            if None in answers:
                messages.seek(0)
                raise git_error("cat-file", process.wait(), messages.read())
        return (answer or None for answer in answers)

    def _start(self) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        messages = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        process = self._git.start(messages, "cat-file", "--batch")
        self._process = process, messages
        weakref.finalize(self, _stop, process, messages)
        return self._process


def _answer(output: IO[bytes]) -> GitObject | Literal[False] | None:
    """False where there is no such object, None where the output has ended."""
    header = output.readline()
    if not header:
        return None
    words = header.split()
    if len(words) != 3 or not words[2].isdigit():  # "<name> missing", "<name> ambiguous"
        return False
    return GitObject(words[0].decode(), words[1].decode(), output.read(int(words[2]) + 1)[:-1])


def _entries(content: bytes, length: int) -> Iterator[tuple[str, Entry]]:
    """The entries of a tree. `length`: of an object's name, in bytes."""
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
    """Very old trees have other permissions, which count as one of the two."""
    if mode in (FOLDER, LINK, SUBMODULE):
        return mode
    return EXECUTABLE if mode & 0o100 else _FILE
