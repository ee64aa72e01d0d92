"""What ``snu adopt`` does: try on a copy, show, have it accepted, write the state in one step; and undo that."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ops.adopt.acceptance import AcceptanceResult, as_list, judge, read_accepted
from ops.adopt.adopted_state import AdoptedState
from ops.adopt.dry_run import DryRunResult, attempt, steps_of
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
    """Raises OpsError, and nothing was changed, when anything differs that the list does not accept."""
    live = read_states(sources)
    accepted = read_accepted(accept)
    name = session.stack.name
    with session.locked("snu adopt", options):
        session.require_complete()
        state = AdoptedState(session)
        before = state.content()
        with (
            scratch_of(session) as scratch,
            progress_for(sys.stdout) as say,
        ):
            trial = attempt(scratch, live, say)
        printer_for(sys.stdout).print(_report(session, trial))
        if not trial.imported:
            trial.after.require("The preview")
            print(f"{name}: nothing is left to adopt, and nothing was changed.")
            return ExitCode.OK
        _require_accepted(name, judge(steps_of(trial.after.record), accepted), write_accept)
        trial.after.require("The preview")
        if not options.yes:
            confirm(f"Have {name} manage these {counted(len(trial.imported), 'resource')}?")
        state.write(before, trial.content, len(trial.imported))
    print(
        f"{name}: adopted {counted(len(trial.imported), 'resource')}, and changed nothing on Scaleway. "
        f"`scripts/snu preview {name}` shows what was accepted; `scripts/snu adopt {name} --undo` goes back."
    )
    return ExitCode.OK


def undo(session: Session, options: Options) -> ExitCode:
    """Raises OpsError, and nothing was changed, when something was done since the adoption."""
    name = session.stack.name
    with session.locked("snu adopt --undo", options):
        if not options.yes:
            confirm(f"Have {name} forget what it has adopted?")
        count = AdoptedState(session).undo()
    print(f"{name}: has its state from before the adoption again, {counted(count, 'resource')}. Terraform goes on.")
    return ExitCode.OK


def _require_accepted(name: str, verdict: AcceptanceResult, write_accept: str | None) -> None:
    """Raises OpsError with the list that is missing."""
    if verdict.never:
        raise OpsError(
            f"{name} is not adopted. What is live is never replaced or deleted, and no list can accept it:"
            f"{_listed(verdict.never)}\nMake the settings say what is live. Nothing was changed.",
            ExitCode.NOT_ACCEPTED,
        )
    if verdict.open:
        missing = as_list(verdict.open)
        if write_accept is not None:
            write_text(missing, write_accept)
            said = f"They are in {write_accept}: give each its reason."
        else:
            said = f"This list accepts them, once each entry has its reason:\n{missing}"
        count = sum(map(len, verdict.open.values()))
        raise OpsError(
            f"{name} is not adopted: {counted(count, 'difference')} of {counted(len(verdict.open), 'resource')} must "
            f"be accepted by name, with --accept. Nothing was changed. {said}",
            ExitCode.NOT_ACCEPTED,
        )
    if verdict.unused:
        raise OpsError(
            f"{name} is not adopted: the list accepts what does not differ:{_listed(verdict.unused)}\nTake it out, or "
            "correct its name. Nothing was changed.",
            ExitCode.NOT_ACCEPTED,
        )


def _listed(items: Sequence[str]) -> str:
    return "".join(f"\n  {safe(item)}" for item in items)


# --- the report -------------------------------------------------------------------------------------------


def _report(session: Session, trial: DryRunResult) -> Iterator[Line]:
    yield Line.of((session.title("Adopting"), "bold"))
    for urn, candidate in trial.imported.items():
        yield Line.of(
            ("= ", "green"),
            (name_of(urn), "bold"),
            (f"  {short_type(candidate.type)}  ", _DIM),
            safe(candidate.live.address),
        )
    if trial.had:
        yield Line.of(f"{counted(len(trial.had), 'resource')} of Terraform's in the state already.")
    if trial.rest:
        yield Line.of("Terraform manages, and this stack does not take over:")
        declared = owners(session.stack, trial.rest)
        for live in trial.rest:
            yield Line.of("  ", safe(live.address), (f"  {_why(live, declared)}", _DIM))
    yield Line.of("What `scripts/snu up` would do then:")
    tree = tree_lines(trial.after.record, properties=True)
    yield from tree or [Line.of("  nothing")]
    yield from all_diagnostic_lines(trial.after.record)


def _why(live: TerraformResource, declared: Mapping[tuple[str, str], str]) -> str:
    if owner := declared.get(live.key):
        return f"declared by {owner}"
    kind = kind_of_terraform(live.type)
    if kind and kind.only_once:
        return f"its {kind.only_once} was told only once: the program makes its own"
    return "declared by no stack"
