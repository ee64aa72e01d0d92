"""A plan or preview as Markdown for a pull request comment.

Deletions come first, followed by replacements with their reasons; neither is ever collapsed. The program's own strings
are formatted as code, where GitHub does not render markup, mentions or references, and invisible characters are
escaped. Text that would be too long is cut and the omitted items are counted; deletions and replacements are cut last.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ops.cost.change import cost_text
from ops.operation_record import Diagnostic, OperationRecord
from ops.report.causes import merged
from ops.report.changes import Change, changes_of, image_versions, output_changes, protection_change
from ops.report.operation_styles import style_of
from ops.report.text import counted, safe
from ops.report.values import NO_VERSIONS, Versions, shown, shown_both
from ops.steps import Step, name_of, short_type

COMMENT_LIMIT = 65_536
"""Maximum number of characters that GitHub accepts in a comment."""
LIMIT = COMMENT_LIMIT - 536
"""Default length limit, which leaves room for the hidden marker of our comments."""
SHORTEST_LIMIT = 4_000

_LONGEST_NAME = 120
_LONGEST_REASONS = 200
_LONGEST_DIAGNOSTIC_LINE = 300
_FEW = 10
"""Maximum number of lines per resource, or resources per list, that are shown without folding."""
_MOST_DIAGNOSTIC_LINES = 20
_SEVERITIES = ("error", "warning", "info")
_DIGEST_SHOWN = 12
_SECTION_COST = 260
"""Maximum number of characters in a section's frame: heading, fold, and the line that counts omitted items."""
_FRAME_COST = 160
"""Maximum number of characters in a resource's frame, excluding its name: fold, fence, and the count of omissions."""

_DELETED = frozenset({"delete", "delete-replaced", "discard-replaced"})
_REPLACED = frozenset({"replace", "create-replacement", "read-replacement", "import-replacement"})
_CREATED = frozenset({"create", "import"})


