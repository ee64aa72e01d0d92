"""The changed resources as a tree below their parents, with the properties that change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ops.operation_record import OperationRecord, Progress
from ops.report.changes import Change, changes_of, output_changes, properties_of, protection_change
from ops.report.operation_styles import look_of
from ops.report.text import Line, safe
from ops.report.values import shown, shown_both
from ops.steps import Step, short_type

_KIND_LOOK = {"add": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}
_DIM = "dim"


@dataclass
class _Node:
    progress: Progress
    children: list[_Node] = field(default_factory=list)

    @property
    def step(self) -> Step:
        return self.progress.step

    @property
    def own_lines(self) -> bool:
        """Whether there is something to say about this resource itself."""
        if self.step.is_provider:
            return self.progress.failed
        changed = self.step.is_change or protection_change(self.step) is not None
        return changed or self.progress.failed or bool(self._outputs)

    @property
    def _outputs(self) -> list[Change]:
        return output_changes(self.step) if self.step.is_root else []


def tree_lines(record: OperationRecord, *, done: bool, properties: bool, all_properties: bool = False) -> list[Line]:
    """Lines of the tree; unchanged resources appear only as parents of changed ones.

    ``done`` chooses between "create" and "created"; ``properties`` shows what changes in updated resources;
    ``all_properties`` lists the properties of created and deleted ones too.
    """
    lines: list[Line] = []
    for node in _forest(record):
        lines += _node_lines(node, "", "", done, properties, all_properties)
    return lines


def _forest(record: OperationRecord) -> list[_Node]:
    nodes = {progress.step.urn: _Node(progress) for progress in record.by_resource()}
    roots: list[_Node] = []
    for node in nodes.values():
        parent = nodes.get(node.step.parent)
        (parent.children if parent else roots).append(node)
    return [root for root in roots if _prune(root)]


def _prune(node: _Node) -> bool:
    node.children = [child for child in node.children if _prune(child)]
    return node.own_lines or bool(node.children)


def _node_lines(
    node: _Node, first: str, rest: str, done: bool, properties: bool, all_properties: bool
) -> Iterator[Line]:
    yield _headline(node.progress, done).indented(first, _DIM)
    inner = rest + ("│  " if node.children else "   ")
    if properties:
        for line in _property_lines(node.step, all_properties):
            yield line.indented(inner, _DIM)
    for index, child in enumerate(node.children):
        last = index == len(node.children) - 1
        yield from _node_lines(
            child,
            rest + ("└─ " if last else "├─ "),
            rest + ("   " if last else "│  "),
            done,
            properties,
            all_properties,
        )


def _headline(progress: Progress, done: bool) -> Line:
    step, look = progress.step, look_of(progress.step.op)
    if not step.is_change and not progress.failed:
        return Line.of((step.name, "bold"), (f"  {short_type(step.type)}", _DIM))
    word, style = (look.done if done else look.plan), look.style
    if progress.failed:
        word, style = f"{look.doing} failed", "bold red"
    elif done and progress.ended is None and step.is_custom:  # a component is there once it is registered
        word, style = f"{look.doing}, end unknown", "bold red"
    return Line.of(
        (f"{look.symbol} ", style),
        (step.name, "bold"),
        (f"  {short_type(step.type)}  ", _DIM),
        (word, style),
        (f"  because of {', '.join(step.replace_keys)}", style) if step.replace_keys and step.op == "replace" else "",
    )


def _property_lines(step: Step, all_properties: bool) -> Iterator[Line]:
    if step.is_root:
        for change in output_changes(step):
            yield change_line(change, "output ")
        return
    if step.op in ("update", "replace", "create-replacement"):
        changes = changes_of(step)
    else:
        changes = properties_of(step) if all_properties and step.is_change else []
    for change in changes:
        yield change_line(change)
    if protection := protection_change(step):
        yield change_line(protection)


def change_line(change: Change, prefix: str = "") -> Line:
    """``~ memoryLimitBytes: 1 → 2``."""
    symbol, style = _KIND_LOOK[change.kind]
    if change.kind == "update":
        value = " → ".join(shown_both(change.old, change.new))
    else:
        value = shown(change.new if change.kind == "add" else change.old)
    replaces = ("  (replaces the resource)", "magenta") if change.replaces else ""
    return Line.of((f"{symbol} ", style), f"{prefix}{safe(change.path)}: ", (value, style), replaces)
