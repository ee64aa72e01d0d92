"""Starts the `git` program."""

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
"""Who commits, where settings are, and how a partial clone reaches its remote.

What a hook or an outer `git` sets is not among them: GIT_DIR, GIT_INDEX_FILE and their like name another repository.
"""
_VARIABLES = {
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",  # an object's name is what its content is called
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
    """`git` is missing, too old, or refused; the message is what it said."""


@dataclass(frozen=True)
class Git:
    """The program, started in one folder."""

    folder: Path

    def run(self, *arguments: str, stdin: bytes = b"", **variables: str) -> bytes:
        """Its output. Raises GitError where it fails."""
        ended = self.try_run(*arguments, stdin=stdin, **variables)
        if ended.returncode != 0:
            raise git_error(arguments[0], ended.returncode, ended.stderr)
        return ended.stdout

    def line(self, *arguments: str, stdin: bytes = b"", **variables: str) -> str:
        """Its output, without the end of its last line. Raises GitError where it fails."""
        return os.fsdecode(self.run(*arguments, stdin=stdin, **variables).removesuffix(b"\n"))

    def try_run(self, *arguments: str, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
        """However it ends; for commands whose status is an answer. Raises GitError where there is no `git`."""
        with _started():
            return subprocess.run(
                self._command(arguments), input=stdin, capture_output=True, env=_environment(variables)
            )

    def start(self, messages: IO[bytes], *arguments: str) -> subprocess.Popen[bytes]:
        """A process whose output is read while it runs. `messages` gets its standard error."""
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
    """The error of a process that failed."""
    lines = [line.strip() for line in messages.decode(errors="replace").splitlines() if line.strip()]
    said = "\n".join(map(_without_prefix, lines))
    return GitError(f"git: {said}" if said else f"`git {command}` ended with status {status}")


@contextmanager
def _started() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GitError(f"git cannot be started ({error.strerror}): install it, {OLDEST} or newer") from None


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(_KEPT)}
    return {**kept, **_VARIABLES, **variables}


def _without_prefix(line: str) -> str:
    return line.removeprefix("fatal: ").removeprefix("error: ")
