"""``python -m localcloud.api.faults.document FILE``: writes the tables of faults into their page."""

from __future__ import annotations

import sys
from pathlib import Path

from localcloud.api.faults.reference import tables

BEGIN, END = "<!-- tables: written by localcloud.api.faults.document -->\n", "<!-- end of tables -->\n"


def renewed(page: str) -> str:
    """The page with the tables as they are now. Raises ``ValueError`` where it has no place for them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError("the page has no place for the tables")
    return before + begin + tables() + end + after


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(renewed(document.read_text()))
