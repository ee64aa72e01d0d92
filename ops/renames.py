"""Detects updates that would create a resource under a name still used by an existing resource.

Pulumi creates resources before it deletes others and does not compare their names, so Scaleway would reject the
duplicate name halfway through the update. Such conflicts are detected in the preview of either engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.operation_record import OperationRecord
from ops.report.text import counted
from ops.report.values import is_unknown
from ops.scaleway import catalogue
from ops.scaleway.catalogue import bare, kind_of
from ops.stacks import Stack
from ops.state.checkpoint import read_checkpoint
from ops.steps import Step, name_of
from pulumi_state.store import Store
from pulumi_state.store.checkpoints import stacks_in
from pulumi_state.urn import type_of

_EXCLUSIVE = (
    catalogue.BUCKET,
    catalogue.CONTAINER,
    catalogue.CONTAINER_DOMAIN,
    catalogue.CONTAINER_NAMESPACE,
    catalogue.RECORD,
    catalogue.REGISTRY_NAMESPACE,
    catalogue.SECRET,
    catalogue.ZONE,
)
"""Kinds with a unique identity on Scaleway. Our records are CNAMEs, which exclude other records with the same name."""
_Identity = tuple[str, tuple[str, ...]]
"""A resource's type and the values of its identifying properties."""
_SETTINGS = {"ContainerApp": "apps", "ScheduledJob": "jobs"}
"""The setting that lists the components of each type."""


def refuse_collisions(stack: Stack, record: OperationRecord) -> None:
    """Raises OpsError if the previewed update would create a resource under a name that is still in use."""
    collisions = list(_collisions(item.step for item in record.steps.values() if not item.refreshed))
    if collisions:
        pairs = "".join(
            f"\n  {new.name} would use {name}, which {old.name} still uses" for name, old, new in collisions
        )
        deleted = {item.step.urn for item in record.steps.values() if item.step.op == "delete"}
        next_steps = dict.fromkeys(_next_step(stack, old, new, deleted) for _, old, new in collisions)
        raise OpsError(
            f"{stack.name}: this update would fail halfway because some names are still in use:{pairs}\n"
            f"Nothing was changed. {' '.join(next_steps)}",
            ExitCode.SETTINGS,
        )


def refuse_second_owner(stack: Stack, record: OperationRecord, store: Store, project: str) -> None:
    """Raises OpsError if a stack without resources would use names that another stack in the same store already uses.

    This happens if a stack's file was renamed but its state was not. Raises StoreError if the store cannot be read.
    """
    steps = [item.step for item in record.steps.values() if item.step.is_custom and not item.step.is_provider]
    new = {identity for step in steps if step.op == "create" and (identity := _identity(step.type, step.new))}
    if not new or any(step.op not in ("create", "read") for step in steps):
        return
    stacks = stacks_in(store, project)
    # The CLI creates a stack before its first preview; that stack must be removed before the rename.
    remove = f"pulumi stack rm {stack.name} --yes --preserve-config && " if stack.name in stacks else ""
    for name in sorted(stacks.keys() - {stack.name}):
        checkpoint = read_checkpoint(store, project, name)
        resources = (checkpoint.latest.get("resources") or []) if checkpoint else []
        if shared := new & {_identity(each["type"], each) for each in resources}:
            first, *others = sorted(map(_named, shared))
            more = f" and {counted(len(others), 'other resource')}" if others else ""
            raise OpsError(
                f"{stack.name} has no resources, but {name} already manages {first}{more}. Nothing was changed. If "
                f"{name} was renamed to {stack.name}: {remove}pulumi stack rename {stack.name} --stack {name}",
                ExitCode.SETTINGS,
            )


def _collisions(steps: Iterable[Step]) -> Iterator[tuple[str, Step, Step]]:
    """Yield each name with the step that releases it and the step that takes it."""
    steps = list(steps)
    holders = {
        identity: step
        for step in steps
        if step.op in ("delete", "replace") and (identity := _identity(step.type, step.old)) is not None
    }
    for step in steps:
        identity = _identity(step.type, step.new) if step.op in ("create", "replace") else None
        holder = holders.get(identity) if identity is not None else None
        if identity is not None and holder is not None and holder.urn != step.urn:
            yield _named(identity), holder, step


def _identity(token: str, state: Mapping[str, Any]) -> _Identity | None:
    """The resource's unique identity; None if it has none or the identity is not known yet."""
    kind = kind_of(token)
    if kind is None or kind not in _EXCLUSIVE:
        return None
    inputs = state.get("inputs") or {}
    values = {name: inputs.get(name, "") for name in kind.identity}
    if any(is_unknown(value) or not isinstance(value, str) for value in values.values()):
        return None
    return token, tuple(bare(value, name) for name, value in values.items())


def _named(identity: _Identity) -> str:
    token, values = identity
    kind = kind_of(token)
    name = ".".join(reversed(values[:2])) if kind is catalogue.RECORD else values[0]
    return f"the {kind.noun if kind else token} {name}"


def _next_step(stack: Stack, old: Step, new: Step, deleted: Set[str]) -> str:
    setting = _SETTINGS.get(_noun(new.parent))
    former, key = name_of(old.parent), name_of(new.parent)
    if setting and old.parent in deleted and new.op == "create" and _noun(old.parent) == _noun(new.parent):
        return (
            f"If {former} was renamed to {key}, set `renamedFrom: {former}` under snu:{setting}.{key} in "
            f"{stack.file.name}. Otherwise, remove {former} in a separate update first."
        )
    return f"Remove the name from {old.name} in one update, then give it to {new.name} in the next."


def _noun(urn: str) -> str:
    return type_of(urn).rpartition(":")[2] if urn else ""
