"""What was found of a stack, for a terminal, for an issue on GitHub, and for Slack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ops.drift.findings import StackDrift
from ops.external_changes import remedies_for
from ops.findings import Finding, FindingKind
from ops.report.markdown import LIMIT, Listed, code, fenced, lists_markdown
from ops.report.slack import escaped
from ops.report.text import Line, counted, safe
from ops.report.tree import change_line

_LOOKS = {
    FindingKind.CHANGED: ("~", "yellow"),
    FindingKind.DELETED: ("-", "red"),
    FindingKind.SCHEDULED: ("-", "red"),
    FindingKind.FAILED: ("!", "red"),
    FindingKind.ORPHAN: ("?", "magenta"),
}
_TITLES = {
    FindingKind.DELETED: "Gone from the cloud",
    FindingKind.CHANGED: "Changed in the cloud",
    FindingKind.SCHEDULED: "Scheduled for deletion",
    FindingKind.FAILED: "In error",
    FindingKind.ORPHAN: "In the project, and in no state",
}
_FOR_LISTS = LIMIT - 8_000
"""Characters; the rest is for what stands around the lists."""
_MOST_SAID = 6_000
_FEW = 10
"""Findings, and properties of each, that a message in Slack names."""
_LONGEST = 100


def document(drift: StackDrift) -> dict[str, Any]:
    """As ``--json`` prints it."""
    found = asdict(drift)
    del found["code"]
    for finding in found["findings"]:
        for change in finding["changes"]:
            del change["replaces"]
    return found


def headline(drift: StackDrift) -> str:
    """``1 changed, 2 deleted``; there is no drift only where everything could be looked at."""
    counts = ((len(drift.of(kind)), kind) for kind in FindingKind)
    plural = {FindingKind.ORPHAN: "orphans"}
    parts = [f"{number} {kind if number == 1 else plural.get(kind, kind)}" for number, kind in counts if number]
    if drift.problems:
        parts.append("not all looked at" if drift.resources else "not looked at")
    return ", ".join(parts) or "no drift"


def lines(drift: StackDrift) -> Iterator[Line]:
    style = "bold red" if drift.problems else "yellow" if drift.findings else "green"
    read = counted(drift.resources, "resource")
    yield Line.of((drift.stack, "bold"), "  ", (headline(drift), style), (f", {read} read", "dim"))
    for finding in drift.findings:
        yield from _finding_lines(finding)
    for way in remedies_for(drift.stack, drift.findings):
        yield Line.of(f"  {way}")
    for problem in drift.problems:
        head, *more = problem.splitlines()
        yield Line.of(("  not looked at: ", "bold red"), head)
        yield from (Line.of(f"    {text}") for text in more)


def _finding_lines(finding: Finding) -> Iterator[Line]:
    symbol, style = _LOOKS[finding.kind]
    about = f"  {finding.type}  {safe(finding.id)}  "
    yield Line.of((f"  {symbol} ", style), (safe(finding.name), "bold"), (about, "dim"), (finding.kind, style))
    for change in finding.changes:
        yield change_line(change).indented("      ")


def markdown(drift: StackDrift) -> str:
    """Without times: the same drift always reads the same."""
    lists = {title: [_listed(each) for each in drift.of(kind)] for kind, title in _TITLES.items()}
    parts = [
        f"### Drift of {code(drift.stack)}: {headline(drift)}",
        "The live resources differ from what the last update left. What to do: `docs/how-to/drift.md`. This issue "
        "is kept up to date and closed once there is no drift.",
        *([f"**Warning:** {drift.overwritten}"] if drift.overwritten else []),
        lists_markdown(lists, _FOR_LISTS),
        *(way.markdown for way in remedies_for(drift.stack, drift.findings)),
    ]
    if drift.problems:
        said = [line for problem in drift.problems for line in problem.splitlines()]
        parts += ["**Not looked at**", "\n".join(fenced(said, _MOST_SAID)).rstrip()]
    return "\n\n".join(parts)


def _listed(finding: Finding) -> Listed:
    return Listed(finding.name, finding.type, finding.id, finding.changes)


def slack_text(drift: StackDrift, url: str = "") -> str:
    """Names only. ``url``: of the issue."""
    found = [f"*Drift of {_in_code(drift.stack)}*: {headline(drift)}", *map(_slack_line, drift.findings[:_FEW])]
    if (more := len(drift.findings) - _FEW) > 0:
        found.append(f"… and {counted(more, 'more finding')}")
    return "\n".join([*found, *([url] if url else [])])


def slack_clean(stack: str, url: str) -> str:
    return f"*No drift of {_in_code(stack)} any more*\n{url}"


def _slack_line(finding: Finding) -> str:
    paths = [change.path for change in finding.changes]
    named = ", ".join(map(_in_code, paths[:_FEW]))
    more = f" and {len(paths) - _FEW} more" if len(paths) > _FEW else ""
    about = named + more if paths else _in_code(finding.id)
    return f"• {_in_code(finding.name)} ({escaped(finding.type)}) {finding.kind}: {about}"


def _in_code(text: str) -> str:
    text = safe(text)
    return f"`{escaped(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…')}`"
