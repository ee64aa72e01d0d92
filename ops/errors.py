"""Errors that are reported to the user."""

from __future__ import annotations

from ops.exit_codes import ExitCode


class OpsError(Exception):
    """An error that the user can fix. The message states what was found, where, and what to do."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


class UnknownNameError(OpsError):
    """A stack, app or job does not exist. The command line adds the right command if another argument is the stack."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message, ExitCode.USAGE)
        self.name = name
