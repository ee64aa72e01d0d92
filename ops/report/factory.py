"""The display that fits where the output goes."""

from __future__ import annotations

import sys
from typing import TextIO

from ops.operation_record import Diagnostic
from ops.report.base import Display, Printer, is_plain
from ops.report.plain import PlainDisplay, PlainPrinter
from ops.report.summary import diagnostic_lines
from ops.report.text import Line


def display_for(
    stream: TextIO, title: str, *, preview: bool, properties: bool = True, all_properties: bool = False
) -> Display:
    """``title`` says what goes on; ``properties`` shows what changes in updated resources, ``all_properties``
    also what created and deleted ones have."""
    if is_plain(stream):
        return PlainDisplay(stream, title, preview=preview, properties=properties, all_properties=all_properties)
    from ops.report.terminal import TerminalDisplay

    return TerminalDisplay(stream, title, preview=preview, properties=properties, all_properties=all_properties)


def printer_for(stream: TextIO) -> Printer:
    if is_plain(stream):
        return PlainPrinter(stream)
    from ops.report.terminal import TerminalPrinter

    return TerminalPrinter(stream)


def say(what: str, found: str) -> None:
    """One step, as it is done."""
    printer_for(sys.stdout).print([Line.of((what, "bold"), f": {found}")])
    sys.stdout.flush()


def warn(message: str, stream: TextIO) -> None:
    """A warning; the lines after its first are indented."""
    printer_for(stream).print(diagnostic_lines(Diagnostic("warning", message)))
