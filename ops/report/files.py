"""Writes output to a file, or to standard output if its name is ``-``."""

from __future__ import annotations

from pathlib import Path

from ops.errors import OpsError
from ops.exit_codes import ExitCode


def write_text(text: str, target: str) -> None:
    """Write the text and a newline. Raises OpsError when the file cannot be written."""
    if target == "-":
        print(text)
        return
    try:
        Path(target).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise OpsError(f"{target} cannot be written: {error.strerror}. Use another file.", ExitCode.USAGE) from error