def plan_markdown(
    record: OperationRecord,
    *,
    stack: str,
    title: str = "Preview of",
    digest: str = "",
    remarks: Sequence[str] = (),
    limit: int = LIMIT,
    level: int = 3,
) -> str:
    """A recorded preview as Markdown of at most ``limit`` characters, without a trailing newline.

    ``title`` precedes the stack's name; ``digest`` is the plan digest, which is shortened; ``remarks`` are Markdown
    lines below the heading; ``level`` is the heading level. A preview without changes, warnings or remarks takes up one
    line. Raises ValueError if the limit is below ``SHORTEST_LIMIT``.
    """
    if limit < SHORTEST_LIMIT:
        raise ValueError(f"the limit is {limit} characters; expected at least {SHORTEST_LIMIT}")
    sections = _sections(record)
    diagnostics = merged(item for item in record.relevant_diagnostics if _is_shown(item, sections))
    head = f"{title} {code(stack)}"
    plan = f"plan {code(digest.removeprefix('sha256:')[:_DIGEST_SHOWN])}" if digest else ""
    if not sections and not diagnostics and not remarks and _ending(record) is None:
        unchanged = counted(_unchanged(record), "resource")
        return f"**{head}**: no change, {unchanged} unchanged{f', {plan}' if plan else ''}"
    top = [f"{'#' * level} {head}: {_headline(record, sections)}", ""]
    if plan:
        top += [plan.capitalize(), ""]
    if cost := cost_text(record):
        top += [cost, ""]
    top += remarks
    top += _diagnostic_lines(diagnostics, limit // 4)
    spent = sum(len(line) + 1 for line in top) + _SECTION_COST * len(sections)
    _fill(sections, limit - spent)
    body = [line for section in sections for line in section.lines()]
    return "\n".join([*top, *body]).rstrip()


def has_effect(record: OperationRecord) -> bool:
    """Whether any resource, protection or output changes."""
    return bool(_sections(record))


@dataclass(frozen=True)
class Listed:
    """A listed resource and its changed properties."""

    name: str
    type: str
    id: str = ""
    changes: Sequence[Change] = ()


def lists_markdown(lists: Mapping[str, Sequence[Listed]], limit: int) -> str:
    """Titled lists of at most ``limit`` characters in total; the last items are cut first and counted."""
    sections = [
        _Section(title, [_listed_item(each) for each in listed], "", plain=not any(each.changes for each in listed))
        for title, listed in lists.items()
        if listed
    ]
    _fill(sections, limit - _SECTION_COST * len(sections))
    return "\n".join(line for section in sections for line in section.lines()).rstrip()


def _listed_item(listed: Listed) -> _Item:
    return _Item(listed.name, listed.type, f" · {code(listed.id)}" if listed.id else "", _diff(listed.changes))


def code(text: str) -> str:
    """Inline code that shows any text verbatim; long text is cut."""
    text = _short(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    ticks = "`" * (longest + 1)
    space = " " if text[:1] in ("`", " ", "") or text[-1:] in ("`", " ") else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _short(text: str, longest: int = _LONGEST_NAME) -> str:
    text = safe(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


# --- content --------------------------------------------------------------------------------------------------------


@dataclass
class _Item:
    """A resource, or the stack's outputs."""

    name: str
    type: str = ""
    note: str = ""
    """Markdown after the name, such as the reason for a replacement."""
    changes: list[str] = field(default_factory=list)
    """The diff lines of each changed property, most important first."""
    kept: int = 0
    """Number of changes that are shown."""

    @property
    def head(self) -> str:
        kind = f" · {code(self.type)}" if self.type else ""
        return f"{code(self.name)}{kind}{self.note}"

    @property
    def cost(self) -> int:
        """Maximum number of characters for the frame and the name (in Markdown, or in HTML for a fold's summary)."""
        return max(len(self.head), len(self.summary)) + _FRAME_COST

    @property
    def summary(self) -> str:
        """The fold's summary, in HTML."""
        parts = [_html_code(text) for text in (self.name, self.type) if text]
        return f"{' · '.join(parts)}: {counted(len(self.changes), 'property', 'properties')}"

    def lines(self, *, plain: bool) -> Iterator[str]:
        """``plain``: without a fold."""
        shown_lines = [line for change in self.changes[: self.kept] for line in change.split("\n")]
        cut = len(self.changes) - self.kept
        more = f"… and {counted(cut, 'more property', 'more properties')}"
        if not shown_lines:
            yield f"- {self.head}{f' ({more})' if cut else ''}"
            yield ""
            return
        folded = not plain and len(shown_lines) > _FEW
        yield f"<details><summary>{self.summary}</summary>" if folded else f"- {self.head}"
        yield from ("", "```diff", *shown_lines, *([more] if cut else []), "```", "")
        if folded:
            yield from ("</details>", "")


@dataclass
class _Section:
    """Resources with the same operation."""

    title: str
    items: list[_Item]
    count: str
    """The text after the number in the headline."""
    plain: bool = False
    """Whether the resources are never folded."""
    of_properties: bool = False
    """Whether properties are counted instead of resources."""
    kept: int = 0
    """Number of resources that are shown."""

    @property
    def number(self) -> int:
        return sum(len(item.changes) for item in self.items) if self.of_properties else len(self.items)

    def lines(self) -> Iterator[str]:
        yield f"**{self.title}: {self.number}**"
        yield ""
        shown_items = self.items[: self.kept]
        listed = not any(item.changes for item in self.items)
        folded = listed and not self.plain and len(shown_items) > _FEW
        if folded:
            yield from (f"<details><summary>{counted(len(self.items), 'resource')}</summary>", "")
        if listed:
            yield from (f"- {item.head}" for item in shown_items)
            yield ""
        else:
            for item in shown_items:
                yield from item.lines(plain=self.plain)
        if folded:
            yield from ("</details>", "")
        yield from self._cut_lines()

    def _cut_lines(self) -> Iterator[str]:
        cut = self.items[self.kept :]
        if not cut:
            return
        properties = sum(len(item.changes) for item in cut)
        more = f"… and {counted(len(cut), 'more resource')}"
        yield f"{more}, {counted(properties, 'more property', 'more properties')}" if properties else more
        yield ""


def _sections(record: OperationRecord) -> list[_Section]:
    deleted = _Section("To delete", [], "to delete", plain=True)
    replaced = _Section("To replace", [], "to replace", plain=True)
    protection_changed = _Section("Protection changes", [], "to protect or unprotect", plain=True)
    updated = _Section("To update", [], "to update")
    created = _Section("To create", [], "to create")
    others = _Section("Other operations", [], "other")
    outputs = _Section("Changed outputs", [], "changed in outputs", of_properties=True)
    versions = image_versions(item.step for item in list(record.steps.values()))
    # Engines report the steps in a different order each time; the same plan must produce the same text.
    for progress in sorted(record.by_resource(), key=lambda progress: (progress.step.name, progress.step.urn)):
        step = progress.step
        if step.is_root and (changed_outputs := output_changes(step)):
            outputs.items.append(_Item(step.name, changes=_diff(changed_outputs)))
        protection = protection_change(step)
        if step.is_provider and not progress.failed:
            continue
        if step.op in _DELETED:
            deleted.items.append(_item(step))
        elif step.op in _REPLACED:
            replaced.items.append(_replaced(step, versions))
        elif step.op in _CREATED:
            created.items.append(_item(step))
        elif step.is_change and step.op in ("update", "remove-pending-replace"):
            changes = [*changes_of(step), *([protection] if protection else [])]
            updated.items.append(_item(step, changes, versions=versions))
        elif step.is_change:
            others.items.append(_item(step, note=f": {style_of(step.op).plan}"))
        elif protection:
            protection_changed.items.append(_item(step, [protection]))
    sections = (deleted, replaced, protection_changed, updated, created, others, outputs)
    return [section for section in sections if section.items]


def _item(step: Step, changes: Iterable[Change] = (), note: str = "", versions: Versions = NO_VERSIONS) -> _Item:
    return _Item(step.name, short_type(step.type), note, _diff(changes, versions))


def _replaced(step: Step, versions: Versions) -> _Item:
    changes = sorted(changes_of(step), key=lambda change: not change.replaces)
    reasons = dict.fromkeys([*step.replace_keys, *(change.path for change in changes if change.replaces)])
    listed = _joined([code(reason) for reason in reasons], _LONGEST_REASONS)
    return _item(step, changes, f", because of {listed}" if listed else "", versions)


def _joined(parts: Sequence[str], longest: int) -> str:
    """As many parts as fit, but at least one, plus the number of omitted parts."""
    kept = 1
    while kept < len(parts) and len(", ".join(parts[: kept + 1])) <= longest:
        kept += 1
    more = f" and {len(parts) - kept} more" if kept < len(parts) else ""
    return ", ".join(parts[:kept]) + more


def _diff(changes: Iterable[Change], versions: Versions = NO_VERSIONS) -> list[str]:
    return [_diff_lines(change, versions) for change in changes]


def _diff_lines(change: Change, versions: Versions) -> str:
    """A property as one or two diff lines, neither of which can close the fence."""
    path = _short(change.path, 2 * _LONGEST_NAME)
    replaces = "  (replaces the resource)" if change.replaces else ""
    if change.kind != "update":
        sign, value = ("+", change.new) if change.kind == "add" else ("-", change.old)
        return f"{sign} {path}: {shown(value)}{replaces}"
    old, new = shown_both(change.old, change.new, versions)
    if old == new:
        return f"! {path}: {new}, changed{replaces}"
    return f"- {path}: {old}\n+ {path}: {new}{replaces}"


# --- length ---------------------------------------------------------------------------------------------------------


def _fill(sections: Sequence[_Section], room: int) -> None:
    """Choose what fits: deletions and replacements with their properties, then other resources, then their properties.

    Lists are cut from the end.
    """
    lost = [section for section in sections if section.plain]
    others = [section for section in sections if not section.plain]
    for group in (lost, others):
        for section in group:
            room = _keep_items(section, room)
        if group is lost:
            for section in group:
                room = _keep_changes(section, room)
    for section in others:
        room = _keep_changes(section, room)


def _keep_items(section: _Section, room: int) -> int:
    for item in section.items:
        if item.cost > room:
            break
        room -= item.cost
        section.kept += 1
    return room


def _keep_changes(section: _Section, room: int) -> int:
    for item in section.items[: section.kept]:
        for change in item.changes:
            if len(change) + 1 > room:
                break
            room -= len(change) + 1
            item.kept += 1
    return room


# --- heading --------------------------------------------------------------------------------------------------------


def _headline(record: OperationRecord, sections: Sequence[_Section]) -> str:
    counts = [f"{section.number} {section.count}" for section in sections]
    unchanged = _unchanged(record)
    parts = [*counts, *([f"{unchanged} unchanged"] if unchanged else [])]
    ending = _ending(record)
    return ": ".join(part for part in (ending, ", ".join(parts) or "no change") if part)


def _ending(record: OperationRecord) -> str | None:
    """How the operation ended; None if it succeeded."""
    if record.summary is None:
        return "stopped before it was complete"
    if record.canceled:
        return "cancelled"
    if record.summary.result == "failed" or any(item.failed for item in record.steps.values()):
        return "failed"
    return None


def _unchanged(record: OperationRecord) -> int:
    return record.summary.changes.get("same", 0) if record.summary else 0


def _is_shown(diagnostic: Diagnostic, sections: Sequence[_Section]) -> bool:
    """Whether to show a message: an error, a warning, or one about a change, such as a release command to run."""
    if diagnostic.severity == "info":
        return bool(diagnostic.urn and sections)
    return diagnostic.severity in _SEVERITIES


def _diagnostic_lines(diagnostics: Sequence[Diagnostic], room: int) -> Iterator[str]:
    """Errors followed by warnings and other messages, in a fence.

    They are sorted because providers report concurrently and the same preview must produce the same text.
    """
    if not diagnostics:
        return
    texts = [
        f"{item.severity}: {f'{name_of(item.urn)}: ' if item.urn else ''}{line}" if number == 0 else f"  {line}"
        for item in sorted(diagnostics, key=_diagnostic_order)
        for number, line in enumerate(item.message.splitlines()[:_MOST_DIAGNOSTIC_LINES])
    ]
    yield from fenced(texts, room)


def _diagnostic_order(item: Diagnostic) -> tuple[int, str, str, str]:
    return _SEVERITIES.index(item.severity), name_of(item.urn), item.urn, item.message


def fenced(texts: Sequence[str], room: int) -> Iterator[str]:
    """A fence with as many lines as fit in ``room`` characters, indented so that none of them closes it."""
    kept: list[str] = []
    for text in texts:
        line = f"    {_short(text, _LONGEST_DIAGNOSTIC_LINE)}"
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    cut = len(texts) - len(kept)
    yield from ("```text", *kept, *([f"… and {counted(cut, 'more line')}"] if cut else []), "```", "")


def _html_code(text: str) -> str:
    return f"<code>{html.escape(_short(text))}</code>"
