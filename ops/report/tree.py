"""Formats changed resources and their properties as a tree, and individual steps as lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ops.operation_record import OperationRecord, Progress
from ops.report.changes import (
    Change,
    changes_of,
    image_versions,
    output_changes,
    properties_of,
    protection_change,
)
from ops.report.operation_styles import style_of
from ops.report.text import Line, safe, seconds
from ops.report.values import NO_VERSIONS, Versions, shown, shown_both
from ops.steps import Step, short_type

_CHANGE_STYLES = {"add": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}
_DIM = "dim"


@dataclass
class _Node:
    progress: Progress
    children: list[_Node] = field(default_factory=list)

    @property
    def step(self) -> Step:
        return self.progress.step

    @property
    def is_shown(self) -> bool:
        """Whether this resource itself changes."""
        if self.step.is_provider:
            return self.progress.failed
        changed = self.step.is_change or protection_change(self.step) is not None
        return changed or self.progress.failed or bool(self._outputs)

    @property
    def _outputs(self) -> list[Change]:
        return output_changes(self.step) if self.step.is_root else []


def tree_lines(record: OperationRecord, *, properties: bool, all_properties: bool = False) -> list[Line]:
    """The tree of a preview; unchanged resources appear only as parents of changed ones.

    ``properties`` shows the changed properties of updated resources; ``all_properties`` also lists the properties of
    created and deleted resources.
    """
    lines: list[Line] = []
    tree = _Tree(properties, all_properties, _versions(record))
    for node in _forest(record):
        lines += tree.lines(node)
    return lines


def step_lines(progress: Progress, record: OperationRecord, *, properties: bool) -> list[Line]:
    """A finished step on one line; ``properties`` adds its changed properties. Empty for steps that change nothing."""
    step, style = progress.step, style_of(progress.step.op)
    if not progress.failed and (step.is_root or step.is_provider or step.op == "replace" or not step.is_change):
        return []
    head = Line.of(
        (f"{style.symbol:<2} ", style.style),
        (f"failed to {style.plan}", "bold red") if progress.failed else (style.done, style.style),
        (f" {step.name}", "bold"),
        (f"  {short_type(step.type)} ({seconds(progress.elapsed(record.clock()))})", _DIM),
    )
    changes = changes_of(step) if properties and step.op in ("update", "create-replacement") else []
    versions = _versions(record) if changes else NO_VERSIONS
    return [head, *(change_line(change, versions=versions).indented("     ") for change in changes)]


def _versions(record: OperationRecord) -> Versions:
    return image_versions(item.step for item in list(record.steps.values()))


def _forest(record: OperationRecord) -> list[_Node]:
    steps = map(_as_change, record.by_resource()) if record.is_refresh else record.by_resource()
    nodes = {progress.step.urn: _Node(progress) for progress in steps}
    roots: list[_Node] = []
    for node in nodes.values():
        parent = nodes.get(node.step.parent)
        (parent.children if parent else roots).append(node)
    return [root for root in roots if _prune(root)]


def _as_change(progress: Progress) -> Progress:
    """A refresh step as the state change that it would make."""
    step = progress.step
    if step.op != "refresh" or (step.new and not step.detailed_diff):
        return progress
    return replace(progress, step=replace(step, op="update" if step.new else "delete"))


def _prune(node: _Node) -> bool:
    node.children = [child for child in node.children if _prune(child)]
    return node.is_shown or bool(node.children)


@dataclass(frozen=True)
class _Tree:
    properties: bool
    all_properties: bool
    versions: Versions

    def lines(self, node: _Node, first: str = "", rest: str = "") -> Iterator[Line]:
        """``first`` is the indentation of the node's own line, ``rest`` that of the lines below."""
        yield _headline(node.progress).indented(first, _DIM)
        inner = rest + ("│  " if node.children else "   ")
        if self.properties:
            for line in self._property_lines(node.step):
                yield line.indented(inner, _DIM)
        for index, child in enumerate(node.children):
            last = index == len(node.children) - 1
            yield from self.lines(child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))

    def _property_lines(self, step: Step) -> Iterator[Line]:
        if step.is_root:
            for change in output_changes(step):
                yield change_line(change, "output ")
            return
        if step.op in ("update", "replace", "create-replacement"):
            changes = changes_of(step)
        else:
            changes = properties_of(step) if self.all_properties and step.is_change else []
        for change in changes:
            yield change_line(change, versions=self.versions)
        if protection := protection_change(step):
            yield change_line(protection)


def _headline(progress: Progress) -> Line:
    step, style = progress.step, style_of(progress.step.op)
    if not step.is_change and not progress.failed:
        return Line.of((step.name, "bold"), (f"  {short_type(step.type)}", _DIM))
    text, colour = (f"failed to {style.plan}", "bold red") if progress.failed else (style.plan, style.style)
    reasons = ", ".join(step.replace_keys) if step.op == "replace" else ""
    return Line.of(
        (f"{style.symbol} ", colour),
        (step.name, "bold"),
        (f"  {short_type(step.type)}  ", _DIM),
        (text, colour),
        (f"  because of {reasons}", colour) if reasons else "",
    )


def change_line(change: Change, prefix: str = "", versions: Versions = NO_VERSIONS) -> Line:
    """``~ memoryLimitBytes: 1 → 2``; ``versions`` as for ``shown_both``."""
    symbol, style = _CHANGE_STYLES[change.kind]
    if change.kind == "update":
        value = " → ".join(shown_both(change.old, change.new, versions))
    else:
        value = shown(change.new if change.kind == "add" else change.old)
    replaces = ("  (replaces the resource)", "magenta") if change.replaces else ""
    return Line.of((f"{symbol} ", style), f"{prefix}{safe(change.path)}: ", (value, style), replaces)
