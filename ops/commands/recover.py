"""What ``snu recover`` does: look, show, ask, do, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ops.commands.stack import Options, Session, confirm
from ops.display.choose import printer_for
from ops.display.text import Line
from ops.engines.base import EngineError, Operation
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.recover import LOOKUPS, Action, Decision, Finder, decide

if TYPE_CHECKING:
    from localcloud.engine.recover import Interrupted, Lock


def recover(session: Session, *, yes: bool) -> ExitCode:
    """Bring state and cloud together after a run that was killed.

    Raises OpsError, and nothing was changed, when a live process has the stack or an object is not certain.
    """
    with session.locked("snu recover", Options(yes=yes)):
        return recover_held(session, yes=yes)


def recover_held(session: Session, *, yes: bool) -> ExitCode:
    """As `recover`, of a stack that the caller holds."""
    stack = session.stack
    try:
        found = session.engine.interrupted(stack.project_dir, stack.name)
    except EngineError as error:
        raise OpsError(str(error), ExitCode.FAILED) from error
    finder = Finder(stack, os.environ) if found.pending else None
    decisions = [decide(each, found.known, finder.find, finder.is_there) for each in found.pending] if finder else []
    printer = printer_for(sys.stdout)
    if not found.locks and not decisions:
        printer.print([Line.of(f"{stack.name}: no run was interrupted, there is nothing to recover.")])
        return ExitCode.OK
    printer.print(_plan(session, found.locks, decisions))
    _refuse_uncertain(decisions)
    if not yes:
        confirm(f"Do this to {stack.name}?")
    for each in decisions:
        if finder and each.action is Action.REMOVE:
            finder.remove(each.pending.type, each.ids[0])
    gone = _do(session, found, decisions)
    printer.print(_report(session, decisions, gone))
    return ExitCode.OK


def _do(session: Session, found: Interrupted, decisions: list[Decision]) -> list[str]:
    adopted = {place: each.ids[0] for place, each in enumerate(decisions) if each.action is Action.ADOPT}
    deleted = {place for place, each in enumerate(decisions) if each.action is Action.DROP}
    operation = Operation(session.stack.project_dir, session.stack.name)
    try:
        return session.engine.recover(operation, found, adopted, deleted)
    except EngineError as error:
        raise OpsError(str(error), ExitCode.FAILED) from error


def _refuse_uncertain(decisions: Iterable[Decision]) -> None:
    refused = [each.what for each in decisions if each.action is Action.REFUSE]
    if refused:
        raise OpsError(
            f"Not certain: {', '.join(refused)}. Delete what is not wanted on Scaleway, and run recover again; "
            "nothing was changed.",
            ExitCode.FAILED,
        )


def _plan(session: Session, locks: Iterable[Lock], decisions: Iterable[Decision]) -> list[Line]:
    lines = [Line.of((session.title("Recovering"), "bold"))]
    lines += [Line.of(f"  remove the lock of {lock}, whose process lives no more") for lock in locks]
    return lines + [Line.of(f"  {_intention(each)}") for each in decisions]


def _intention(decision: Decision) -> str:
    pending, what, ids = decision.pending, decision.what, ", ".join(decision.ids)
    match decision.action:
        case Action.ADOPT:
            return f"adopt {what}: it was created as {ids}"
        case Action.REMOVE:
            lost = LOOKUPS[pending.type].only_once
            return f"delete {what}, created as {ids}: its {lost} was told only once; the next up makes a new one"
        case Action.READ:
            return f"read {what} again, which was {pending.operation}"
        case Action.DROP:
            return f"remove {what} from the state: it was deleted"
        case Action.FORGET:
            return f"forget {what}, which was {pending.operation}: it has left nothing to keep"
        case Action.REFUSE if ids:
            return f"not certain: {what} could be any of {ids}"
        case _:
            return f"not certain: {what} is of a type that cannot be looked up here"


def _report(session: Session, decisions: list[Decision], gone: list[str]) -> list[Line]:
    lines = []
    for each in decisions:
        if each.action is Action.REMOVE:
            lines.append(Line.of(f"  deleted {each.what}; the next up makes a new one"))
        elif each.action is Action.FORGET:
            lines.append(Line.of(f"  forgot {each.what}"))
        elif each.action is Action.DROP or each.pending.urn in gone:
            lines.append(Line.of(f"  removed {each.what} from the state: it is gone"))
        elif each.action is Action.ADOPT:
            lines.append(Line.of(f"  adopted {each.what}"))
        else:
            lines.append(Line.of(f"  kept {each.what}: it is there"))
    name = session.stack.name
    return [*lines, Line.of(f"{name}: state and cloud are together again. Go on with `snu up {name}`.")]
