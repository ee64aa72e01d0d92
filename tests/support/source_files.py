"""The files of a folder, without what tools put there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

GENERATED = ("__pycache__", "node_modules", "sdks", "venv")
"""Names of folders that tools create and Git ignores; `pulumi package add` creates infra/components/venv."""
_NO_PRODUCT = ("benchmarks", "tests")


def source_files(folder: Path, pattern: str = "*.py") -> Iterator[Path]:
    """The files below a folder whose names match, in order, except in hidden and generated folders.

    Also works outside of a Git repository, as in the copies of a checkout that tests make.
    """
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in GENERATED)
        yield from (Path(path, name) for name in sorted(names) if fnmatch(name, pattern))


def product_packages(checkout: Path) -> list[str]:
    """The packages of the product's Python, right below a checkout."""
    packages = (path.parent.name for path in checkout.glob("*/__init__.py"))
    return sorted(name for name in packages if name not in _NO_PRODUCT)
