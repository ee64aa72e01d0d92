"""Questions to whoever sits at the terminal."""

from __future__ import annotations

import sys
import termios

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.output import clean
from ops.stacks import Stack


def confirm(question: str) -> None:
    """Ask on the terminal. Raises OpsError when the answer is not yes, or nobody is there."""
    if _answer(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise OpsError("Not confirmed; nothing was changed.", ExitCode.CANCELLED)


def confirm_by_name(stack: Stack) -> None:
    """As ``confirm``; the name of a stack on the real Scaleway must be typed in full."""
    if stack.is_local:
        confirm(f"Destroy all of {stack.name}?")
    else:
        confirm_name(f"Type {stack.name} to destroy all of it: ", stack.name)


def confirm_name(question: str, name: str) -> None:
    """As ``confirm``; the answer must be the name."""
    if _answer(question) != name:
        raise OpsError("Not confirmed; nothing was changed.", ExitCode.CANCELLED)


def _answer(question: str) -> str:
    if not sys.stdin.isatty():
        raise OpsError(f"{question.strip()} There is no terminal to ask on: give --yes if you mean it.", ExitCode.USAGE)
    termios.tcflush(sys.stdin, termios.TCIFLUSH)  # what was typed before the question does not answer it
    try:
        return input(clean(question)).strip()
    except EOFError:
        return ""
