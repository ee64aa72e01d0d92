"""Failures by cause: one line per cause, regardless of how many stacks or resources it affects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ops.operation_record import Diagnostic
from ops.report.text import Line, counted, safe
from ops.steps import name_of

_FEW = 5
_CLIENT = "scaleway-sdk-go: "
"""Prefix of each error from the provider's Scaleway client."""
_RESOURCE_SPECIFIC = re.compile(r": provider=\S+$|\bget \"?[^\s\"]+\"?: ", re.IGNORECASE)
"""Parts of an error that differ between resources: the provider's log suffix and the failed request."""


def by_cause(problems: Mapping[str, str]) -> dict[str, list[str]]:
    """Names grouped by reason; reasons that differ only in the name itself count as the same."""
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


def skipped_lines(problems: Mapping[str, str]) -> Iterator[Line]:
    """The skipped items, one line per cause; commands print these last."""
    for reason, names in by_cause(problems).items():
        yield Line.of(("Skipped ", "bold red"), (", ".join(names), "bold"), f": {safe(reason)}")


def cause_of(message: str) -> str:
    """The Scaleway client's error, without the resource names that the provider and the CLI prepend."""
    text = _RESOURCE_SPECIFIC.sub("", " ".join(message.split()))
    _, separator, cause = text.rpartition(_CLIENT)
    return cause if separator else text


def merged(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Merge errors with the same cause into one; other diagnostics are unchanged."""
    groups: dict[object, list[Diagnostic]] = {}
    for each in diagnostics:
        is_mergeable = each.severity == "error" and each.urn
        groups.setdefault(cause_of(each.message) if is_mergeable else each, []).append(each)
    return [group[0] if len(group) == 1 else _combined(group) for group in groups.values()]


def _combined(group: list[Diagnostic]) -> Diagnostic:
    names = few(sorted(name_of(each.urn) for each in group))
    return Diagnostic("error", f"{counted(len(group), 'resource')} ({names}): {cause_of(group[0].message)}")
