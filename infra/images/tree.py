"""Reads files in a Git tree by path."""

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gitrepo import Entry, Repository
from gitrepo.objects import FOLDER, SUBMODULE

_NO_FILES = (FOLDER, SUBMODULE)
_KEPT = 64
"""Cache size: enough for a workspace's lock file and all its package.json files."""


class Reader:
    """Reads and caches files by object id, because most files are the same in many commits."""

    def __init__(self, repository: Repository) -> None:
        self.objects = repository.objects
        self.json = lru_cache(maxsize=_KEPT)(self._json)
        """The JSON object in a file. Raises ValueError."""
        self._computed: dict[Hashable, str] = {}

    def once(self, key: Hashable, compute: Callable[[], str]) -> str:
        """Computes and caches an expensive string that depends only on the key."""
        if key not in self._computed:
            if len(self._computed) >= _KEPT:
                self._computed.pop(next(iter(self._computed)))
            self._computed[key] = compute()
        return self._computed[key]

    def load(self, trees: list[str], folder: str) -> None:
        """Loads a folder of each tree and its direct subfolders."""
        for name in () if folder == "." else folder.split("/"):
            self.objects.load_trees(trees)
            entries = [self.objects.tree(tree).get(name) for tree in trees]
            trees = [entry.id for entry in entries if entry is not None and entry.mode == FOLDER]
        self.objects.load_trees(trees)
        children = [entry for tree in dict.fromkeys(trees) for entry in self.objects.tree(tree).values()]
        self.objects.load_trees(entry.id for entry in children if entry.mode == FOLDER)

    def text(self, object_id: str) -> str:
        """The content of a file. Raises UnicodeDecodeError, a ValueError."""
        return self.objects.content(object_id).decode()

    def _json(self, object_id: str) -> dict[str, Any]:
        parsed = json.loads(self.text(object_id))
        if not isinstance(parsed, dict):
            raise ValueError("expected a JSON object")
        return parsed


@dataclass(frozen=True)
class Files:
    """The files in a tree object; `Files.of` returns the files in one of its folders."""

    reader: Reader
    tree: str
    """Object id of the tree."""

    @classmethod
    def of(cls, reader: Reader, tree: str, folder: str) -> "Files | None":
        """The files in a folder of a tree; None if the folder does not exist."""
        entry = cls(reader, tree).entry(folder)
        return cls(reader, entry.id) if entry is not None and entry.mode == FOLDER else None

    def entry(self, path: str) -> Entry | None:
        """The entry at a path, or None."""
        entry = Entry(FOLDER, self.tree)
        for name in () if path == "." else path.split("/"):
            child = self.reader.objects.tree(entry.id).get(name) if entry.mode == FOLDER else None
            if child is None:
                return None
            entry = child
        return entry

    def text(self, path: str) -> str:
        """The content of a file; empty if the file does not exist."""
        entry = self.entry(path)
        return "" if entry is None or entry.mode in _NO_FILES else self.reader.text(entry.id)

    def json(self, path: str) -> dict[str, Any] | None:
        """The JSON object in a file; None if the file does not exist. Raises ValueError."""
        entry = self.entry(path)
        if entry is None:
            return None
        try:
            if entry.mode in _NO_FILES:
                raise ValueError("it is a folder")
            return self.reader.json(entry.id)
        except ValueError as error:
            raise ValueError(f"{path} is not valid JSON: {error}") from None

    def folders(self, path: str) -> list[str]:
        """The names of a folder's direct subfolders."""
        folder = self.entry(path)
        if folder is None or folder.mode != FOLDER:
            return []
        return [name for name, entry in self.reader.objects.tree(folder.id).items() if entry.mode == FOLDER]
