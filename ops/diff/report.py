"""Reports the effect of a change on every stack as text, Markdown or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.cost.change import cost_text
from ops.diff.compare import compare
from ops.diff.revisions import RevisionSide
from ops.operation_record import OperationRecord
from ops.program.evaluate import Evaluated, Stacks
from ops.report.changes import Change, changes_of, output_changes, protection_change
from ops.report.markdown import LIMIT, SHORTEST_LIMIT, code, fenced, has_effect, plan_markdown
from ops.report.summary import counts
from ops.report.text import Line, counted
from ops.report.tree import tree_lines
from ops.report.values import is_secret, shown
from ops.steps import Step

_TEMPLATE_SUFFIX = ".template"
_NOTE = (
    "Evaluated without access to the cloud, secrets or state: `<id of …>` is a placeholder for a value from the cloud, "
    "and `[secret: key …]` for a value from the secret document."
)


@dataclass(frozen=True)
class StackEffect:
    """The effect of the change on one stack."""

    name: str
    """Display name, such as ``stage`` or ``preview (template)``."""
    record: OperationRecord | None
    """None if the stack is invalid at one of the revisions."""
    refused_at_base: str | None = None
    refused_at_head: str | None = None

    @property
    def has_effect(self) -> bool:
        """Whether there is anything to review; the same error at both revisions is not an effect."""
        if self.record is None:
            return self.refused_at_base != self.refused_at_head
        return has_effect(self.record)

    def refusals(self, base: RevisionSide, head: RevisionSide) -> list[tuple[str, str]]:
        """For each invalid revision, a sentence without a full stop, and the error."""
        sides = ((base, self.refused_at_base), (head, self.refused_at_head))
        return [(f"The stack {self.name} is invalid at {side.shown}", text) for side, text in sides if text]


@dataclass(frozen=True)
class Effect:
    """The effect of the change on all stacks."""

    base: RevisionSide
    head: RevisionSide
    stacks: Sequence[StackEffect]
    notes: Sequence[str] = field(default=())

    @property
    def changed(self) -> list[StackEffect]:
        return [stack for stack in self.stacks if stack.has_effect]

    @property
    def unchanged(self) -> list[StackEffect]:
        return [stack for stack in self.stacks if not stack.has_effect and stack.record is not None]

    @property
    def refused(self) -> list[StackEffect]:
        return [stack for stack in self.stacks if stack.record is None]


def display_name(stack: str) -> str:
    """``preview.template`` → ``preview (template)``."""
    return f"{stack.removesuffix(_TEMPLATE_SUFFIX)} (template)" if stack.endswith(_TEMPLATE_SUFFIX) else stack


def effect_of(base: RevisionSide, head: RevisionSide, at_base: Stacks, at_head: Stacks, notes: Sequence[str]) -> Effect:
    names = sorted({*at_base, *at_head})
    return Effect(base, head, [_stack_effect(name, at_base.get(name), at_head.get(name)) for name in names], notes)


def _stack_effect(name: str, base: Evaluated | None, head: Evaluated | None) -> StackEffect:
    refused = [side.refused if side else None for side in (base, head)]
    record = None if any(refused) else compare(base, head)
    return StackEffect(display_name(name), record, *refused)


# --- text -----------------------------------------------------------------------------------------------------------


def effect_lines(effect: Effect, *, details: bool) -> Iterator[Line]:
    for stack in effect.stacks:
        for sentence, text in stack.refusals(effect.base, effect.head):
            yield Line.of((f"{sentence}:", "bold red"))
            yield from (Line.of(f"  {line}") for line in text.splitlines())
            yield Line()
        if stack.record is not None and stack.has_effect:
            yield Line.of(("Stack ", ""), (stack.name, "bold"))
            yield from tree_lines(stack.record, properties=True, all_properties=details)
            yield Line.of(("To do", "bold"), f": {counts(stack.record, preview=True)}")
            if cost := cost_text(stack.record):
                yield Line.of(cost)
            yield Line()
    yield from (Line.of(("note", "yellow"), f": {note}") for note in effect.notes)
    if effect.unchanged:
        yield Line.of(("No effect", "bold green"), f": {', '.join(stack.name for stack in effect.unchanged)}")
    if not effect.stacks:
        yield Line.of("Neither revision has any stacks.")


# --- Markdown -------------------------------------------------------------------------------------------------------


def effect_markdown(effect: Effect, *, limit: int = LIMIT) -> str:
    """Markdown for a pull request comment, with at most ``limit`` characters. Invalid stacks come first.

    Stacks share the space equally. Space that one stack does not need is available to the others.
    """
    top = [f"### {code(effect.base.shown)} to {code(effect.head.shown)}: {_headline(effect)}", ""]
    if effect.changed:
        top += [_NOTE, ""]
    top += [line for note in effect.notes for line in (f"Note: {note}", "")]
    bottom = _names("No effect", effect.unchanged)
    refusals = [
        line
        for stack in effect.refused
        for sentence, text in stack.refusals(effect.base, effect.head)
        for line in (f"**{code(sentence)}:**", "", *fenced(text.splitlines(), limit // 4 // len(effect.refused)))
    ]
    frame = "\n".join([*top, *refusals, *bottom])
    changed = [stack for stack in effect.changed if stack.record is not None]
    body, left = _shared(changed, limit - len(frame) - 200)
    return "\n".join([*top, *refusals, *body, *_names("Omitted for lack of space", left), *bottom]).rstrip()


def _headline(effect: Effect) -> str:
    changed = [stack for stack in effect.changed if stack.record is not None]
    parts = [f"{counted(len(changed), 'stack')} changed"] if changed else []
    parts += [f"{counted(len(effect.refused), 'stack')} invalid"] if effect.refused else []
    parts += [f"{counted(len(effect.unchanged), 'stack')} unchanged"] if effect.unchanged else []
    return ", ".join(parts) or "no stacks"


def _names(head: str, stacks: Sequence[StackEffect]) -> list[str]:
    if not stacks:
        return []
    few, more = stacks[:50], len(stacks) - 50
    return [f"{head}: {', '.join(code(stack.name) for stack in few)}{f' and {more} more' if more > 0 else ''}", ""]


def _shared(stacks: Sequence[StackEffect], room: int) -> tuple[list[str], list[StackEffect]]:
    """The lines for the stacks that fit, in order, and the stacks that do not fit."""
    parts: dict[str, str] = {}
    left: list[StackEffect] = []
    whole = {stack.name: _part(stack, max(room, SHORTEST_LIMIT)) for stack in stacks}
    for number, stack in enumerate(sorted(stacks, key=lambda stack: len(whole[stack.name]))):
        share = room // (len(stacks) - number) - 2
        text = whole[stack.name]
        if len(text) > share:
            text = _part(stack, share) if share >= SHORTEST_LIMIT else ""
        if text:
            parts[stack.name] = text
            room -= len(text) + 2
        else:
            left.append(stack)
    return [line for stack in stacks if stack.name in parts for line in (parts[stack.name], "")], left


def _part(stack: StackEffect, limit: int) -> str:
    assert stack.record is not None
    return plan_markdown(stack.record, title="Stack", stack=stack.name, level=4, limit=limit)


# --- JSON -----------------------------------------------------------------------------------------------------------


def effect_document(effect: Effect) -> dict[str, Any]:
    """The JSON document, with masked secrets."""
    return {
        "base": _side_document(effect.base),
        "head": _side_document(effect.head),
        "notes": list(effect.notes),
        "stacks": {stack.name: _stack_document(stack) for stack in effect.stacks},
    }


def _side_document(side: RevisionSide) -> dict[str, str | None]:
    return {"name": side.name, "commit": side.commit}


def _stack_document(stack: StackEffect) -> dict[str, Any]:
    errors = {"base": stack.refused_at_base, "head": stack.refused_at_head}
    refused = {key: text for key, text in errors.items() if text}
    document: dict[str, Any] = {"effect": stack.has_effect, "refused": refused}
    if stack.record is not None and stack.record.summary is not None:
        steps = [progress.step for progress in stack.record.steps.values()]
        document["changeSummary"] = dict(stack.record.summary.changes)
        document["steps"] = [_step_document(step) for step in steps if step.is_change or protection_change(step)]
        outputs = [change for step in steps if step.is_root for change in output_changes(step)]
        document["outputs"] = [_change_document(change) for change in outputs]
    return document


def _step_document(step: Step) -> dict[str, Any]:
    protection = protection_change(step)
    changes = [*changes_of(step), *([protection] if protection else [])]
    return {
        "op": step.op,
        "urn": step.urn,
        "type": step.type,
        "name": step.name,
        "replaceReasons": list(step.replace_keys),
        "changes": [_change_document(change) for change in changes],
    }


def _change_document(change: Change) -> dict[str, Any]:
    values: Mapping[str, Any] = {"add": {"new": change.new}, "delete": {"old": change.old}}.get(
        change.kind, {"old": change.old, "new": change.new}
    )
    masked = {key: _masked(value) for key, value in values.items()}
    return {"path": change.path, "kind": change.kind, "replaces": change.replaces, **masked}


def _masked(value: Any) -> Any:
    """A value with its secrets replaced by placeholders."""
    if is_secret(value):
        return shown(value)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value
