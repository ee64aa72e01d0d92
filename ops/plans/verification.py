"""Verifies a plan before it is applied, reporting each mismatch on its own line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ops.canonical_json import canonical
from ops.plans.contents import Plan
from ops.plans.evidence import Evidence
from ops.stacks import Stack
from ops.steps import Step, label


def differences(plan: Plan, now: Evidence, stack: Stack, project: str, engine: str) -> list[str]:
    """Reasons why the plan cannot be applied to this stack now, one line each; empty if it can."""
    return [
        *_identity(plan, now, stack, project, engine),
        *_files(plan, now),
        *_configuration(plan.config, now.config),
        *(f"{label(urn)}: {difference}" for urn, difference in plan.state.differences(now.state).items()),
    ]


def _identity(plan: Plan, now: Evidence, stack: Stack, project: str, engine: str) -> Iterator[str]:
    if (plan.project, plan.stack) != (project, stack.name):
        yield f"the plan is for stack {plan.stack} of project {plan.project}; this is {stack.name} of {project}"
    if plan.backend != now.backend:
        yield f"the state was in {plan.backend} and is now in {now.backend}"
    if plan.engine != engine:
        yield f"the plan was created by the engine {plan.engine} and cannot be applied by {engine}"
    if datetime.now(UTC) >= plan.expires:
        yield f"the plan expired on {plan.expires:%Y-%m-%d at %H:%M} UTC"


def _files(plan: Plan, now: Evidence) -> Iterator[str]:
    if plan.tree != now.revision.tree:
        yield (
            f"the files have changed: planned at {_commit(plan.commit, dirty=plan.dirty)}, now at "
            f"{_commit(now.revision.commit, dirty=now.revision.dirty)}"
        )
    if plan.salt != now.salt:
        yield f"the encryption salt of the stack's secrets has {'changed' if now.salt else 'been lost'}"


def _commit(commit: str, *, dirty: bool) -> str:
    return f"{commit[:12]}{' with uncommitted changes' if dirty else ''}"


def _configuration(planned: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Lists keys only, because a value may be a misplaced secret."""
    for key in sorted(planned.keys() | now.keys()):
        if key not in planned:
            yield f"configuration: {key} was added"
        elif key not in now:
            yield f"configuration: {key} was removed"
        elif canonical(planned[key]) != canonical(now[key]):
            yield f"configuration: {key} was changed"


def missing_images(plan: Plan, now: Mapping[str, bool]) -> list[str]:
    """Images that have disappeared from the registry since the plan was created."""
    return [
        f"the image {reference} is no longer in its registry"
        for reference, existed in plan.images.items()
        if existed and not now.get(reference, False)
    ]


def operation_differences(plan: Plan, steps: list[Step], digests: Mapping[str, str]) -> list[str]:
    """Differences between a new preview and the plan's preview, one line per resource."""
    planned_steps, current_steps = _by_urn(plan.parsed_steps()), _by_urn(steps)
    lines = []
    for urn in sorted(plan.operations.keys() | digests.keys()):
        if plan.operations.get(urn) == digests.get(urn):
            continue
        planned, current = planned_steps.get(urn, []), current_steps.get(urn, [])
        lines.append(f"{label(urn)}: {_difference(planned, current)}")
    return lines


def _by_urn(steps: Iterable[Step]) -> dict[str, list[Step]]:
    by_urn: dict[str, list[Step]] = {}
    for step in steps:
        if not step.is_replacement_part:
            by_urn.setdefault(step.urn, []).append(step)
    return by_urn


def _difference(planned: list[Step], current: list[Step]) -> str:
    before, after = _ops(planned), _ops(current)
    if before != after:
        return f"planned: {before}; now: {after}{_changed_paths(current)}"
    changes_before, changes_after = _changes(planned), _changes(current)
    differing = sorted({path for path, _ in {*changes_before.items()} ^ {*changes_after.items()}})
    if differing:
        return f"{after}, with different values than planned: {', '.join(differing)}"
    return f"{after}, with a different secret value than planned"


def _ops(steps: list[Step]) -> str:
    return ", ".join("no change" if not step.is_change else step.op for step in steps) or "not in the program"


def _changes(steps: list[Step]) -> dict[str, str]:
    from ops.report.changes import changes_of, properties_of

    return {
        change.path: canonical([change.kind, change.old, change.new])
        for step in steps
        for change in (changes_of(step) or properties_of(step))
    }


def _changed_paths(steps: list[Step]) -> str:
    paths = sorted(path for step in steps if step.op in ("update", "replace") for path in _changes([step]))
    return f" of {', '.join(paths)}" if paths else ""
