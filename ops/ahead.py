"""What is started before the command line is read, which takes typer a while.

This module imports little.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from localcloud.engine.program import start_ahead

PROGRAM_COMMANDS = frozenset({"plan", "preview", "up"})
"""Commands that run a stack's program first of all."""
CHECKOUT = Path(__file__).parents[1]
_DIRECTORY_OPTIONS = ("-C", "--cwd")


def start_program(arguments: Sequence[str]) -> None:
    """Start the program's process for a command that will need it; what is wrong with the words is said later."""
    if not arguments or arguments[0] not in PROGRAM_COMMANDS or "--help" in arguments:
        return
    directory = _directory(arguments)
    if (directory / "Pulumi.yaml").is_file():
        start_ahead(directory)


def _directory(arguments: Sequence[str]) -> Path:
    for word, after in pairwise(arguments):
        if word in _DIRECTORY_OPTIONS:
            return Path(after)
        if after.startswith("--cwd="):
            return Path(after.removeprefix("--cwd="))
    return CHECKOUT
