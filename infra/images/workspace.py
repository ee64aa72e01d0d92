"""The packages of a workspace (npm, Yarn, pnpm), and which of them a package depends on."""

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
    """A folder whose package.json (or pnpm-workspace.yaml) names packages in folders below it."""

    files: Files
    members: Mapping[str, str]
    """The folder of each package, by the package's name."""

    @classmethod
    def read(cls, files: Files) -> "Workspace":
        """Raises ValueError where a file of it is not what it should be."""
        members = {}
        for folder in _expanded(files, _patterns(files)):
            manifest = files.json(posixpath.join(folder, MANIFEST))
            if manifest is not None and isinstance(manifest.get("name"), str):
                members[manifest["name"]] = folder
        return cls(files, members)

    def closure(self, folder: str) -> list[str]:
        """The folder and those of all packages here that it depends on, however far; sorted. Raises ValueError."""
        found: set[str] = set()
        waiting = [folder]
        while waiting:
            current = waiting.pop()
            if current not in found:
                found.add(current)
                waiting += self._dependencies(current)
        return sorted(found)

    def _dependencies(self, folder: str) -> Iterator[str]:
        manifest = self.files.json(posixpath.join(folder, MANIFEST)) or {}
        for name, wanted in dependencies_of(manifest, DEPENDENCIES).items():
            path = _path_in(folder, wanted)
            if path is not None and self.files.entry(posixpath.join(path, MANIFEST)):
                yield path
            elif path is None and name in self.members:
                yield self.members[name]


def dependencies_of(manifest: Mapping[str, Any], kinds: Iterable[str]) -> dict[str, str]:
    """What a package.json, or an entry of a lock file, names as dependencies of these kinds."""
    found: dict[str, str] = {}
    for kind in kinds:
        named = manifest.get(kind)
        if isinstance(named, dict):
            found |= {str(name): str(wanted) for name, wanted in named.items()}
    return found


def _path_in(folder: str, wanted: str) -> str | None:
    for protocol in _PATH_PROTOCOLS:
        if wanted.startswith(protocol):
            return posixpath.normpath(posixpath.join(folder, wanted.removeprefix(protocol)))
    return None


def _patterns(files: Files) -> list[str]:
    pnpm = files.text(PNPM_WORKSPACE)
    if pnpm:
        try:
            named = (yaml.safe_load(pnpm) or {}).get("packages")
        except (yaml.YAMLError, AttributeError, RecursionError) as error:
            raise ValueError(f"{PNPM_WORKSPACE} cannot be read: {error}") from None
    else:
        named = (files.json(MANIFEST) or {}).get("workspaces")
        named = named.get("packages") if isinstance(named, dict) else named
    return [str(pattern) for pattern in named] if isinstance(named, list) else []


def _expanded(files: Files, patterns: Iterable[str]) -> list[str]:
    """The folders that patterns such as ``packages/*`` and ``!packages/old`` name."""
    found: dict[str, None] = {}
    for pattern in patterns:
        if pattern.startswith("!"):
            gone = _matching(files, ".", _segments(pattern[1:]))
            found = {folder: None for folder in found if folder not in {*gone}}
        else:
            found |= dict.fromkeys(_matching(files, ".", _segments(pattern)))
    return list(found)


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
