"""All that an image is built from, at one state of the repository, and the version that follows from it."""

import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gitrepo import Entry
from infra.images.errors import ImageSourceError
from infra.images.lockfile import LOCK_FILE, OTHER_LOCK_FILES, is_prunable, pruned_lock
from infra.images.tree import Files
from infra.images.workspace import MANIFEST, PNPM_WORKSPACE, Workspace
from infra.settings.images import ImageSource

_FORMAT = 1
"""Counted up when the same sources are to get other versions, because they are built in another way."""
_VERSION_DIGITS = 40
"""160 bits: nobody finds two sources with one version."""
_ROOT_FILES = (".dockerignore", ".npmrc", ".yarnrc.yml", PNPM_WORKSPACE, *OTHER_LOCK_FILES)


@dataclass(frozen=True)
class Inputs:
    """What an image is built from; the same inputs have the same version, on any branch."""

    name: str
    workspace: str
    """The context's folder in the repository."""
    dockerfile: str
    """Relative to the context, as all paths here."""
    arguments: Mapping[str, str]
    taken: Mapping[str, Entry]
    """Files and folders that are in the context as they are in git."""
    cut: Mapping[str, str]
    """Files of which the image needs a part only, with that part: the workspace's package.json and lock file."""
    sources: Mapping[str, Entry | None]
    """Every path that was looked at, with what stood there: as long as all are the same, so are the inputs."""

    @cached_property
    def version(self) -> str:
        """40 hexadecimal digits, from a SHA-256 over all of it."""
        content = {
            "format": _FORMAT,
            "dockerfile": self.dockerfile,
            "arguments": self.arguments,
            "taken": {path: [entry.mode, entry.id] for path, entry in self.taken.items()},
            "cut": {path: hashlib.sha256(text.encode()).hexdigest() for path, text in self.cut.items()},
        }
        encoded = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        return hashlib.sha256(encoded).hexdigest()[:_VERSION_DIGITS]

    def are_in(self, files: Files) -> bool:
        """Whether they are the inputs at another state of the repository as well."""
        return all(files.entry(path) == entry for path, entry in self.sources.items())

    def changes(self, before: "Inputs") -> list[str]:
        """The paths in which they differ from others; `arguments` stands for the build arguments."""
        paths = {
            path for path in self.taken.keys() | before.taken.keys() if self.taken.get(path) != before.taken.get(path)
        }
        paths |= {path for path in self.cut.keys() | before.cut.keys() if self.cut.get(path) != before.cut.get(path)}
        return sorted(paths) + (["arguments"] if self.arguments != before.arguments else [])


def inputs_of(name: str, source: ImageSource, workspace_folder: str, files: Files | None) -> Inputs:
    """The inputs of an image; `files` are those of the workspace's folder.

    Raises `ImageSourceError` where something that `images.yaml` names is not there or cannot be read.
    """
    if files is None:
        raise ImageSourceError(f"{name}: the workspace {workspace_folder} is not in git")
    folder, dockerfile, *include = (
        _inside(name, workspace_folder, path)
        for path in (source.folder, source.dockerfile or posixpath.join(source.folder, "Dockerfile"), *source.include)
    )
    try:
        found = _Collector(files)
        found.need(folder)
        found.need(dockerfile)
        for path in include:
            found.need(path)
        if found.look(posixpath.join(folder, MANIFEST)):
            _add_packages(found, folder)
    except ValueError as error:
        raise ImageSourceError(f"{name}: {error}") from None
    taken = _outermost(found.taken)
    return Inputs(name, workspace_folder, dockerfile, source.arguments, taken, found.cut, found.sources)


class _Collector:
    def __init__(self, files: Files) -> None:
        self.files = files
        self.taken: dict[str, Entry] = {}
        self.cut: dict[str, str] = {}
        self.sources: dict[str, Entry | None] = {}

    def look(self, path: str) -> Entry | None:
        entry = self.sources[path] = self.files.entry(path)
        return entry

    def take(self, path: str) -> None:
        entry = self.look(path)
        if entry is not None:
            self.taken[path] = entry

    def need(self, path: str) -> None:
        self.take(path)
        if path not in self.taken:
            raise ValueError(
                f"{path} is not in git; correct images.yaml, or add it (files that git ignores are never built)"
            )


def _add_packages(found: _Collector, folder: str) -> None:
    """Of an app that is a Node package: its workspace, as far as it depends on it."""
    for path in _ROOT_FILES:
        found.take(path)
    if folder == ".":
        return
    manifest = found.files.json(MANIFEST)
    found.look(MANIFEST)
    found.look(LOCK_FILE)
    if manifest is None:
        found.take(LOCK_FILE)
        return
    workspace = Workspace.read(found.files)
    if folder not in workspace.members.values():
        return
    folders = workspace.closure(folder)
    for path in folders:
        found.need(path)
    cut = _cut_manifest(manifest, folders)
    found.cut[MANIFEST] = json.dumps(cut, ensure_ascii=False)
    lock = found.files.json(LOCK_FILE)
    if lock is not None and is_prunable(lock):
        key = (found.sources[LOCK_FILE], found.cut[MANIFEST])
        found.cut[LOCK_FILE] = found.files.reader.once(key, lambda: pruned_lock(lock, cut, folders))
    else:
        found.take(LOCK_FILE)


def _cut_manifest(manifest: Mapping[str, Any], folders: list[str]) -> dict[str, Any]:
    """The root's package.json with those packages only; pnpm names them elsewhere."""
    if "workspaces" not in manifest:
        return {**manifest}
    named = manifest["workspaces"]
    return {**manifest, "workspaces": {**named, "packages": folders} if isinstance(named, dict) else folders}


def _outermost(taken: Mapping[str, Entry]) -> dict[str, Entry]:
    """Without what lies in a folder that is taken as a whole."""
    return {path: entry for path, entry in sorted(taken.items()) if not any(up in taken for up in _parents(path))}


def _parents(path: str) -> Iterator[str]:
    while path not in ("", "."):
        path = posixpath.dirname(path)
        yield path or "."


def _inside(name: str, workspace: str, path: str) -> str:
    """A path relative to the workspace."""
    if workspace == ".":
        return path
    if path != workspace and not path.startswith(f"{workspace}/"):
        raise ImageSourceError(
            f"{name}: {path} is not in the workspace {workspace}; Docker sees that folder only. Move it there, or give "
            "`workspace` of images.yaml a folder that holds both"
        )
    return posixpath.relpath(path, workspace)
