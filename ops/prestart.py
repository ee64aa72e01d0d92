"""What is started before the command line is read, which takes typer a while.

This module imports little.
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
"""Commands that run a stack's program first of all."""
_DIRECTORY_OPTIONS = ("-C", "--cwd")


def start_program(arguments: Sequence[str]) -> None:
    """Start the program's process for a command that will need it; what is wrong with the words is said later."""
    if not arguments or arguments[0] not in PROGRAM_COMMANDS or "--help" in arguments:
        return
    with suppress(OpsError):
        start_ahead(project_dir(_directory(arguments)), process_environment())


def _directory(arguments: Sequence[str]) -> Path | None:
    """As the options say; None where they do not."""
    for word, after in pairwise(arguments):
        if word in _DIRECTORY_OPTIONS:
            return Path(after)
        if after.startswith("--cwd="):
            return Path(after.removeprefix("--cwd="))
    return None
