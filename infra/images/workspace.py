"""The packages of a workspace (npm, Yarn or pnpm) and the dependencies between them."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import yaml

from infra.images.tree import Files

MANIFEST = "package.json"
PNPM_WORKSPACE = "pnpm-workspace.yaml"
DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_PATH_PROTOCOLS = ("file:", "link:", "portal:")


@dataclass(frozen=True)
class Workspace:
    """A folder whose package.json or pnpm-workspace.yaml lists packages in subfolders."""

    files: Files
    members: Mapping[str, str]
    """The folder of each package, by name."""

    @classmethod
    def read(cls, files: Files) -> "Workspace":
        """Reads the workspace. Raises ValueError if one of its files is invalid."""
        members = {}
        for folder in _expanded(files, _patterns(files)):
            manifest = files.json(posixpath.join(folder, MANIFEST))
            if manifest is not None and isinstance(manifest.get("name"), str):
                members[manifest["name"]] = folder
        return cls(files, members)

    def closure(self, folder: str) -> list[str]:
        """The sorted folders of a package and of its direct and indirect workspace dependencies. Raises ValueError."""
        closure: set[str] = set()
        waiting = [folder]
        while waiting:
            current = waiting.pop()
            if current not in closure:
                closure.add(current)
                waiting += self._dependencies(current)
        return sorted(closure)

    def _dependencies(self, folder: str) -> Iterator[str]:
        manifest = self.files.json(posixpath.join(folder, MANIFEST)) or {}
        for name, specifier in dependencies_of(manifest, DEPENDENCIES).items():
            path = _local_path(folder, specifier)
            if path is not None and self.files.entry(posixpath.join(path, MANIFEST)):
                yield path
            elif path is None and name in self.members:
                yield self.members[name]


def dependencies_of(manifest: Mapping[str, Any], kinds: Iterable[str]) -> dict[str, str]:
    """The given kinds of dependencies in a package.json or lock file entry: version specifiers by name."""
    dependencies: dict[str, str] = {}
    for kind in kinds:
        declared = manifest.get(kind)
        if isinstance(declared, dict):
            dependencies |= {str(name): str(specifier) for name, specifier in declared.items()}
    return dependencies


def _local_path(folder: str, specifier: str) -> str | None:
    for protocol in _PATH_PROTOCOLS:
        if specifier.startswith(protocol):
            return posixpath.normpath(posixpath.join(folder, specifier.removeprefix(protocol)))
    return None


def _patterns(files: Files) -> list[str]:
    pnpm = files.text(PNPM_WORKSPACE)
    if pnpm:
        try:
            patterns = (yaml.safe_load(pnpm) or {}).get("packages")
        except (yaml.YAMLError, AttributeError, RecursionError) as error:
            raise ValueError(f"{PNPM_WORKSPACE} is not valid: {' '.join(str(error).split())}") from None
    else:
        patterns = (files.json(MANIFEST) or {}).get("workspaces")
        patterns = patterns.get("packages") if isinstance(patterns, dict) else patterns
    return [str(pattern) for pattern in patterns] if isinstance(patterns, list) else []


def _expanded(files: Files, patterns: Iterable[str]) -> list[str]:
    """The folders that match patterns such as ``packages/*`` and ``!packages/old``."""
    folders: dict[str, None] = {}
    for pattern in patterns:
        if pattern.startswith("!"):
            excluded = {*_matching(files, ".", _segments(pattern[1:]))}
            folders = {folder: None for folder in folders if folder not in excluded}
        else:
            folders |= dict.fromkeys(_matching(files, ".", _segments(pattern)))
    return list(folders)


def _segments(pattern: str) -> list[str]:
    return [segment for segment in pattern.split("/") if segment not in ("", ".")]


def _matching(files: Files, folder: str, segments: list[str]) -> Iterator[str]:
    if not segments:
        yield folder
        return
    first, *rest = segments
    if first == "**":
        yield from _matching(files, folder, rest)
    for name in files.folders(folder):
        inside = posixpath.normpath(posixpath.join(folder, name))
        if name == "node_modules":
            continue
        if first == "**":
            yield from _matching(files, inside, segments)
        elif fnmatchcase(name, first):
            yield from _matching(files, inside, rest)
