"""Policy results as text and Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ops.report.markdown import LIMIT, code
from ops.report.text import Line, counted, safe

if TYPE_CHECKING:
    from policy.rules import PolicyResult

_ROOM = LIMIT // 4
"""Maximum number of characters for the policy results in a comment."""


def policy_lines(verdict: PolicyResult) -> Iterator[Line]:
    """Lines for terminals and logs; empty if there is nothing to report."""
    if verdict.violations:
        yield Line.of((f"Policies: {counted(len(verdict.violations), 'violation')}", "bold red"))
    for violation in verdict.violations:
        about = f"{violation.property} {safe(violation.found)}"
        yield Line.of("  ", (violation.resource, "bold"), f": {about}  ", (violation.rule.name, "red"))
        yield Line.of((f"    {violation.rule.rationale} {violation.remedy}", "dim"))
    for violation, exemption in verdict.exempted:
        about = f"{violation.resource}: {violation.property} {safe(violation.found)}"
        yield Line.of(("Exempted", "yellow"), f" from {violation.rule.name}: {about}: {safe(exemption.reason)}")
    for exemption in verdict.unused:
        yield Line.of(
            ("warning", "yellow"),
            f": the exemption of {exemption.resource} from {exemption.rule} is unused: remove it from snu:policies",
        )


def policy_markdown(result: PolicyResult, room: int = _ROOM) -> list[str]:
    """Lines for a comment, violations first, as many as fit in ``room`` characters."""
    lines = [
        f"- {code(violation.resource)}: {code(f'{violation.property} {violation.found}')}, rule "
        f"{code(violation.rule.name)}. {violation.rule.rationale} {violation.remedy}"
        for violation in result.violations
    ]
    lines += [
        f"- exempted from {code(violation.rule.name)}: {code(f'{violation.resource} {violation.property}')}, because: "
        f"{code(exemption.reason)}"
        for violation, exemption in result.exempted
    ]
    lines += [
        f"- unused exemption: {code(exemption.resource)} from {code(exemption.rule)}" for exemption in result.unused
    ]
    if not lines:
        return []
    kept = 0
    while kept < len(lines) and len(lines[kept]) + 1 <= room:
        room -= len(lines[kept]) + 1
        kept += 1
    more = [f"- … and {counted(len(lines) - kept, 'more line')}"] if kept < len(lines) else []
    title = counted(len(result.violations), "violation") if result.violations else "no violations"
    return [f"**Policies: {title}**", "", *lines[:kept], *more, ""]
