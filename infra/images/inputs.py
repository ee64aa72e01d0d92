"""An image's inputs in one state of the repository, and the version derived from them."""

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
"""Incremented when the build process changes, so that unchanged sources get a new version."""
_VERSION_DIGITS = 40
"""160 bits, enough to rule out collisions."""
_ROOT_FILES = (".dockerignore", ".npmrc", ".yarnrc.yml", PNPM_WORKSPACE, *OTHER_LOCK_FILES)


@dataclass(frozen=True)
class Inputs:
    """The inputs of an image build. Identical inputs have the same version on every branch."""

    name: str
    workspace: str
    """The root of the build context, relative to the repository root."""
    dockerfile: str
    """Relative to the context, like all paths below."""
    arguments: Mapping[str, str]
    taken: Mapping[str, Entry]
    """Files and folders copied unchanged from Git."""
    cut: Mapping[str, str]
    """Files reduced to the part that the image needs: the workspace's package.json and lock file."""
    sources: Mapping[str, Entry | None]
    """All examined paths and their entries. If none of these has changed, the inputs are unchanged."""

    @cached_property
    def version(self) -> str:
        """The first 40 hexadecimal digits of a SHA-256 hash of all inputs."""
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
        """Whether the image has the same inputs in another revision."""
        return all(files.entry(path) == entry for path, entry in self.sources.items())

    def changes(self, before: "Inputs") -> list[str]:
        """The paths that differ from those in `before`, and `arguments` if the build arguments differ."""
        paths = {
            path for path in self.taken.keys() | before.taken.keys() if self.taken.get(path) != before.taken.get(path)
        }
        paths |= {path for path in self.cut.keys() | before.cut.keys() if self.cut.get(path) != before.cut.get(path)}
        return sorted(paths) + (["arguments"] if self.arguments != before.arguments else [])


def inputs_of(name: str, source: ImageSource, workspace_folder: str, files: Files | None) -> Inputs:
    """Collects an image's inputs from the files in the workspace folder.

    Raises `ImageSourceError` if a path in `images.yaml` is missing or unreadable.
    """
    if files is None:
        raise ImageSourceError(f"{name}: the workspace {workspace_folder} is missing or gitignored")
    folder, dockerfile, *include = (
        _inside(name, workspace_folder, path)
        for path in (source.folder, source.dockerfile or posixpath.join(source.folder, "Dockerfile"), *source.include)
    )
    try:
        collector = _Collector(files)
        collector.require(folder)
        collector.require(dockerfile)
        for path in include:
            collector.require(path)
        if collector.examine(posixpath.join(folder, MANIFEST)):
            _add_packages(collector, folder)
    except ValueError as error:
        raise ImageSourceError(f"{name}: {error}") from None
    taken = _outermost(collector.taken)
    return Inputs(name, workspace_folder, dockerfile, source.arguments, taken, collector.cut, collector.sources)


class _Collector:
    """Collects inputs and records every examined path."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.taken: dict[str, Entry] = {}
        self.cut: dict[str, str] = {}
        self.sources: dict[str, Entry | None] = {}

    def examine(self, path: str) -> Entry | None:
        entry = self.sources[path] = self.files.entry(path)
        return entry

    def take(self, path: str) -> None:
        entry = self.examine(path)
        if entry is not None:
            self.taken[path] = entry

    def require(self, path: str) -> None:
        self.take(path)
        if path not in self.taken:
            raise ValueError(f"{path} is missing or gitignored: add it to the repository, or correct images.yaml")


def _add_packages(collector: _Collector, folder: str) -> None:
    """Adds a Node package's workspace dependencies, and the matching parts of the manifest and lock file."""
    for path in _ROOT_FILES:
        collector.take(path)
    if folder == ".":
        return
    manifest = collector.files.json(MANIFEST)
    collector.examine(MANIFEST)
    collector.examine(LOCK_FILE)
    if manifest is None:
        collector.take(LOCK_FILE)
        return
    workspace = Workspace.read(collector.files)
    if folder not in workspace.members.values():
        return
    folders = workspace.closure(folder)
    for path in folders:
        collector.require(path)
    cut = _cut_manifest(manifest, folders)
    collector.cut[MANIFEST] = json.dumps(cut, ensure_ascii=False)
    lock = collector.files.json(LOCK_FILE)
    if lock is not None and is_prunable(lock):
        key = (collector.sources[LOCK_FILE], collector.cut[MANIFEST])
        collector.cut[LOCK_FILE] = collector.files.reader.once(key, lambda: pruned_lock(lock, cut, folders))
    else:
        collector.take(LOCK_FILE)


def _cut_manifest(manifest: Mapping[str, Any], folders: list[str]) -> dict[str, Any]:
    """The workspace's package.json, limited to these packages. pnpm lists packages in a separate file."""
    if "workspaces" not in manifest:
        return {**manifest}
    workspaces = manifest["workspaces"]
    return {
        **manifest,
        "workspaces": {**workspaces, "packages": folders} if isinstance(workspaces, dict) else folders,
    }


def _outermost(taken: Mapping[str, Entry]) -> dict[str, Entry]:
    """Removes paths inside folders that are included as a whole."""
    return {
        path: entry for path, entry in sorted(taken.items()) if not any(parent in taken for parent in _parents(path))
    }


def _parents(path: str) -> Iterator[str]:
    while path not in ("", "."):
        path = posixpath.dirname(path)
        yield path or "."


def _inside(name: str, workspace: str, path: str) -> str:
    """Converts a path in the repository to a path relative to the workspace."""
    if workspace == ".":
        return path
    if path != workspace and not path.startswith(f"{workspace}/"):
        raise ImageSourceError(
            f"{name}: {path} is outside the workspace {workspace}, which is Docker's build context. Move it into the "
            "workspace, or set `workspace` in images.yaml to a folder that contains both"
        )
    return posixpath.relpath(path, workspace)
