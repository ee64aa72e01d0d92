"""What a plan rests on, collected when it is made and once more when it is applied, and how the two differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops import git
from ops.canonical_json import canonical
from ops.images.registry import Registries, is_by_digest
from ops.plans.contents import Plan
from ops.scaleway.profile import Profile
from ops.stacks import Stack
from ops.state.checkpoint import Secrets, fingerprint_of, read_checkpoint
from ops.state.fingerprint import Fingerprint
from ops.steps import Step, label
from pulumi_state.store import Store

_IMAGE_INPUTS = ("image", "imageUri")


@dataclass(frozen=True)
class Evidence:
    """The present: files, configuration and state."""

    revision: git.Revision
    config: Mapping[str, Any]
    salt: str
    backend: str
    state: Fingerprint


def collect(stack: Stack, project: str, store: Store, secrets: Secrets) -> Evidence:
    """Raises OpsError when something of it cannot be read."""
    checkpoint = read_checkpoint(store, project, stack.name)
    return Evidence(
        revision=git.revision(stack.project_dir),
        config=stack.config,
        salt=stack.salt or (checkpoint.salt if checkpoint else None) or "",
        backend=store.address,
        state=fingerprint_of(checkpoint, secrets),
    )


def images_of(steps: Iterable[Step]) -> list[str]:
    """The images by digest that what is registered will run."""
    inputs = [step.new.get("inputs") or {} for step in steps if step.new]
    found = {str(given[key]) for given in inputs for key in _IMAGE_INPUTS if isinstance(given.get(key), str)}
    return sorted(reference for reference in found if is_by_digest(reference))


def look_for(images: Iterable[str], stack: Stack, environ: Mapping[str, str]) -> dict[str, bool]:
    """Whether their registries have them. Raises OpsError when no key is known, or a registry does not say."""
    wanted = list(images)
    if not wanted:
        return {}
    registries = Registries(Profile.of(stack, environ).secret_key)
    return {reference: registries.has(reference) for reference in wanted}


def differences(plan: Plan, now: Evidence, stack: Stack, project: str, engine: str) -> list[str]:
    """What speaks against applying the plan to this stack now, each in a line of its own; nothing, if all is well."""
    return [
        *_identity(plan, now, stack, project, engine),
        *_files(plan, now),
        *_configuration(plan.config, now.config),
        *(f"{label(urn)}: {what}" for urn, what in plan.state.differences(now.state).items()),
    ]


def _identity(plan: Plan, now: Evidence, stack: Stack, project: str, engine: str) -> Iterator[str]:
    if (plan.project, plan.stack) != (project, stack.name):
        yield f"the plan is for the stack {plan.stack} of {plan.project}; this is {stack.name} of {project}"
    if plan.backend != now.backend:
        yield f"the state was in {plan.backend}; now it is in {now.backend}"
    if plan.engine != engine:
        yield f"it was planned by the engine {plan.engine}, and can be applied by that one only; this is {engine}"
    if datetime.now(UTC) >= plan.expires:
        yield f"the plan has expired, on {plan.expires:%Y-%m-%d at %H:%M} UTC"


def _files(plan: Plan, now: Evidence) -> Iterator[str]:
    if plan.tree != now.revision.tree:
        yield (
            f"the files are others than planned: then {plan.commit[:12]}{' with changes' if plan.dirty else ''}, now "
            f"{now.revision.commit[:12]}{' with changes' if now.revision.dirty else ''}"
        )
    if plan.salt != now.salt:
        yield f"the encryption salt of the stack's secrets is {'another one' if now.salt else 'lost'}"


def _configuration(planned: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Keys only: values may be secrets that stand in the wrong place."""
    for key in sorted(planned.keys() | now.keys()):
        if key not in planned:
            yield f"configuration: {key} was added"
        elif key not in now:
            yield f"configuration: {key} was removed"
        elif canonical(planned[key]) != canonical(now[key]):
            yield f"configuration: {key} was changed"


def missing_images(plan: Plan, now: Mapping[str, bool]) -> list[str]:
    """Those that the registry had when the plan was made."""
    return [
        f"the image {reference} is gone from its registry" for reference in plan.images if _lost(plan, now, reference)
    ]


def _lost(plan: Plan, now: Mapping[str, bool], reference: str) -> bool:
    return plan.images[reference] and not now.get(reference, False)


def operation_differences(plan: Plan, steps: list[Step], digests: Mapping[str, str]) -> list[str]:
    """How a preview of now differs from the one of the plan, resource by resource."""
    planned_steps, found_steps = _by_urn(plan.parsed_steps()), _by_urn(steps)
    lines = []
    for urn in sorted(plan.operations.keys() | digests.keys()):
        if plan.operations.get(urn) == digests.get(urn):
            continue
        planned, found = planned_steps.get(urn, []), found_steps.get(urn, [])
        lines.append(f"{label(urn)}: {_told(planned, found)}")
    return lines


def _by_urn(steps: Iterable[Step]) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for step in steps:
        if not step.is_replacement_part:
            found.setdefault(step.urn, []).append(step)
    return found


def _told(planned: list[Step], found: list[Step]) -> str:
    before, after = _ops(planned), _ops(found)
    if before != after:
        return f"planned: {before}; now: {after}{_changed_paths(found)}"
    changes_before, changes_after = _changes(planned), _changes(found)
    differing = sorted({path for path, _ in {*changes_before.items()} ^ {*changes_after.items()}})
    if differing:
        return f"{after}, with other values than planned: {', '.join(differing)}"
    return f"{after}, with another secret value than planned"


def _ops(steps: list[Step]) -> str:
    return ", ".join("nothing to do" if not step.is_change else step.op for step in steps) or "not in the program"


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
