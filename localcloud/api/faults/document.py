"""``python -m localcloud.api.faults.document FILE``: updates the fault tables in a documentation page."""

from __future__ import annotations

import sys
from pathlib import Path

from localcloud.api.faults.reference import tables

BEGIN, END = "<!-- tables: written by localcloud.api.faults.document -->\n", "<!-- end of tables -->\n"


def with_tables(page: str) -> str:
    """The page with up-to-date tables. Raises ``ValueError`` if the markers are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page does not contain the markers {BEGIN.strip()!r} and {END.strip()!r}")
    return before + begin + tables() + end + after


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(with_tables(document.read_text()))
