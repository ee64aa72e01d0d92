"""Recovers a locked stack: shows the planned actions, asks for confirmation, performs them and reports the result."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ops.confirm import DECLINED, confirm
from ops.engines.base import EngineError
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.recovery.decide import RecoveryAction, RecoveryDecision, decide
from ops.report.base import SilentDisplay, all_diagnostic_lines
from ops.report.factory import printer_for
from ops.report.progress import spinner_for
from ops.report.text import Line
from ops.scaleway.catalogue import kind_of
from ops.scaleway.client import Client
from ops.scaleway.finder import Finder
from ops.session import Options, Session
from ops.state.last_run import OverwrittenState, restore
from ops.state.lock import Lock, locks_of, unlock
from pulumi_state.errors import PulumiError
from pulumi_state.store import StoreError, layout
from pulumi_state.store.folder import FolderStore

if TYPE_CHECKING:
    from pulumi_state.interruption import InterruptedState


def recover_locked(session: Session, *, yes: bool) -> ExitCode:
    """Recover a stack that the caller has locked. Raises OpsError if an operation cannot be resolved."""
    stack = session.stack
    overwritten = session.observed.overwritten
    if overwritten is not None:
        _restore(session, overwritten, yes=yes)
    locks = _stale_locks(session)
    interrupted = read_interrupted(session)
    finder = Finder(Client.of(stack, session.environ)) if interrupted.pending else None
    pending, known = interrupted.pending, interrupted.known
    with spinner_for(sys.stdout, "Looking up the results of interrupted operations on Scaleway"):
        decisions = [decide(each, known, finder.find, finder.is_there) for each in pending] if finder else []
    printer = printer_for(sys.stdout)
    if not locks and not decisions:
        if overwritten is None:
            printer.print([Line.of(f"{stack.name}: no run was interrupted; nothing to recover.")])
        return ExitCode.OK
    printer.print(_intention_lines(session, locks, decisions))
    _refuse_uncertain(decisions)
    if not yes:
        restored = "Not confirmed; apart from the restored state, nothing was changed."
        confirm(f"Recover {stack.name}?", restored if overwritten else DECLINED)
    for lock in locks:
        unlock(session.store, lock)
    for each in decisions:
        kind = kind_of(each.pending.type)
        if finder and kind and each.action is RecoveryAction.REMOVE:
            finder.remove(kind, each.ids[0])
    with spinner_for(sys.stdout, f"Repairing the state of {stack.name}"):
        missing = _repair_state(session, interrupted, decisions)
    printer.print(_result_lines(session, decisions, missing))
    return ExitCode.OK


def needs_recovery(session: Session) -> bool:
    """Whether `recover_locked` would change anything. Raises OpsError."""
    return session.observed.overwritten is not None or bool(read_interrupted(session).pending or _stale_locks(session))


def _stale_locks(session: Session) -> list[Lock]:
    """Pulumi locks whose owner is no longer running."""
    locks = locks_of(session.store, session.project, session.stack.name)
    return [each for each in locks if each.is_pulumis and each.liveness.is_stale]


def _restore(session: Session, overwritten: OverwrittenState, *, yes: bool) -> None:
    """Ask for confirmation, then restore the state left by the last run."""
    name, printer = session.stack.name, printer_for(sys.stdout)
    begun = f"{overwritten.begun:%Y-%m-%d %H:%M} UTC"
    printer.print(
        [
            Line.of((session.title("Recovering"), "bold")),
            Line.of(f"  restore the overwritten state of the run that started at {begun}"),
            *(Line.of(f"  only in the state that overwrote it: {each}") for each in overwritten.unknown),
        ]
    )
    if not yes:
        confirm(f"Restore the newer state of {name}?")
    copy = restore(session.store, session.project, name, overwritten)
    session.forget_observed()
    printer.print([Line.of(f"  restored; the other state was copied to {copy}")])


def read_interrupted(session: Session) -> InterruptedState:
    """Read the interrupted operations that either engine left in the state. Raises OpsError."""
    from pulumi_state import interruption

    try:
        if isinstance(session.store, FolderStore):
            # If the CLI is killed while writing one of these files, it can no longer read the state.
            session.store.remove_broken_attributes(
                session.state.key, layout.history(session.project, session.stack.name)
            )
        return interruption.read_interrupted_state(session.state, session.environ)
    except (PulumiError, StoreError) as error:
        raise OpsError(str(error), ExitCode.FAILED) from error


def _repair_state(session: Session, interrupted: InterruptedState, decisions: list[RecoveryDecision]) -> list[str]:
    """Write the repaired state and refresh uncertain resources; returns the URNs of those that no longer exist."""
    from pulumi_state import interruption

    adopted = {index: each.ids[0] for index, each in enumerate(decisions) if each.action is RecoveryAction.ADOPT}
    deleted = {index for index, each in enumerate(decisions) if each.action is RecoveryAction.DROP}
    try:
        to_read = interruption.recover_state(session.state, interrupted, adopted, deleted)
        session.forget_observed()
        if to_read:
            _refresh(session, to_read)
        checkpoint = session.state.read()
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from error
    remaining = {each["urn"] for each in (checkpoint.latest.get("resources") or [] if checkpoint else [])}
    return [urn for urn in to_read if urn not in remaining]


def _refresh(session: Session, urns: list[str]) -> None:
    """Raises OpsError if a resource cannot be read."""
    display, name = SilentDisplay(), session.stack.name
    operation = replace(session.operation(Options(), display.on_event), targets=urns)
    try:
        ok = session.engine.refresh(operation).ok
        errors = "\n".join(line.plain for line in all_diagnostic_lines(display.record))
    except EngineError as error:
        ok, errors = False, str(error)
    if not ok:
        raise OpsError(
            f"{errors}\n{name}: the state was recovered, but some resources could not be read. Run "
            f"`scripts/snu refresh {name}`.",
            ExitCode.FAILED,
        )


def _refuse_uncertain(decisions: Iterable[RecoveryDecision]) -> None:
    uncertain = [each.label for each in decisions if each.action is RecoveryAction.REFUSE]
    if uncertain:
        raise OpsError(
            f"Cannot be recovered automatically: {', '.join(uncertain)}. Nothing was changed. Delete the unwanted "
            "resources on Scaleway and run the same command again.",
            ExitCode.FAILED,
        )


def _intention_lines(session: Session, locks: Iterable[Lock], decisions: Iterable[RecoveryDecision]) -> list[Line]:
    lines = [Line.of((session.title("Recovering"), "bold"))]
    lines += [Line.of(f"  remove the lock of {lock.owner}, which is no longer running") for lock in locks]
    return lines + [Line.of(f"  {_intention(each)}") for each in decisions]


def _intention(decision: RecoveryDecision) -> str:
    pending, label, ids = decision.pending, decision.label, ", ".join(decision.ids)
    match decision.action:
        case RecoveryAction.ADOPT:
            return f"import {label}: it was created as {ids}"
        case RecoveryAction.REMOVE:
            kind = kind_of(pending.type)
            lost = kind.only_once if kind else ""
            return f"delete {label}, created as {ids}: Scaleway returns its {lost} only once; the next up replaces it"
        case RecoveryAction.READ:
            return f"refresh {label}: its {_NOUNS.get(pending.operation, pending.operation)} was interrupted"
        case RecoveryAction.DROP:
            return f"remove {label} from the state: it was deleted"
        case RecoveryAction.FORGET:
            return f"discard the interrupted {_NOUNS.get(pending.operation, pending.operation)} of {label}"
        case RecoveryAction.REFUSE if ids:
            return f"uncertain: {label} could be any of {ids}"
        case _:
            return f"uncertain: {label} has a type that cannot be looked up"


_NOUNS = {"creating": "creation", "updating": "update", "deleting": "deletion", "reading": "read"}
"""Nouns for the verbs of pending operations."""


def _result_lines(session: Session, decisions: list[RecoveryDecision], missing: list[str]) -> list[Line]:
    lines = []
    for each in decisions:
        if each.action is RecoveryAction.REMOVE:
            lines.append(Line.of(f"  deleted {each.label}; the next up replaces it"))
        elif each.action is RecoveryAction.FORGET:
            lines.append(Line.of(f"  discarded {each.label}"))
        elif each.action is RecoveryAction.DROP or each.pending.urn in missing:
            lines.append(Line.of(f"  removed {each.label} from the state: it no longer exists"))
        elif each.action is RecoveryAction.ADOPT:
            lines.append(Line.of(f"  imported {each.label}"))
        else:
            lines.append(Line.of(f"  kept {each.label}: it exists"))
    name = session.stack.name
    return [
        *lines,
        Line.of(f"{name}: the state matches the live resources again. Continue with `scripts/snu up {name}`."),
    ]
