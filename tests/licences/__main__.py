"""Lists the licence of every production dependency and compares it with the allow-list: `scripts/licences`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.licences.packages import SourceError, npm_packages, python_packages
from tests.licences.policy import LicencePolicy, PolicyError

ROOT = Path(__file__).resolve().parents[2]


def main(root: Path = ROOT) -> int:
    """Print the list; give 1 when a licence is not allowed or not known, or when the lists disagree."""
    argparse.ArgumentParser(
        prog="scripts/licences",
        description="List name, version and licence of every package in requirements-local.txt and every production "
        "package in apps/package-lock.json. Fails when a licence is not in [tool.licences] of pyproject.toml.",
    ).parse_args()
    try:
        policy = LicencePolicy.read(root / "pyproject.toml")
        installed, elsewhere = python_packages(root / "requirements-local.txt")
        packages = installed + npm_packages(root / "apps" / "package-lock.json")
    except (PolicyError, SourceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for package in packages:
        print(f"{package.source:<6}  {package.name:<42}  {package.version:<12}  {policy.licence_of(package)}")
    if elsewhere:
        print(f"Not checked, as they are for other platforms: {', '.join(elsewhere)}.")
    problems = policy.problems(packages, elsewhere)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not problems:
        print(f"{len(packages)} packages, all with allowed licences.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
