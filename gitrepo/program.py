"""Runs the `git` program."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_KEPT = (
    "GIT_ASKPASS",
    "GIT_AUTHOR_",
    "GIT_CEILING_DIRECTORIES",
    "GIT_COMMITTER_",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_EXEC_PATH",
    "GIT_HTTP_",
    "GIT_PROXY_",
    "GIT_SSH",
    "GIT_SSL_",
)
"""Variables to pass on: committer, settings locations, and access to a partial clone's remote.

GIT_DIR, GIT_INDEX_FILE and similar variables are dropped: if a hook or an outer `git` sets them, they point to another
repository.
"""
_VARIABLES = {
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",  # read the original objects, not their replacements
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_SETTINGS = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.splitIndex=false",
    "gc.auto=0",
    "i18n.logOutputEncoding=UTF-8",
    "maintenance.auto=false",
    "user.useConfigOnly=true",
)
OLDEST = "2.25"


class GitError(Exception):
    """`git` is missing, too old, or failed; the message is the one that `git` printed, if any."""


@dataclass(frozen=True)
class Git:
    """Runs `git` in a single folder."""

    folder: Path

    def run(self, *arguments: str, stdin: bytes = b"", **variables: str) -> bytes:
        """Return the output. Raises GitError if the command fails."""
        result = self.try_run(*arguments, stdin=stdin, **variables)
        if result.returncode != 0:
            raise git_error(arguments[0], result.returncode, result.stderr)
        return result.stdout

    def line(self, *arguments: str, stdin: bytes = b"", **variables: str) -> str:
        """Return the output without its final newline. Raises GitError if the command fails."""
        return os.fsdecode(self.run(*arguments, stdin=stdin, **variables).removesuffix(b"\n"))

    def try_run(self, *arguments: str, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
        """Return the result, regardless of its exit status. Raises GitError if `git` is missing."""
        with _started():
            return subprocess.run(
                self._command(arguments), input=stdin, capture_output=True, env=_environment(variables)
            )

    def start(self, messages: IO[bytes], *arguments: str) -> subprocess.Popen[bytes]:
        """Start a process and read its output while it runs; standard error goes to `messages`."""
        with _started():
            return subprocess.Popen(
                self._command(arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                env=_environment({}),
            )

    def _command(self, arguments: Sequence[str]) -> list[str]:
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        return ["git", "--no-pager", *settings, "-C", str(self.folder), *arguments]


def git_error(command: str, status: int, messages: bytes) -> GitError:
    """Return the error for a failed command."""
    lines = [line.strip() for line in messages.decode(errors="replace").splitlines() if line.strip()]
    text = "\n".join(map(_without_prefix, lines))
    return GitError(f"git: {text}" if text else f"`git {command}` failed with exit status {status}")


@contextmanager
def _started() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GitError(f"git could not be started ({error.strerror}); install Git {OLDEST} or newer") from None


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(_KEPT)}
    return {**kept, **_VARIABLES, **variables}


def _without_prefix(line: str) -> str:
    return line.removeprefix("fatal: ").removeprefix("error: ")
