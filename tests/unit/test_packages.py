"""Each part of the project imports only packages of the lock file that is installed where the part is used."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.source_files import source_files

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
"""The project's own packages, those of type checkers, and those of Python since 3.14."""
DEPLOY = "requirements-deploy.txt"
"""What deployments to the real Scaleway need: no Docker, no server."""
BUILD = "requirements.txt"
LOCAL = "requirements-local.txt"
DEV = "requirements-dev.txt"
BUILDERS = ("infra/components/images.py", "ops/images/docker.py")
"""Modules that build images: imported only when one is to be built."""
PARTS = {
    DEPLOY: ("infra", "policy", "ops", "gitrepo", "pulumi_state", "engine", "scaleway_facts"),
    BUILD: BUILDERS,
    LOCAL: ("localcloud",),
}


def locked(lock: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+)==", (ROOT / lock).read_text(), re.MULTILINE))


def imported(source: str) -> Iterator[str]:
    """Top-level packages imported anywhere in the file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            # A namespace package such as google: the name below it tells the distribution.
            yield node.module if node.module.startswith("google.") else node.module.partition(".")[0]


def modules(lock: str) -> Iterator[Path]:
    for part in (ROOT / part for part in PARTS[lock]):
        for path in [part] if part.is_file() else source_files(part):
            if lock == BUILD or str(path.relative_to(ROOT)) not in BUILDERS:
                yield path


@cache
def _distributions() -> dict[str, list[str]]:
    return {**packages_distributions(), "google.protobuf": ["protobuf"]}


def packages_of(path: Path) -> Iterator[tuple[str, set[str]]]:
    """The packages that a module imports, each with the distributions that have it."""
    distributions = _distributions()
    for package in set(imported(path.read_text())) - KNOWN - sys.stdlib_module_names:
        package = "google.protobuf" if package.startswith("google.protobuf") else package
        yield package, {normalized(name) for name in distributions.get(package, [package])}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", PARTS)
def test_imported_packages_are_locked(lock: str) -> None:
    names, packages = locked(lock), set()
    for path in modules(lock):
        for package, owners in packages_of(path):
            packages.add(package)
            assert owners & names, f"{path.relative_to(ROOT)} imports {package}, which {lock} does not have"
    assert ("docker" if lock == BUILD else "httpx") in packages


@pytest.mark.parametrize(
    ("project", "parts"),
    [
        (".", ("engine", "gitrepo", "infra", "ops", "policy", "pulumi_state", "scaleway_facts")),
        ("localcloud", ("localcloud", "scaleway_facts")),
    ],
)
def test_a_distribution_declares_what_it_imports(project: str, parts: tuple[str, ...]) -> None:
    """What another dependency happens to bring may be gone with its next release."""
    file = tomllib.loads((ROOT / project / "pyproject.toml").read_text())
    requirements = file["project"]["dependencies"] + file.get("dependency-groups", {}).get("build", [])
    names = {normalized(re.split(r"[\[;<>=~ ]", requirement)[0]) for requirement in requirements}
    for path in (path for part in parts for path in source_files(ROOT / part)):
        for package, owners in packages_of(path):
            assert owners & names, f"{path.relative_to(ROOT)} imports {package}, which {project}/pyproject.toml lacks"


def test_each_lock_file_adds_to_the_one_before() -> None:
    assert locked(DEPLOY) < locked(BUILD) < locked(LOCAL) < locked(DEV)


def test_a_deployment_installs_neither_a_server_nor_moto() -> None:
    assert not locked(DEPLOY) & {"docker", "moto", "pulumi-docker", "uvicorn"}


@pytest.mark.parametrize("lock", [DEPLOY, BUILD, LOCAL, DEV])
def test_a_lock_file_has_hashes_and_no_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all(" --hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "--index" not in text


@pytest.mark.parametrize("lock", [DEPLOY, BUILD, LOCAL, DEV])
def test_the_documentation_has_the_number_of_packages(lock: str) -> None:
    """Counted as the page says, with the project itself."""
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}
    python = {"python_version": "3.11", "python_full_version": "3.11.7", "platform_python_implementation": "CPython"}
    requirements = re.findall(r"^([\w.-]+==.*?) *\\?$", (ROOT / lock).read_text(), re.MULTILINE)
    parsed = [Requirement(each) for each in requirements]
    number = sum(each.marker is None or each.marker.evaluate({**linux, **python}) for each in parsed) + 1
    page = (ROOT / "docs/reference/installation.md").read_text()
    (option,) = re.findall(rf"^\| `{re.escape(lock)}` \| `(--\w+)`", page, re.MULTILINE)
    (row,) = re.findall(rf"^\| `scripts/bootstrap {option}` .*", page, re.MULTILINE)
    assert row.endswith(f"| {number} |"), f"{lock}: {number} packages"
