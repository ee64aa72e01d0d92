"""Chooses a display for the output stream: terminal or plain text."""

from __future__ import annotations

import sys
from typing import TextIO

from ops.operation_record import Diagnostic
from ops.report.base import Display, Printer, is_coloured, is_plain
from ops.report.plain import PlainDisplay, PlainPrinter
from ops.report.summary import diagnostic_lines
from ops.report.text import Line


def display_for(
    stream: TextIO, title: str, *, preview: bool, properties: bool = True, all_properties: bool = False
) -> Display:
    """The display for one operation.

    ``title`` is its name; ``properties`` shows the changed properties of updated resources; ``all_properties`` also
    lists the properties of created and deleted resources.
    """
    if is_plain(stream):
        return PlainDisplay(stream, title, preview=preview, properties=properties, all_properties=all_properties)
    from ops.report.terminal import TerminalDisplay

    return TerminalDisplay(stream, title, preview=preview, properties=properties, all_properties=all_properties)


def printer_for(stream: TextIO) -> Printer:
    """A line printer that uses colour on a terminal or with FORCE_COLOR."""
    if not is_coloured(stream):
        return PlainPrinter(stream)
    from ops.report.terminal import TerminalPrinter

    return TerminalPrinter(stream)


def print_step(subject: str, result: str) -> None:
    """Print a completed step, such as ``bucket snu-state-ci: created``."""
    printer_for(sys.stdout).print([Line.of((subject, "bold"), f": {result}")])
    sys.stdout.flush()


def warn(message: str, stream: TextIO) -> None:
    """Print a warning, indenting all lines after the first."""
    printer_for(stream).print(diagnostic_lines(Diagnostic("warning", message)))
