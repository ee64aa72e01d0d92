"""Errors that are reported to the user."""

from __future__ import annotations

from ops.exit_codes import ExitCode


class OpsError(Exception):
    """An error that the user can fix. The message states what was found, where, and what to do."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code
