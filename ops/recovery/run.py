"""Looks, shows, asks, does and reports, for a stack that is held."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ops.confirm import confirm
from ops.engines.base import EngineError
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.recovery.decide import RecoveryAction, RecoveryDecision, decide
from ops.report.base import SilentDisplay, said_lines
from ops.report.factory import printer_for
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


def recover_held(session: Session, *, yes: bool) -> ExitCode:
    """As `recover`, of a stack that the caller has locked."""
    stack = session.stack
    older = session.observed.overwritten
    if older is not None:
        _restore(session, older, yes=yes)
    locks = _left_over(session)
    found = look(session)
    finder = Finder(Client.of(stack, session.environ)) if found.pending else None
    decisions = [decide(each, found.known, finder.find, finder.is_there) for each in found.pending] if finder else []
    printer = printer_for(sys.stdout)
    if not locks and not decisions:
        if older is None:
            printer.print([Line.of(f"{stack.name}: no run was interruption, there is nothing to recover.")])
        return ExitCode.OK
    printer.print(_plan(session, locks, decisions))
    _refuse_uncertain(decisions)
    if not yes:
        confirm(f"Do this to {stack.name}?")
    for lock in locks:
        unlock(session.store, lock)
    for each in decisions:
        kind = kind_of(each.pending.type)
        if finder and kind and each.action is RecoveryAction.REMOVE:
            finder.remove(kind, each.ids[0])
    gone = _do(session, found, decisions)
    printer.print(_report(session, decisions, gone))
    return ExitCode.OK


def needs_recovery(session: Session) -> bool:
    """Whether `recover_held` would change anything. Raises OpsError."""
    return session.observed.overwritten is not None or bool(look(session).pending or _left_over(session))


def _left_over(session: Session) -> list[Lock]:
    """Pulumi's locks of processes that have ended."""
    locks = locks_of(session.store, session.project, session.stack.name)
    return [each for each in locks if each.is_pulumis and each.liveness.is_stale]


def _restore(session: Session, older: OverwrittenState, *, yes: bool) -> None:
    """Show what has overwritten the state, ask, and give the stack back what its last run left."""
    name, printer = session.stack.name, printer_for(sys.stdout)
    printer.print(
        [
            Line.of((session.title("Recovering"), "bold")),
            Line.of(f"  restore the state that the run of {older.begun:%Y-%m-%d %H:%M} UTC left: it was overwritten"),
            *(Line.of(f"  only in the state that overwrote it: {each}") for each in older.unknown),
        ]
    )
    if not yes:
        confirm(f"Restore the newer state of {name}?")
    kept = restore(session.store, session.project, name, older)
    session.forget_observed()
    printer.print([Line.of(f"  restored; what was there is kept as {kept}")])


def look(session: Session) -> InterruptedState:
    """What an earlier run of either engine has left that did not come to its end. Raises OpsError."""
    from pulumi_state import interruption

    try:
        if isinstance(session.store, FolderStore):
            # A CLI that was killed while it wrote one could not read the state any more.
            session.store.remove_broken_attributes(
                session.state.key, layout.history(session.project, session.stack.name)
            )
        return interruption.read_interrupted_state(session.state, session.environ)
    except (PulumiError, StoreError) as error:
        raise OpsError(str(error), ExitCode.FAILED) from error


def _do(session: Session, found: InterruptedState, decisions: list[RecoveryDecision]) -> list[str]:
    """Write the state as it ought to be, and have the engine read what is uncertain in it; gives what is gone."""
    from pulumi_state import interruption

    adopted = {place: each.ids[0] for place, each in enumerate(decisions) if each.action is RecoveryAction.ADOPT}
    deleted = {place for place, each in enumerate(decisions) if each.action is RecoveryAction.DROP}
    try:
        to_read = interruption.recover_state(session.state, found, adopted, deleted)
        session.forget_observed()
        if to_read:
            _read(session, to_read)
        checkpoint = session.state.read()
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from error
    left = {each["urn"] for each in (checkpoint.latest.get("resources") or [] if checkpoint else [])}
    return [urn for urn in to_read if urn not in left]


def _read(session: Session, urns: list[str]) -> None:
    """Raises OpsError where the cloud does not say of each what it has."""
    display, name = SilentDisplay(), session.stack.name
    operation = replace(session.operation(Options(), display.on_event), targets=urns)
    try:
        ok, said = session.engine.refresh(operation).ok, "\n".join(line.plain for line in said_lines(display.record))
    except EngineError as error:
        ok, said = False, str(error)
    if not ok:
        raise OpsError(
            f"{said}\n{name}: the state is recovered, but not all of it could be read: run "
            f"`scripts/snu refresh {name}`.",
            ExitCode.FAILED,
        )


def _refuse_uncertain(decisions: Iterable[RecoveryDecision]) -> None:
    refused = [each.what for each in decisions if each.action is RecoveryAction.REFUSE]
    if refused:
        raise OpsError(
            f"Not certain: {', '.join(refused)}. Delete what is not wanted on Scaleway, and run recover again; "
            "nothing was changed.",
            ExitCode.FAILED,
        )


def _plan(session: Session, locks: Iterable[Lock], decisions: Iterable[RecoveryDecision]) -> list[Line]:
    lines = [Line.of((session.title("Recovering"), "bold"))]
    lines += [Line.of(f"  remove the lock of {lock.owner}, whose process has ended") for lock in locks]
    return lines + [Line.of(f"  {_intention(each)}") for each in decisions]


def _intention(decision: RecoveryDecision) -> str:
    pending, what, ids = decision.pending, decision.what, ", ".join(decision.ids)
    match decision.action:
        case RecoveryAction.ADOPT:
            return f"adopt {what}: it was created as {ids}"
        case RecoveryAction.REMOVE:
            kind = kind_of(pending.type)
            lost = kind.only_once if kind else ""
            return f"delete {what}, created as {ids}: its {lost} was told only once; the next up makes a new one"
        case RecoveryAction.READ:
            return f"read {what} again, which was {pending.operation}"
        case RecoveryAction.DROP:
            return f"remove {what} from the state: it was deleted"
        case RecoveryAction.FORGET:
            return f"forget {what}, which was {pending.operation}: it has left nothing to keep"
        case RecoveryAction.REFUSE if ids:
            return f"not certain: {what} could be any of {ids}"
        case _:
            return f"not certain: {what} is of a type that cannot be looked up here"


def _report(session: Session, decisions: list[RecoveryDecision], gone: list[str]) -> list[Line]:
    lines = []
    for each in decisions:
        if each.action is RecoveryAction.REMOVE:
            lines.append(Line.of(f"  deleted {each.what}; the next up makes a new one"))
        elif each.action is RecoveryAction.FORGET:
            lines.append(Line.of(f"  forgot {each.what}"))
        elif each.action is RecoveryAction.DROP or each.pending.urn in gone:
            lines.append(Line.of(f"  removed {each.what} from the state: it is gone"))
        elif each.action is RecoveryAction.ADOPT:
            lines.append(Line.of(f"  adopted {each.what}"))
        else:
            lines.append(Line.of(f"  kept {each.what}: it is there"))
    name = session.stack.name
    return [*lines, Line.of(f"{name}: state and cloud are together again. Go on with `scripts/snu up {name}`.")]
