"""Confirmation prompts on the terminal."""

from __future__ import annotations

import sys
import termios

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.output import clean
from ops.stacks import Stack

DECLINED = "Not confirmed; nothing was changed."


def confirm(question: str, declined: str = DECLINED) -> None:
    """Ask a yes-or-no question. Raises OpsError if the answer is not yes, or there is no terminal.

    ``declined`` is the error for any other answer, for commands that have already changed something.
    """
    if _answer(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise OpsError(declined, ExitCode.CANCELLED)


def confirm_by_name(stack: Stack) -> None:
    """Confirm the destruction of a stack. On the real Scaleway, the user must type the stack's full name."""
    if stack.is_local:
        confirm(f"Destroy all resources of {stack.name}?")
    else:
        confirm_name(f"Type {stack.name} to destroy all of its resources: ", stack.name)


def confirm_name(question: str, name: str) -> None:
    """Ask the user to type ``name``. Raises OpsError if the answer differs or there is no terminal."""
    if _answer(question) != name:
        raise OpsError(DECLINED, ExitCode.CANCELLED)


def require_terminal() -> None:
    """Raises OpsError if questions cannot be answered, for commands that ask only after doing other work."""
    if not sys.stdin.isatty():
        raise OpsError(
            "This command requires confirmation, but standard input is not a terminal. Confirm with --yes. Nothing "
            "was changed.",
            ExitCode.USAGE,
        )


def _answer(question: str) -> str:
    require_terminal()
    termios.tcflush(sys.stdin, termios.TCIFLUSH)  # discard input typed before the question
    try:
        return input(clean(question)).strip()
    except EOFError:
        print()  # end the prompt's line
        return ""
    except KeyboardInterrupt:
        print()
        raise
