"""Formats a stack's drift for the terminal, a GitHub issue and Slack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from ops.drift.findings import StackDrift
from ops.external_changes import remedies_for
from ops.findings import Finding, FindingKind
from ops.report.markdown import LIMIT, Listed, code, fenced, lists_markdown
from ops.report.slack import escaped
from ops.report.text import Line, counted, safe
from ops.report.tree import change_line

_STYLES = {
    FindingKind.CHANGED: ("~", "yellow"),
    FindingKind.DELETED: ("-", "red"),
    FindingKind.SCHEDULED: ("-", "red"),
    FindingKind.FAILED: ("!", "red"),
    FindingKind.ORPHAN: ("?", "magenta"),
}
_TITLES = {
    FindingKind.DELETED: "Deleted",
    FindingKind.CHANGED: "Changed",
    FindingKind.SCHEDULED: "Scheduled for deletion",
    FindingKind.FAILED: "In error",
    FindingKind.ORPHAN: "Orphans: in the project, but not in any state",
}
_LISTS_LIMIT = LIMIT - 8_000
"""Maximum number of characters for the lists; the rest is reserved for the surrounding text."""
_PROBLEMS_LIMIT = 6_000
_SLACK_ITEMS = 10
"""Maximum number of findings in a Slack message, and of properties per finding."""
_SLACK_LENGTH = 100
"""Maximum number of characters in a name in a Slack message."""


def document(drift: StackDrift) -> dict[str, Any]:
    """The drift as printed with ``--json``."""
    content = asdict(drift)
    del content["code"]
    for finding in content["findings"]:
        for change in finding["changes"]:
            del change["replaces"]
    return content


def headline(drift: StackDrift) -> str:
    """A summary such as ``1 changed, 2 deleted``; ``no drift`` only if everything could be checked."""
    counts = ((len(drift.of(kind)), kind) for kind in FindingKind)
    plural = {FindingKind.ORPHAN: "orphans"}
    parts = [f"{number} {kind if number == 1 else plural.get(kind, kind)}" for number, kind in counts if number]
    if drift.problems:
        parts.append("partly unchecked" if drift.resources else "not checked")
    return ", ".join(parts) or "no drift"


def lines(drift: StackDrift) -> Iterator[Line]:
    style = "bold red" if drift.problems else "yellow" if drift.findings else "green"
    checked = counted(drift.resources, "resource")
    yield Line.of((drift.stack, "bold"), "  ", (headline(drift), style), (f", {checked} checked", "dim"))
    for finding in drift.findings:
        yield from _finding_lines(finding)
    yield from (Line.of(f"  {advice}") for advice in _advice(drift, safe))
    for problem in drift.problems:
        head, *more = problem.splitlines()
        yield Line.of(("  not checked: ", "bold red"), head)
        yield from (Line.of(f"    {text}") for text in more)


def _finding_lines(finding: Finding) -> Iterator[Line]:
    symbol, style = _STYLES[finding.kind]
    identity = f"  {finding.type}  {safe(finding.id)}  "
    yield Line.of((f"  {symbol} ", style), (safe(finding.name), "bold"), (identity, "dim"), (finding.kind, style))
    for change in finding.changes:
        yield change_line(change).indented("      ")


def _advice(drift: StackDrift, code: Callable[[str], str]) -> Iterator[str]:
    """How to revert or keep the changes found. ``code`` formats a command or name."""
    for remedy in remedies_for(drift.stack, drift.findings):
        yield f"{remedy.purpose}: {code(remedy.command)}"
    file, refresh = code(f"Pulumi.{drift.stack}.yaml"), code(f"scripts/snu refresh {drift.stack}")
    if drift.of(FindingKind.CHANGED):
        yield f"To keep a change, set its values in {file} and run: {refresh}"
    if drift.of(FindingKind.DELETED):
        yield f"To keep a deletion, remove the resource from {file} and run: {refresh}"
    if drift.of(FindingKind.ORPHAN):
        yield "To remove an orphan, delete it in the Scaleway console"
        yield f"To keep an orphan, add its id and a reason to {code('snu:drift.ignoreOrphans')} in {file}"


def markdown(drift: StackDrift) -> str:
    """Markdown for an issue. Contains no times, so the same drift always produces the same text."""
    lists = {title: [_listed(each) for each in drift.of(kind)] for kind, title in _TITLES.items()}
    parts = [
        f"### Drift of {code(drift.stack)}: {headline(drift)}",
        f"Live resources on Scaleway differ from what the last update of the stack {code(drift.stack)} deployed. "
        "`docs/how-to/drift.md` explains what to do. This issue is updated automatically and closed once the drift is "
        "resolved.",
        *([f"**Warning:** {drift.overwritten}"] if drift.overwritten else []),
        lists_markdown(lists, _LISTS_LIMIT),
        "\n".join(f"- {advice}" for advice in _advice(drift, code)),
    ]
    if drift.problems:
        problems = [line for problem in drift.problems for line in problem.splitlines()]
        parts += ["**Not checked**", "\n".join(fenced(problems, _PROBLEMS_LIMIT)).rstrip()]
    return "\n\n".join(filter(None, parts))


def _listed(finding: Finding) -> Listed:
    return Listed(finding.name, finding.type, finding.id, finding.changes)


def slack_text(drift: StackDrift, url: str = "") -> str:
    """A Slack message with names but no values. ``url``: the issue's URL."""
    lines = [f"*Drift of {_in_code(drift.stack)}*: {headline(drift)}", *map(_slack_line, drift.findings[:_SLACK_ITEMS])]
    if (more := len(drift.findings) - _SLACK_ITEMS) > 0:
        lines.append(f"… and {counted(more, 'more finding')}")
    return "\n".join([*lines, *([url] if url else [])])


def slack_resolved(stack: str, url: str) -> str:
    return f"*Drift of {_in_code(stack)} resolved*\n{url}"


def _slack_line(finding: Finding) -> str:
    paths = [change.path for change in finding.changes]
    names = ", ".join(map(_in_code, paths[:_SLACK_ITEMS]))
    more = f" and {len(paths) - _SLACK_ITEMS} more" if len(paths) > _SLACK_ITEMS else ""
    details = names + more if paths else _in_code(finding.id)
    return f"• {_in_code(finding.name)} ({escaped(finding.type)}) {finding.kind}: {details}"


def _in_code(text: str) -> str:
    text = safe(text)
    return f"`{escaped(text if len(text) <= _SLACK_LENGTH else text[: _SLACK_LENGTH - 1] + '…')}`"
