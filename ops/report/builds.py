"""Shows concurrent image builds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol, TextIO

from ops.report.base import is_plain
from ops.report.text import safe, seconds

_REFRESHES_PER_SECOND = 8


class BuildDisplay(Protocol):
    """Called from any thread with the image's name, the state of its build, and a line of output."""

    def __call__(self, image: str, state: str, line: str) -> None: ...


@contextmanager
def build_display(stream: TextIO) -> Iterator[BuildDisplay]:
    """On a terminal, show one line per image with its latest output; elsewhere, print a line for each new state."""
    if is_plain(stream):
        yield _Lines(stream)
        return
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    from ops.report.console import CleanConsole

    board = _Board()

    def render() -> Table:
        table = Table.grid(padding=(0, 2))
        for name, row in board.rows().items():
            style = {"done": "green", "failed": "bold red"}.get(row.state, "cyan")
            table.add_row(
                Text(f"  {name}", "bold"),
                Text(f"{row.state:<8}", style),
                Text(f"{seconds(row.elapsed()):>5}", "dim"),
                Text(row.line, "dim", no_wrap=True, overflow="ellipsis"),
            )
        return table

    console = CleanConsole(stream)
    with Live(get_renderable=render, console=console, refresh_per_second=_REFRESHES_PER_SECOND, transient=True):
        yield board


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._states: dict[str, str] = {}
        self._lock = Lock()

    def __call__(self, image: str, state: str, line: str) -> None:
        with self._lock:
            if self._states.get(image) != state:
                self._states[image] = state
                print(f"{image}: {state}{f' {line}' if line else ''}", file=self._stream, flush=True)


@dataclass
class _Row:
    state: str
    line: str
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None

    def elapsed(self) -> float:
        return (self.ended or time.monotonic()) - self.started


class _Board:
    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._lock = Lock()

    def __call__(self, image: str, state: str, line: str) -> None:
        with self._lock:
            row = self._rows.setdefault(image, _Row(state, ""))
            row.state, row.line = state, safe(line)
            if state in ("done", "failed"):
                row.ended = time.monotonic()

    def rows(self) -> dict[str, _Row]:
        with self._lock:
            return dict(sorted(self._rows.items()))
