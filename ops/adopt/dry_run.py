"""The adoption as it would be, made on a copy of the state: what would be imported, and what would differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ops.adopt.mapping import MappedResource, is_known, match
from ops.adopt.scratch_stack import ScratchPreview, ScratchStack
from ops.adopt.state_entries import entries_for, remark
from ops.adopt.terraform import TerraformResource
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.operation_record import OperationRecord
from ops.report.text import counted
from ops.steps import Step, label
from pulumi_state.snapshot import Snapshot

Say = Callable[[str], None]


@dataclass(frozen=True)
class DryRunResult:
    """What came of it."""

    imported: Mapping[str, MappedResource]
    """By URN, what the state does not have yet."""
    had: Mapping[str, MappedResource]
    """By URN, what the state has already."""
    rest: Sequence[TerraformResource]
    """What is nothing that the program declares, or cannot be imported."""
    after: ScratchPreview
    """The preview after the import."""
    content: bytes
    """The state after the import, as it is stored."""


def attempt(scratch: ScratchStack, live: Sequence[TerraformResource], say: Say) -> DryRunResult:
    """Import on the copy. Raises OpsError when a resource could not be read, or is not certain.

    What identifies a resource may be the id of another one, which a preview knows only once that one is in the state:
    so there are as many previews as resources stand on each other.
    """
    known = [each for each in map(MappedResource.of, live) if each is not None]
    candidates = [each for each in known if not each.kind.only_once]
    before = scratch.snapshot()
    if before.pending_operations:
        raise OpsError(
            "An earlier run was interrupted, and its end is not known: run `scripts/snu recover` first. Nothing was "
            "changed.",
            ExitCode.INTERRUPTED,
        )
    had = before.by_urn().keys()
    found: dict[str, MappedResource] = {}
    while True:
        say("Previewing")
        look = scratch.preview()
        steps = steps_of(look.record)
        if not any(step.op == "replace" for step in steps):  # which engines refuse, and the report is to show
            look.require("The preview")
        now_found = match((step for step in steps if step.is_custom), candidates)
        if now_found.keys() <= found.keys():
            break
        found |= now_found
        snapshot = scratch.snapshot()
        entries = entries_for(steps, found, scratch.config().values, snapshot.by_urn())
        scratch.write(Snapshot([*snapshot.resources, *entries]))
        if all(is_known(step) for step in steps if step.is_custom):
            break
    imported = {urn: each for urn, each in found.items() if urn not in had}
    if imported:
        say(f"Reading {counted(len(imported), 'resource')}")
        _read(scratch, imported, steps)
        say("Previewing")
        look = scratch.preview()
    taken = {each.live.key for each in found.values()}
    return DryRunResult(
        imported,
        {urn: each for urn, each in found.items() if urn in had},
        [each for each in live if each.key not in taken],
        look,
        scratch.content(),
    )


def steps_of(record: OperationRecord) -> list[Step]:
    """One step of each resource, parents before children; providers left out."""
    return [progress.step for progress in record.by_resource() if not progress.step.is_provider]


def _read(scratch: ScratchStack, imported: Mapping[str, MappedResource], steps: Sequence[Step]) -> None:
    scratch.refresh().require("The look at what Scaleway has")
    snapshot = scratch.snapshot()
    there = snapshot.by_urn()
    gone = [f"{label(urn)}, {each.live.address}" for urn, each in imported.items() if urn not in there]
    if gone:
        raise OpsError(
            f"Terraform's state is not of today. Scaleway does not have: {'; '.join(gone)}. Run `terraform refresh`. "
            "Nothing was changed.",
            ExitCode.FAILED,
        )
    for step in steps:
        if step.urn in imported:
            remark(there[step.urn], step.new.get("inputs") or {})
    scratch.write(snapshot)
