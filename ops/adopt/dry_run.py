"""Dry run of an adoption on a copy of the state: determines what it would import and what would differ afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ops.adopt.mapping import MappedResource, is_known, match
from ops.adopt.scratch_stack import ScratchPreview, ScratchStack
from ops.adopt.state_entries import entries_for, mark_secrets
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
    """The result of a dry run."""

    imported: Mapping[str, MappedResource]
    """Resources that are not in the state yet, by URN."""
    had: Mapping[str, MappedResource]
    """Resources that are already in the state, by URN."""
    rest: Sequence[TerraformResource]
    """Resources that the program does not declare, or that cannot be imported."""
    after: ScratchPreview
    """The preview after the import."""
    content: bytes
    """The serialized state after the import."""


def dry_run(scratch: ScratchStack, live: Sequence[TerraformResource], say: Say) -> DryRunResult:
    """Import the resources into the copy. Raises OpsError if a resource cannot be read or its match is ambiguous.

    A resource's identity may include the id of another resource, which a preview knows only once that resource is in
    the state. Each level of dependencies therefore needs its own preview.
    """
    known = [each for each in map(MappedResource.of, live) if each is not None]
    candidates = [each for each in known if not each.kind.only_once]
    before = scratch.snapshot()
    if before.pending_operations:
        raise OpsError(
            "An earlier run was interrupted and left pending operations. Run `scripts/snu recover` first. Nothing "
            "was changed.",
            ExitCode.INTERRUPTED,
        )
    had = before.by_urn().keys()
    matches: dict[str, MappedResource] = {}
    while True:
        say("Previewing")
        preview = scratch.preview()
        steps = steps_of(preview.record)
        if not any(step.op == "replace" for step in steps):  # engines reject these, and the report shows them
            preview.require("The preview")
        new_matches = match((step for step in steps if step.is_custom), candidates)
        if new_matches.keys() <= matches.keys():
            break
        matches |= new_matches
        snapshot = scratch.snapshot()
        entries = entries_for(steps, matches, scratch.config().values, snapshot.by_urn())
        scratch.write(Snapshot([*snapshot.resources, *entries]))
        if all(is_known(step) for step in steps if step.is_custom):
            break
    imported = {urn: each for urn, each in matches.items() if urn not in had}
    if imported:
        say(f"Reading {counted(len(imported), 'resource')}")
        _read(scratch, imported, steps)
        say("Previewing")
        preview = scratch.preview()
    matched = {each.live.key for each in matches.values()}
    return DryRunResult(
        imported,
        {urn: each for urn, each in matches.items() if urn in had},
        [each for each in live if each.key not in matched],
        preview,
        scratch.content(),
    )


def steps_of(record: OperationRecord) -> list[Step]:
    """One step for each resource except providers, parents before children."""
    return [progress.step for progress in record.by_resource() if not progress.step.is_provider]


def _read(scratch: ScratchStack, imported: Mapping[str, MappedResource], steps: Sequence[Step]) -> None:
    scratch.refresh().require("Reading the resources from Scaleway")
    snapshot = scratch.snapshot()
    resources = snapshot.by_urn()
    missing = [f"{label(urn)}, {each.live.address}" for urn, each in imported.items() if urn not in resources]
    if missing:
        raise OpsError(
            f"Terraform's state is out of date. These resources no longer exist on Scaleway: {'; '.join(missing)}. Run "
            "`terraform refresh`. Nothing was changed.",
            ExitCode.FAILED,
        )
    for step in steps:
        if step.urn in imported:
            mark_secrets(resources[step.urn], step.new.get("inputs") or {})
    scratch.write(snapshot)
