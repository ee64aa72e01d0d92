"""What could not be looked at: one line for each cause, whatever the number of stacks or resources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ops.display.text import Line, safe

_FEW = 5


def by_cause(problems: Mapping[str, str]) -> dict[str, list[str]]:
    """Names by why each could not be looked at; where a reason names what it is about does not matter."""
    any_name = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, problems))})(?![\w-])")
    reasons: dict[str, str] = {}
    names: dict[str, list[str]] = {}
    for name, problem in problems.items():
        reason = " ".join(problem.split()).removeprefix(f"{name}: ")
        names.setdefault(reasons.setdefault(any_name.sub("", reason), reason), []).append(name)
    return names


def few(names: list[str]) -> str:
    """``a, b, c, d, e and 8 more``."""
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more


def not_looked_at(problems: Mapping[str, str]) -> Iterator[Line]:
    """One line for each cause, last in what a command prints."""
    for reason, names in by_cause(problems).items():
        yield Line.of(("Not looked at: ", "bold red"), (", ".join(names), "bold"), f". {safe(reason)}")
