"""A line that shows what a command is waiting for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from ops.report.base import is_plain

Progress = Callable[[str], None]


@contextmanager
def progress_for(stream: TextIO) -> Iterator[Progress]:
    """On a terminal, each text replaces the previous one; elsewhere, each new text is printed on its own line."""
    if is_plain(stream):
        yield _Lines(stream)
        return
    from ops.report.console import CleanConsole

    console = CleanConsole(stream)
    status = console.status("")

    def show(text: str) -> None:
        status.update(text.replace("[", r"\["))
        status.start()

    try:
        yield show
    finally:
        status.stop()


@contextmanager
def spinner_for(stream: TextIO, text: str) -> Iterator[None]:
    """Show ``text`` on a terminal while the block runs; elsewhere, show nothing."""
    if is_plain(stream):
        yield
        return
    with progress_for(stream) as progress:
        progress(text)
        yield


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = ""

    def __call__(self, text: str) -> None:
        if text != self._last:
            self._last = text
            print(text, file=self._stream, flush=True)
