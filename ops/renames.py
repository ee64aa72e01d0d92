"""Names that one update would give to a new resource while an old one still has them.

Pulumi creates before it deletes, and does not compare the two: the platform refuses the second holder of a name half
way through the update. Each such pair is found in the preview, whichever engine made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
"""Kinds whose identity Scaleway gives to one resource at a time. A record is a CNAME here, which excludes others."""
_Identity = tuple[str, tuple[str, ...]]
"""A resource's type, and the values of the kind's identity."""
_SETTINGS = {"ContainerApp": "apps", "ScheduledJob": "jobs"}
"""The setting that lists the components of a type."""


def refuse_collisions(stack: Stack, record: OperationRecord) -> None:
    """Raises OpsError for a preview whose update would ask Scaleway for a name that is still taken."""
    found = list(_collisions(item.step for item in record.steps.values() if not item.refreshed))
    if found:
        pairs = "".join(f"\n  {new.name} would get {wanted}, which {old.name} still has" for wanted, old, new in found)
        ways = dict.fromkeys(_way_out(stack, old, new) for _, old, new in found)
        raise OpsError(
            f"{stack.name}: Scaleway would refuse this update half way, since names are still taken:{pairs}\n"
            f"Nothing was changed. {' '.join(ways)}",
            ExitCode.SETTINGS,
        )


def refuse_second_owner(stack: Stack, record: OperationRecord, store: Store, project: str) -> None:
    """Raises OpsError for a stack without resources whose names another stack of the same store already has.

    So it is where a stack's file was renamed and its state was not. Raises StoreError when the store cannot be read.
    """
    steps = [item.step for item in record.steps.values() if item.step.is_custom and not item.step.is_provider]
    wanted = {identity for step in steps if step.op == "create" and (identity := _identity(step.type, step.new))}
    if not wanted or any(step.op not in ("create", "read") for step in steps):
        return
    stacks = stacks_in(store, project)
    # The CLI makes a stack before its first preview; that one is in the way of a rename.
    remove = f"pulumi stack rm {stack.name} --yes --preserve-config && " if stack.name in stacks else ""
    for name in sorted(stacks.keys() - {stack.name}):
        checkpoint = read_checkpoint(store, project, name)
        resources = (checkpoint.latest.get("resources") or []) if checkpoint else []
        if shared := wanted & {_identity(each["type"], each) for each in resources}:
            first, *others = sorted(map(_named, shared))
            more = f" and {counted(len(others), 'other resource')}" if others else ""
            raise OpsError(
                f"{stack.name} has no resources, and {name} already manages {first}{more}. Nothing was changed. If "
                f"{name} was renamed to {stack.name}: {remove}pulumi stack rename {stack.name} --stack {name}",
                ExitCode.SETTINGS,
            )


def _collisions(steps: Iterable[Step]) -> Iterator[tuple[str, Step, Step]]:
    """The name, who has it and is to lose it, and who is to get it."""
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
    """Type and values that no other resource may have; None where there are none, or some are not known yet."""
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


def _way_out(stack: Stack, old: Step, new: Step) -> str:
    setting = _SETTINGS.get(_noun(new.parent))
    former, key = name_of(old.parent), name_of(new.parent)
    if setting and old.op == "delete" and new.op == "create" and _noun(old.parent) == _noun(new.parent):
        return (
            f"If {former} was renamed to {key}: write `renamedFrom: {former}` under snu:{setting}.{key} in "
            f"{stack.file.name}. If not: remove {former} with an update of its own first."
        )
    return f"Take the name from {old.name} with an update of its own first, and give it to {new.name} with the next."


def _noun(urn: str) -> str:
    return type_of(urn).rpartition(":")[2] if urn else ""
