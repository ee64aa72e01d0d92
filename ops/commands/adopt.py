"""``snu adopt``: imports Terraform-managed resources into the state after a dry run on a copy, or undoes the import."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ops.adopt.acceptance import AcceptanceResult, as_list, judge, read_accepted
from ops.adopt.adopted_state import AdoptedState
from ops.adopt.dry_run import DryRunResult, dry_run, steps_of
from ops.adopt.other_stacks import owners
from ops.adopt.scratch_stack import scratch_of
from ops.adopt.terraform import TerraformResource, read_states
from ops.confirm import confirm
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.base import all_diagnostic_lines
from ops.report.factory import printer_for
from ops.report.files import write_text
from ops.report.progress import progress_for
from ops.report.text import Line, counted, safe
from ops.report.tree import tree_lines
from ops.scaleway.catalogue import kind_of_terraform
from ops.session import Options, Session
from ops.steps import name_of, short_type

_DIM = "dim"


def adopt(
    session: Session, sources: Sequence[str], accept: Path | None, options: Options, write_accept: str | None = None
) -> ExitCode:
    """Import resources from Terraform states.

    Raises OpsError without changing anything unless every difference is accepted.
    """
    live = read_states(sources)
    accepted = read_accepted(accept)
    name = session.stack.name
    with session.locked("snu adopt", options):
        session.require_complete()
        state = AdoptedState(session)
        before = state.content()
        with (
            scratch_of(session) as scratch,
            progress_for(sys.stdout) as progress,
        ):
            result = dry_run(scratch, live, progress)
        printer_for(sys.stdout).print(_report(session, result))
        if not result.imported:
            result.after.require("The preview")
            print(f"{name}: nothing left to adopt; nothing was changed.")
            return ExitCode.OK
        _require_accepted(name, judge(steps_of(result.after.record), accepted), write_accept)
        result.after.require("The preview")
        if not options.yes:
            confirm(f"Import {counted(len(result.imported), 'resource')} into the state of {name}?")
        state.write(before, result.content, len(result.imported))
    print(
        f"{name}: adopted {counted(len(result.imported), 'resource')}; nothing on Scaleway was changed.\n"
        f"Show the accepted differences: scripts/snu preview {name}\nUndo: scripts/snu adopt {name} --undo"
    )
    return ExitCode.OK


def undo(session: Session, options: Options) -> ExitCode:
    """Restore the state from before the adoption.

    Raises OpsError without changing anything if the state has changed since then.
    """
    name = session.stack.name
    with session.locked("snu adopt --undo", options):
        if not options.yes:
            confirm(f"Remove the adopted resources from the state of {name}?")
        count = AdoptedState(session).undo()
    print(f"{name}: restored the state from before the adoption ({counted(count, 'resource')}).")
    return ExitCode.OK


def _require_accepted(name: str, verdict: AcceptanceResult, write_accept: str | None) -> None:
    """Raises OpsError unless the accepted differences are exactly those that exist."""
    if verdict.never:
        raise OpsError(
            f"{name} cannot be adopted because live resources would be replaced or "
            f"deleted:{_listed(verdict.never)}\nChange the settings to match the live resources. Nothing was changed.",
            ExitCode.NOT_ACCEPTED,
        )
    if verdict.open:
        missing = as_list(verdict.open)
        if write_accept is not None:
            write_text(missing, write_accept)
            hint = f"Add a reason to each entry in {write_accept}."
        else:
            hint = f"Accept them with this list, adding a reason to each entry:\n{missing}"
        count = sum(map(len, verdict.open.values()))
        raise OpsError(
            f"{name} was not adopted: {counted(count, 'difference')} in {counted(len(verdict.open), 'resource')} must "
            f"be accepted with --accept. Nothing was changed. {hint}",
            ExitCode.NOT_ACCEPTED,
        )
    if verdict.unused:
        raise OpsError(
            f"{name} was not adopted: the list accepts differences that do not exist:{_listed(verdict.unused)}\nRemove "
            "these entries, or correct their names. Nothing was changed.",
            ExitCode.NOT_ACCEPTED,
        )


def _listed(items: Sequence[str]) -> str:
    return "".join(f"\n  {safe(item)}" for item in items)


# --- the report -------------------------------------------------------------------------------------------


def _report(session: Session, result: DryRunResult) -> Iterator[Line]:
    yield Line.of((session.title("Adopting"), "bold"))
    for urn, candidate in result.imported.items():
        yield Line.of(
            ("= ", "green"),
            (name_of(urn), "bold"),
            (f"  {short_type(candidate.type)}  ", _DIM),
            safe(candidate.live.address),
        )
    if result.had:
        yield Line.of(f"Already in the state: {counted(len(result.had), 'Terraform resource')}.")
    if result.rest:
        yield Line.of("Managed by Terraform but not adopted by this stack:")
        declared = owners(session.stack, result.rest)
        for live in result.rest:
            yield Line.of("  ", safe(live.address), (f"  {_reason(live, declared)}", _DIM))
    yield Line.of("Changes that `scripts/snu up` would make afterwards:")
    tree = tree_lines(result.after.record, properties=True)
    yield from tree or [Line.of("  nothing")]
    yield from all_diagnostic_lines(result.after.record)


def _reason(live: TerraformResource, declared: Mapping[tuple[str, str], str]) -> str:
    if owner := declared.get(live.key):
        return f"declared by {owner}"
    kind = kind_of_terraform(live.type)
    if kind and kind.only_once:
        return f"its {kind.only_once} was shown only once, so the program creates a replacement"
    return "not declared by any stack"
