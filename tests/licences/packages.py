"""Production dependencies, each with the licence that it declares."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

_UNKNOWN = "UNKNOWN"
"""What pip-licenses prints for a field that is not set."""
_REQUIREMENT = re.compile(r"^[a-zA-Z0-9].*?(?=\s*\\?$)", re.MULTILINE)


class SourceError(Exception):
    """The dependencies cannot be read."""


@dataclass(frozen=True)
class Package:
    """A dependency."""

    source: str
    """`python` or `npm`."""
    name: str
    version: str
    declared: str
    """As in its metadata: an SPDX expression or any other text, with `;` between several; empty if there is none."""


def python_packages(lock: Path) -> tuple[list[Package], list[str]]:
    """The packages of a lock file that are for this platform, and the names of those that are not.

    Raises SourceError for one that is not installed.
    """
    requirements = [Requirement(found[0]) for found in _REQUIREMENT.finditer(lock.read_text(encoding="utf-8"))]
    names: dict[NormalizedName, bool] = {}
    for each in requirements:  # a package may have one version for each of several Pythons
        here = each.marker is None or each.marker.evaluate()
        names[canonicalize_name(each.name)] = here or names.get(canonicalize_name(each.name), False)
    entries = {canonicalize_name(entry["Name"]): entry for entry in _pip_licenses()}
    missing = [name for name, needed in names.items() if needed and name not in entries]
    if missing:
        raise SourceError(f"{lock.name}: {', '.join(missing)} not installed in .venv. Run scripts/bootstrap --dev.")
    packages = [
        Package("python", name, entries[name]["Version"], declared(entries[name]))
        for name, needed in sorted(names.items())
        if needed
    ]
    return packages, sorted(name for name, needed in names.items() if not needed)


def declared(entry: Mapping[str, str]) -> str:
    """The licence in an entry of pip-licenses: the SPDX expression, or else the classifiers, or else the free text."""
    for field in ("License-Expression", "License-Classifier", "License-Metadata"):
        if entry[field] != _UNKNOWN:
            return " ".join(entry[field].split())
    return ""


def _pip_licenses() -> list[dict[str, str]]:
    command = [sys.executable, "-m", "piplicenses", "--with-system", "--from=all", "--format=json"]
    entries: list[dict[str, str]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return entries


def npm_packages(lock: Path) -> list[Package]:
    """The packages of an npm lock file that are neither workspaces of this project nor for development only."""
    entries: dict[str, dict[str, Any]] = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    found = {
        Package("npm", path.rpartition("node_modules/")[2], entry["version"], str(entry.get("license", "")))
        for path, entry in entries.items()
        if "node_modules/" in path and not entry.get("dev") and not entry.get("link")
    }
    return sorted(found, key=lambda package: (package.name, package.version))
