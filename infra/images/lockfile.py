"""The part of npm's package-lock.json that some packages of a workspace need.

The format is npm's, "package-lock.json" in its documentation, `lockfileVersion` 2 and 3: all that is installed, by the
folder that it is installed in.
"""

import json
import posixpath
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from infra.images.workspace import DEPENDENCIES, dependencies_of

LOCK_FILE = "package-lock.json"
OTHER_LOCK_FILES = ("npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb")
"""Taken as a whole: a change of any app's dependencies changes the versions of all."""

_FOLDER = "node_modules"
_INSTALLED = ("dependencies", "optionalDependencies", "peerDependencies")


def is_prunable(lock: Mapping[str, Any]) -> bool:
    """Whether the lock file says by folder what is installed: version 1 did not."""
    return isinstance(lock.get("packages"), dict)


def pruned_lock(lock: Mapping[str, Any], manifest: Mapping[str, Any], folders: Iterable[str]) -> str:
    """The lock file of a workspace that has only these packages; `manifest` is its root's, cut in the same way."""
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
    """Where a package finds a dependency, as Node looks for it: in its own folder, then in those above it."""
    return next((found for folder in _search_path(path) if (found := folder + name) in packages), None)


@lru_cache(maxsize=1 << 14)
def _search_path(path: str) -> tuple[str, ...]:
    above = _search_path(posixpath.dirname(path)) if path else ()
    return above if posixpath.basename(path) == _FOLDER else (posixpath.join(path, _FOLDER, ""), *above)
