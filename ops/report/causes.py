"""What could not be looked at: one line for each cause, whatever the number of stacks or resources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ops.operation_record import Diagnostic
from ops.report.text import Line, counted, safe
from ops.steps import name_of

_FEW = 5
_CLIENT = "scaleway-sdk-go: "
"""Before each error of the provider's client for Scaleway."""
_OF_ONE = re.compile(r": provider=\S+$|\bget \"?[^\s\"]+\"?: ", re.IGNORECASE)
"""What follows an error in the provider's log, and the request that failed: each resource has its own."""


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


def cause_of(message: str) -> str:
    """What Scaleway's client said, without the resource that each layer of the provider and the CLI puts before it."""
    text = _OF_ONE.sub("", " ".join(message.split()))
    _, found, cause = text.rpartition(_CLIENT)
    return cause if found else text


def merged(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """One error for the resources that failed for one cause; everything else as it is."""
    groups: dict[object, list[Diagnostic]] = {}
    for each in diagnostics:
        is_mergeable = each.severity == "error" and each.urn
        groups.setdefault(cause_of(each.message) if is_mergeable else each, []).append(each)
    return [group[0] if len(group) == 1 else _of_all(group) for group in groups.values()]


def _of_all(group: list[Diagnostic]) -> Diagnostic:
    names = few(sorted(name_of(each.urn) for each in group))
    return Diagnostic("error", f"{counted(len(group), 'resource')} ({names}): {cause_of(group[0].message)}")
