"""Opens a secret in the user's editor, in a private file that is deleted afterwards."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import without_own_secrets

_DEFAULT = "vi"
_QUIET_VIM = ("-n", "-i", "NONE", "-c", "silent! set nobackup nowritebackup noundofile")
"""Options of Vim and Neovim, which would otherwise keep swap files, undo files and registers in other directories."""
_SECONDS_TO_END = 5.0
_KEYS = ("SCW_ACCESS_KEY", "SCW_SECRET_KEY", "SNU_SOURCE_SECRET_KEY", "PULUMI_CONFIG_PASSPHRASE")


class EditedFile:
    """The file that is edited. Its directory is private, and in memory if possible."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self._path = path
        self._command = _command(environ)
        # Temporary files of the editor and its plugins are deleted with the directory.
        inherited = {name: value for name, value in without_own_secrets(environ).items() if name not in _KEYS}
        self._environ = inherited | {"TMPDIR": str(path.parent)}

    @classmethod
    @contextmanager
    def created(cls, name: str, content: bytes, environ: Mapping[str, str]) -> Iterator[Self]:
        """Create the file. It is deleted at the end of the block, with everything else in its directory."""
        with tempfile.TemporaryDirectory(prefix="snu-", dir=_directory(environ)) as directory:
            path = Path(directory) / name
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
            yield cls(path, environ)

    def edit(self) -> bytes:
        """Open the editor, wait until it exits, and return the file's content.

        Ctrl-C is left to the editor; any other signal that ends this command also ends the editor. Raises OpsError if
        the editor cannot be started or does not exit with status 0, or if the file is gone.
        """
        try:
            process = subprocess.Popen([*self._command, str(self._path)], env=self._environ)
        except OSError as error:
            raise OpsError(
                f"The editor {self._command[0]} could not be started: {error.strerror}. Nothing was changed. Set "
                "VISUAL or EDITOR to an installed editor.",
                ExitCode.ENVIRONMENT,
            ) from None
        former = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            status = process.wait()
        finally:
            _end(process)
            signal.signal(signal.SIGINT, former)
        if status:
            how = f"exited with status {status}" if status > 0 else f"was terminated by {signal.Signals(-status).name}"
            raise OpsError(f"The editor {self._command[0]} {how}. Nothing was changed.", ExitCode.CANCELLED)
        try:
            return self._path.read_bytes()
        except OSError:
            raise OpsError("The edited file no longer exists. Nothing was changed.", ExitCode.CANCELLED) from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Terminate the editor if it is still running."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _command(environ: Mapping[str, str]) -> list[str]:
    text = environ.get("VISUAL") or environ.get("EDITOR") or _DEFAULT
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    if not words:
        raise OpsError("VISUAL or EDITOR is not a valid command. Nothing was changed.", ExitCode.ENVIRONMENT)
    # `vi` and `editor` are often links to Vim.
    program = Path(shutil.which(words[0], path=environ.get("PATH")) or words[0]).resolve().name
    return [words[0], *(_QUIET_VIM if program.startswith(("vim", "nvim")) else ()), *words[1:]]


def _directory(environ: Mapping[str, str]) -> str | None:
    """A directory in memory, so that the file never reaches a disk; None for the default directory."""
    for directory in (environ.get("XDG_RUNTIME_DIR"), "/dev/shm"):  # noqa: S108 - a private directory is created in it
        if directory and Path(directory).is_dir() and os.access(directory, os.W_OK | os.X_OK):
            return directory
    return None
