"""Prunes npm's package-lock.json to the dependencies of selected workspace packages.

Supports `lockfileVersion` 2 and 3, which list installed packages by folder. Source: npm's documentation,
"package-lock.json".
"""

import json
import posixpath
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from infra.images.workspace import DEPENDENCIES, dependencies_of

LOCK_FILE = "package-lock.json"
OTHER_LOCK_FILES = ("npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb")
"""Lock files that are not pruned: changing any app's dependencies changes the versions of all images."""

_FOLDER = "node_modules"
_INSTALLED = ("dependencies", "optionalDependencies", "peerDependencies")


def is_prunable(lock: Mapping[str, Any]) -> bool:
    """Whether the lock file lists installed packages by folder, which version 1 does not."""
    return isinstance(lock.get("packages"), dict)


def pruned_lock(lock: Mapping[str, Any], manifest: Mapping[str, Any], folders: Iterable[str]) -> str:
    """The workspace's lock file, reduced to the packages in `folders`; `manifest` is the reduced package.json."""
    packages: Mapping[str, dict[str, Any]] = lock["packages"]
    kept: set[str] = set()
    waiting = ["", *folders]
    while waiting:
        path = waiting.pop()
        if path in kept or path not in packages:
            continue
        kept.add(path)
        entry = packages[path]
        if entry.get("link"):
            waiting.append(str(entry.get("resolved", "")))
            continue
        kinds = _INSTALLED if f"/{_FOLDER}/" in f"/{path}" else DEPENDENCIES
        waiting += filter(None, (_resolve(packages, path, name) for name in dependencies_of(entry, kinds)))
    kept |= {path for path, entry in packages.items() if entry.get("link") and entry.get("resolved") in {*folders}}
    written = {path: entry for path, entry in packages.items() if path in kept}
    if "" in written:
        written[""] = {key: value for key, value in written[""].items() if key != "workspaces"}
        if "workspaces" in manifest:
            written[""]["workspaces"] = manifest["workspaces"]
    head = {key: value for key, value in lock.items() if key not in ("packages", "dependencies")}
    return json.dumps({**head, "lockfileVersion": 3, "packages": written}, ensure_ascii=False)


def _resolve(packages: Mapping[str, Any], path: str, name: str) -> str | None:
    """Resolves a package's dependency as Node does: first in the package's folder, then in its parents."""
    return next((candidate for folder in _search_path(path) if (candidate := folder + name) in packages), None)


@lru_cache(maxsize=1 << 14)
def _search_path(path: str) -> tuple[str, ...]:
    above = _search_path(posixpath.dirname(path)) if path else ()
    return above if posixpath.basename(path) == _FOLDER else (posixpath.join(path, _FOLDER, ""), *above)
