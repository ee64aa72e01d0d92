"""Each part imports only packages of the lock file that is installed where the part is used."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {
    "infra",
    "policy",
    "ops",
    "engine",
    "localcloud",
    "gitrepo",
    "pulumi_state",
    "scaleway_facts",
    "_typeshed",
    "compression",
    "types_boto3_s3",
}
"""Ours, what type checkers bring, and what Python has from 3.14 on."""
PARTS = {
    "requirements-production.txt": ("infra", "policy", "ops", "gitrepo", "pulumi_state", "engine", "scaleway_facts"),
    "requirements.txt": ("localcloud",),
}


def locked(lock: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+)==", (ROOT / lock).read_text(), re.MULTILINE))


def imported(source: str) -> Iterator[str]:
    """Top-level packages, wherever in the file they are imported."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            # A package of namespaces, such as google: what is below it tells whose it is.
            yield node.module if node.module.startswith("google.") else node.module.partition(".")[0]


@pytest.mark.parametrize("lock", PARTS)
def test_what_is_imported_is_locked(lock: str) -> None:
    distributions = {**packages_distributions(), "google.protobuf": ["protobuf"]}
    names, found = locked(lock), set()
    for path in (path for part in PARTS[lock] for path in (ROOT / part).rglob("*.py")):
        for package in set(imported(path.read_text())) - KNOWN - sys.stdlib_module_names:
            package = "google.protobuf" if package.startswith("google.protobuf") else package
            owners = {re.sub(r"[-_.]+", "-", name).lower() for name in distributions.get(package, [package])}
            found.add(package)
            assert owners & names, f"{path.relative_to(ROOT)} imports {package}, which {lock} does not have"
    assert "httpx" in found


def test_production_is_part_of_all() -> None:
    assert locked("requirements-production.txt") < locked("requirements.txt") < locked("requirements-dev.txt")
