"""Files of one git tree, by path."""

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gitrepo import Entry, Repository
from gitrepo.objects import FOLDER, SUBMODULE

_NO_FILES = (FOLDER, SUBMODULE)
_KEPT = 64
"""Files that are kept: enough for every package.json of a workspace and its lock file."""


class Reader:
    """Files read by their object's name, and kept: most are the same in commit after commit."""

    def __init__(self, repository: Repository) -> None:
        self.objects = repository.objects
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

    def load(self, trees: list[str], folder: str) -> None:
        """Read a folder of each tree, with the folders right in it."""
        for name in () if folder == "." else folder.split("/"):
            self.objects.load_trees(trees)
            below = [self.objects.tree(tree).get(name) for tree in trees]
            trees = [entry.id for entry in below if entry is not None and entry.mode == FOLDER]
        self.objects.load_trees(trees)
        entries = [entry for tree in dict.fromkeys(trees) for entry in self.objects.tree(tree).values()]
        self.objects.load_trees(entry.id for entry in entries if entry.mode == FOLDER)

    def text(self, identity: str) -> str:
        """Raises UnicodeDecodeError, a ValueError."""
        return self.objects.content(identity).decode()

    def _json(self, identity: str) -> dict[str, Any]:
        parsed = json.loads(self.text(identity))
        if not isinstance(parsed, dict):
            raise ValueError("expected a JSON object")
        return parsed


@dataclass(frozen=True)
class Files:
    """The files below a folder of a tree; `Files.of` finds the folder."""

    reader: Reader
    tree: str
    """Its object's name."""

    @classmethod
    def of(cls, reader: Reader, tree: str, folder: str) -> "Files | None":
        """None where the tree has no such folder."""
        found = cls(reader, tree).entry(folder)
        return cls(reader, found.id) if found is not None and found.mode == FOLDER else None

    def entry(self, path: str) -> Entry | None:
        """What a path is, if anything."""
        found = Entry(FOLDER, self.tree)
        for name in () if path == "." else path.split("/"):
            below = self.reader.objects.tree(found.id).get(name) if found.mode == FOLDER else None
            if below is None:
                return None
            found = below
        return found

    def text(self, path: str) -> str:
        """A file's text; empty where there is none."""
        entry = self.entry(path)
        return "" if entry is None or entry.mode in _NO_FILES else self.reader.text(entry.id)

    def json(self, path: str) -> dict[str, Any] | None:
        """The object in a JSON file, None where there is no such file. Raises ValueError."""
        entry = self.entry(path)
        if entry is None:
            return None
        try:
            if entry.mode in _NO_FILES:
                raise ValueError("it is a folder")
            return self.reader.json(entry.id)
        except ValueError as error:
            raise ValueError(f"{path} cannot be read as JSON: {error}") from None

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder."""
        found = self.entry(path)
        if found is None or found.mode != FOLDER:
            return []
        return [name for name, entry in self.reader.objects.tree(found.id).items() if entry.mode == FOLDER]
