"""Programs that some tests need and that not every machine has.

A test that needs one is marked ``@needs("pulumi")``, or calls `skip_without`. Where the program is missing the test is
skipped; where the run was told to ``--require`` it, the test fails.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from typing import NoReturn

import pytest

ALL = "all"
PULUMI = ("pulumi", "pulumi-language-python", "pulumi-resource-scaleway")
"""The real CLI, and what it runs the program and its resources with."""
_required: set[str] = set()


def needs(*programs: str) -> pytest.MarkDecorator:
    """Marks tests that need these programs on PATH."""
    return pytest.mark.needs(*programs)


def missing(programs: Iterable[str]) -> list[str]:
    """Those that are not on PATH."""
    return [program for program in programs if shutil.which(program) is None]


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
            skip_without(program, "not on PATH")
