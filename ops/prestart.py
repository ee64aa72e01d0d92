"""Starts the program's process early, because typer is slow to parse the command line.

This module imports as little as possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from ops.engines.program.process import start_ahead
from ops.errors import OpsError
from ops.process_environment import process_environment
from ops.stacks import project_dir

PROGRAM_COMMANDS = frozenset({"plan", "preview", "up"})
"""Commands that start by running a stack's program."""
_DIRECTORY_OPTIONS = ("-C", "--cwd")
_HELP_OPTIONS = {"-h", "--help"}


def start_program(arguments: Sequence[str]) -> None:
    """Start the program's process if the command will need it; invalid arguments are reported later."""
    if not arguments or arguments[0] not in PROGRAM_COMMANDS or not _HELP_OPTIONS.isdisjoint(arguments):
        return
    if list(arguments[:2]) == ["plan", "discard"]:
        return
    with suppress(OpsError):
        start_ahead(project_dir(_directory(arguments)), process_environment())


def _directory(arguments: Sequence[str]) -> Path | None:
    """The folder given by an option, or None."""
    for word, after in pairwise(arguments):
        if word in _DIRECTORY_OPTIONS:
            return Path(after)
        if after.startswith("--cwd="):
            return Path(after.removeprefix("--cwd="))
    return None
