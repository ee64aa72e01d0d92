"""Output formats of ``snu graph``."""

from __future__ import annotations

from enum import StrEnum


class GraphFormat(StrEnum):
    """The values of ``--format``."""

    DOT = "dot"
    SVG = "svg"
    JSON = "json"
