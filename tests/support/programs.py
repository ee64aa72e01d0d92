"""Programs that some tests need and that not every machine has.

A test that needs one is marked ``@needs("pulumi")``, or calls `skip_without`. Where the program is missing the test is
skipped; where the run was told to ``--require`` it, the test fails.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

ALL = "all"
PULUMI = ("pulumi", "pulumi-language-python", "pulumi-resource-scaleway")
"""The real CLI, and what it runs the program and its resources with."""
_PLUGIN_FOLDERS = (
    "~/.docker/cli-plugins",
    *(f"{root}/docker/cli-plugins" for root in ("/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec")),
)
"""Where the Docker CLI looks for its plugins, such as ``docker-buildx``."""
_required: set[str] = set()


def needs(*programs: str) -> pytest.MarkDecorator:
    """Marks tests that need these programs on PATH, or as a plugin of the Docker CLI."""
    return pytest.mark.needs(*programs)


def find(program: str) -> str | None:
    """The path of a program, or of a plugin of the Docker CLI."""
    plugins = os.pathsep.join(str(Path(folder).expanduser()) for folder in _PLUGIN_FOLDERS)
    return shutil.which(program) or shutil.which(program, path=plugins)


def missing(programs: Iterable[str]) -> list[str]:
    """Those that are not installed."""
    return [program for program in programs if find(program) is None]


def skip_without(program: str, reason: str) -> NoReturn:
    """Skip the test, or fail it where the program is required."""
    if _required & {program, ALL}:
        pytest.fail(f"required, and missing: {program}: {reason}", pytrace=False)
    pytest.skip(f"missing: {program}: {reason}")


def require(programs: Sequence[str]) -> None:
    """Let tests fail that lack one of these programs; ``all``: that lack any."""
    _required.update(programs)


def check(item: pytest.Item) -> None:
    """Skip or fail a test whose marks name a program that is missing."""
    for mark in item.iter_markers("needs"):
        for program in missing(mark.args):
            skip_without(program, "not installed")
