"""Output streams that escape control characters instead of sending them to the terminal.

Names, messages and log lines come from Git, APIs and programs. On a terminal, control characters in them could hide or
rewrite other output, set the title or inject input.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters except tab and newline, and marks that change the text direction."""


def clean(text: str) -> str:
    """The text with control characters escaped, for example as ``\\u001b``, which is equivalent in JSON."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class OutputError(OSError):
    """The output could not be written, for example to a full disk."""


@contextmanager
def writing_output() -> Iterator[None]:
    """Raise OutputError for write errors other than a closed pipe."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.errno, error.strerror) from error


class CleanOutput(io.TextIOWrapper):
    """A stream that escapes control characters and replaces characters that its encoding cannot represent."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        encoding, line_buffering, write_through = stream.encoding, stream.line_buffering, stream.write_through
        super().__init__(
            stream.detach(), encoding, errors="replace", line_buffering=line_buffering, write_through=write_through
        )

    def write(self, text: str, /) -> int:
        return self.write_styled(clean(text))

    def write_styled(self, text: str, /) -> int:
        """Write styled text as it is; its content must have been escaped before it was styled."""
        with writing_output():
            return super().write(text)

    def flush(self) -> None:
        with writing_output():
            super().flush()


def clean_standard_output() -> None:
    """Replace standard output and standard error with clean streams. A closed stream discards all output."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = io.TextIOWrapper(io.BufferedWriter(io.FileIO(os.devnull, "w")), encoding="utf-8")
        if isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, CleanOutput(stream))
