"""A plan or preview as Markdown, for a comment on a pull request.

What is lost stands first and is never collapsed: deletions, then replacements with what forces them. Whatever comes
out of the program stands in code, where GitHub sees neither markup nor mentions nor references, and with escapes for
what cannot be seen. Where the text would become too long, it is cut with counts, deletions and replacements last.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ops.cost.change import cost_text
from ops.operation_record import Diagnostic, OperationRecord
from ops.report.causes import merged
from ops.report.changes import Change, changes_of, output_changes, protection_change
from ops.report.operation_styles import look_of
from ops.report.text import counted, safe
from ops.report.values import shown, shown_both
from ops.steps import Step, name_of, short_type

COMMENT_LIMIT = 65_536
"""Characters that GitHub takes in a comment."""
LIMIT = COMMENT_LIMIT - 536
"""The longest text unless told otherwise: a comment needs room for what marks it as ours."""
SHORTEST_LIMIT = 4_000

_LONGEST_NAME = 120
_LONGEST_REASONS = 200
_LONGEST_SAID = 300
_FEW = 10
"""So many lines of a resource, or resources of a list, at most are shown without a fold."""
_MOST_SAID = 20
_DIGEST_SHOWN = 12
_SECTION_COST = 260
"""Characters of a section's frame at most: heading, fold, and the line that counts what is cut."""
_FRAME_COST = 160
"""Characters of a resource's frame at most, beside its name: fold, fence, and the line that counts what is cut."""

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
    """The preview that a record holds, as Markdown of at most ``limit`` characters, without a newline at the end.

    ``title`` goes before the stack's name; ``digest`` is the plan's, shown shortened; ``remarks`` are lines of
    Markdown for below the heading; ``level`` is that of the heading. A preview without any change, warnings and
    remarks is one line. Raises ValueError when the limit is below ``SHORTEST_LIMIT``.
    """
    if limit < SHORTEST_LIMIT:
        raise ValueError(f"a limit of {limit} characters; expected {SHORTEST_LIMIT} or more")
    sections = _sections(record)
    said = merged(item for item in record.told if item.severity in ("error", "warning"))
    head = f"{title} {code(stack)}"
    plan = f"plan {code(digest.removeprefix('sha256:')[:_DIGEST_SHOWN])}" if digest else ""
    if not sections and not said and not remarks and _ending(record) is None:
        unchanged = counted(_unchanged(record), "resource")
        return f"**{head}**: no change, {unchanged} unchanged{f', {plan}' if plan else ''}"
    top = [f"{'#' * level} {head}: {_headline(record, sections)}", ""]
    if plan:
        top += [plan.capitalize(), ""]
    if cost := cost_text(record):
        top += [cost, ""]
    top += remarks
    top += _said_lines(said, limit // 4)
    spent = sum(len(line) + 1 for line in top) + _SECTION_COST * len(sections)
    _fill(sections, limit - spent)
    body = [line for section in sections for line in section.lines()]
    return "\n".join([*top, *body]).rstrip()


def has_effect(record: OperationRecord) -> bool:
    """Whether there is anything to tell: a resource, a protection or an output that changes."""
    return bool(_sections(record))


@dataclass(frozen=True)
class Listed:
    """A resource of a list, and what differs in it."""

    name: str
    type: str
    id: str = ""
    changes: Sequence[Change] = ()


def lists_markdown(lists: Mapping[str, Sequence[Listed]], limit: int) -> str:
    """Lists by title, of at most so many characters together; what comes later is cut first, with counts."""
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
    """Inline code that shows the text as it is, whatever it holds; long texts are cut."""
    text = _short(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    ticks = "`" * (longest + 1)
    space = " " if text[:1] in ("`", " ", "") or text[-1:] in ("`", " ") else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _short(text: str, longest: int = _LONGEST_NAME) -> str:
    text = safe(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


# --- what there is to tell ------------------------------------------------------------------------------------------


@dataclass
class _Item:
    """One resource, or the stack's outputs."""

    name: str
    type: str = ""
    note: str = ""
    """Markdown after the name, such as why it is replaced."""
    changes: list[str] = field(default_factory=list)
    """Each property that changes, as lines of a diff; the most important first."""
    kept: int = 0
    """So many of them are shown."""

    @property
    def head(self) -> str:
        kind = f" · {code(self.type)}" if self.type else ""
        return f"{code(self.name)}{kind}{self.note}"

    @property
    def cost(self) -> int:
        """Characters that its name takes at most, in Markdown or as HTML in a fold's summary."""
        return max(len(self.head), len(self.summary)) + _FRAME_COST

    @property
    def summary(self) -> str:
        """The fold's line, which is HTML."""
        parts = [_html_code(text) for text in (self.name, self.type) if text]
        return f"{' · '.join(parts)}: {counted(len(self.changes), 'property', 'properties')}"

    def lines(self, *, plain: bool) -> Iterator[str]:
        """``plain``: never in a fold."""
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
    """Resources with which the same is done."""

    title: str
    items: list[_Item]
    count: str
    """What the headline says, after the number."""
    plain: bool = False
    """Never in a fold."""
    of_properties: bool = False
    """Whether properties count, not resources."""
    kept: int = 0
    """So many resources are shown."""

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
    protection_changed = _Section("Protection changes", [], "with another protection", plain=True)
    updated = _Section("To update", [], "to update")
    created = _Section("To create", [], "to create")
    others = _Section("Other operations", [], "other")
    outputs = _Section("Changed outputs", [], "changed in outputs", of_properties=True)
    # An engine takes the steps of a plan in another order each time; the same plan must read the same.
    for progress in sorted(record.by_resource(), key=lambda progress: (progress.step.name, progress.step.urn)):
        step = progress.step
        if step.is_root and (found := output_changes(step)):
            outputs.items.append(_Item(step.name, changes=_diff(found)))
        protection = protection_change(step)
        if step.is_provider and not progress.failed:
            continue
        if step.op in _DELETED:
            deleted.items.append(_item(step))
        elif step.op in _REPLACED:
            replaced.items.append(_replaced(step))
        elif step.op in _CREATED:
            created.items.append(_item(step))
        elif step.is_change and step.op in ("update", "remove-pending-replace"):
            updated.items.append(_item(step, [*changes_of(step), *([protection] if protection else [])]))
        elif step.is_change:
            others.items.append(_item(step, note=f": {look_of(step.op).plan}"))
        elif protection:
            protection_changed.items.append(_item(step, [protection]))
    sections = (deleted, replaced, protection_changed, updated, created, others, outputs)
    return [section for section in sections if section.items]


def _item(step: Step, changes: Iterable[Change] = (), note: str = "") -> _Item:
    return _Item(step.name, short_type(step.type), note, _diff(changes))


def _replaced(step: Step) -> _Item:
    changes = sorted(changes_of(step), key=lambda change: not change.replaces)
    reasons = dict.fromkeys([*step.replace_keys, *(change.path for change in changes if change.replaces)])
    listed = _joined([code(reason) for reason in reasons], _LONGEST_REASONS)
    return _item(step, changes, f", because of {listed}" if listed else "")


def _joined(parts: Sequence[str], longest: int) -> str:
    """As many of the parts as fit, at least one, and how many more there are."""
    kept = 1
    while kept < len(parts) and len(", ".join(parts[: kept + 1])) <= longest:
        kept += 1
    more = f" and {len(parts) - kept} more" if kept < len(parts) else ""
    return ", ".join(parts[:kept]) + more


def _diff(changes: Iterable[Change]) -> list[str]:
    return [_diff_lines(change) for change in changes]


def _diff_lines(change: Change) -> str:
    """One property as one or two lines of a diff; none of them can end the fence around it."""
    path = _short(change.path, 2 * _LONGEST_NAME)
    replaces = "  (replaces the resource)" if change.replaces else ""
    if change.kind != "update":
        sign, value = ("+", change.new) if change.kind == "add" else ("-", change.old)
        return f"{sign} {path}: {shown(value)}{replaces}"
    old, new = shown_both(change.old, change.new)
    if old == new:
        return f"! {path}: {new}, changed{replaces}"
    return f"- {path}: {old}\n+ {path}: {new}{replaces}"


# --- what fits ------------------------------------------------------------------------------------------------------


def _fill(sections: Sequence[_Section], room: int) -> None:
    """Keep of each section what fits: first the names of what is lost with the reasons, then the other names, then
    the properties. What comes later in a list is cut first."""
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


# --- the lines above ------------------------------------------------------------------------------------------------


def _headline(record: OperationRecord, sections: Sequence[_Section]) -> str:
    counts = [f"{section.number} {section.count}" for section in sections]
    unchanged = _unchanged(record)
    parts = [*counts, *([f"{unchanged} unchanged"] if unchanged else [])]
    ending = _ending(record)
    return ": ".join(part for part in (ending, ", ".join(parts) or "no change") if part)


def _ending(record: OperationRecord) -> str | None:
    """How it ended, unless it went well."""
    if record.summary is None:
        return "ended before it was complete"
    if record.canceled:
        return "cancelled"
    if record.summary.result == "failed" or any(item.failed for item in record.steps.values()):
        return "failed"
    return None


def _unchanged(record: OperationRecord) -> int:
    return record.summary.changes.get("same", 0) if record.summary else 0


def _said_lines(said: Sequence[Diagnostic], room: int) -> Iterator[str]:
    """Errors and warnings in a fence of their own, errors first, then by resource.

    The order in which they came does not matter: providers report side by side, and the same preview is the same text.
    """
    if not said:
        return
    texts = [
        f"{item.severity}: {f'{name_of(item.urn)}: ' if item.urn else ''}{line}" if number == 0 else f"  {line}"
        for item in sorted(said, key=lambda item: (item.severity, name_of(item.urn), item.urn, item.message))
        for number, line in enumerate(item.message.splitlines()[:_MOST_SAID])
    ]
    yield from fenced(texts, room)


def fenced(texts: Sequence[str], room: int) -> Iterator[str]:
    """Lines of text as they are, as many as fit into so many characters; each is indented, so none ends the fence."""
    kept: list[str] = []
    for text in texts:
        line = f"    {_short(text, _LONGEST_SAID)}"
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    cut = len(texts) - len(kept)
    yield from ("```text", *kept, *([f"… and {counted(cut, 'more line')}"] if cut else []), "```", "")


def _html_code(text: str) -> str:
    return f"<code>{html.escape(_short(text))}</code>"
