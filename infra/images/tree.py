"""Files of one git tree, by path."""

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import pygit2

_KEPT = 64
"""Files that are kept: enough for every package.json of a workspace and its lock file."""


class Entry(NamedTuple):
    """A file, folder, link or submodule of a tree."""

    mode: int
    """As git counts them: 0o100644, 0o100755, 0o120000 (link), 0o040000 (folder), 0o160000 (submodule)."""
    id: str
    """The object's name in hexadecimal digits: the same content has the same."""


class Reader:
    """Files read by their object's name, and kept: most are the same in commit after commit."""

    def __init__(self, repository: pygit2.Repository) -> None:
        self._repository = repository
        self.json = lru_cache(maxsize=_KEPT)(self._json)
        """The object in a JSON file. Raises ValueError."""
        self._made: dict[Hashable, str] = {}

    def once(self, key: Hashable, make: Callable[[], str]) -> str:
        """A text that is costly to make and follows from the key alone."""
        if key not in self._made:
            if len(self._made) >= _KEPT:
                self._made.pop(next(iter(self._made)))
            self._made[key] = make()
        return self._made[key]

    def text(self, identity: str) -> str:
        """Raises UnicodeDecodeError, a ValueError."""
        blob = self._repository[identity]
        return blob.data.decode() if isinstance(blob, pygit2.Blob) else ""

    def _json(self, identity: str) -> dict[str, Any]:
        parsed = json.loads(self.text(identity))
        if not isinstance(parsed, dict):
            raise ValueError("expected a JSON object")
        return parsed


@dataclass(frozen=True)
class Files:
    """The files below a folder of a tree; `Files.of` finds the folder."""

    reader: Reader
    tree: pygit2.Tree

    @classmethod
    def of(cls, reader: Reader, tree: pygit2.Tree, folder: str) -> "Files | None":
        """None where the tree has no such folder."""
        found = cls(reader, tree)._find(folder)
        return cls(reader, found) if isinstance(found, pygit2.Tree) else None

    def entry(self, path: str) -> Entry | None:
        """What stands at a path, if anything."""
        found = self._find(path)
        return None if found is None else Entry(int(found.filemode), str(found.id))

    def text(self, path: str) -> str:
        """A file's text; empty where there is none."""
        entry = self.entry(path)
        return "" if entry is None else self.reader.text(entry.id)

    def json(self, path: str) -> dict[str, Any] | None:
        """The object in a JSON file, None where there is no such file. Raises ValueError."""
        entry = self.entry(path)
        if entry is None:
            return None
        try:
            return self.reader.json(entry.id)
        except ValueError as error:
            raise ValueError(f"{path} cannot be read as JSON: {error}") from None

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder."""
        found = self._find(path)
        if not isinstance(found, pygit2.Tree):
            return []
        return [str(each.name) for each in found if isinstance(each, pygit2.Tree)]

    def _find(self, path: str) -> pygit2.Object | None:
        if path == ".":
            return self.tree
        try:
            return self.tree[path]
        except KeyError:
            return None
