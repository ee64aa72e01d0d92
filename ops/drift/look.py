"""Looks at one stack: reads each of its resources from the cloud, and writes nothing anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops.display.base import SilentDisplay
from ops.drift.findings import Finding, StackDrift, ended_steps, findings_of, in_order
from ops.drift.orphans import orphans_of
from ops.engines.base import EngineError
from ops.engines.select import EngineChoice
from ops.environment import process_environment
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.record import Record
from ops.scaleway.catalogue import kind_of
from ops.scaleway.client import Client
from ops.scaleway.finder import Finder
from ops.session import Options, Session
from ops.state.checkpoint import read_checkpoint
from ops.state.lock import locks_of
from ops.state.moved import refuse_moved
from ops.steps import Step, label, name_of
from pulumi_state.interrupted import DELETING, Pending
from pulumi_state.store import StoreError, layout

_OUT_OF_REACH = (ExitCode.ENVIRONMENT, ExitCode.ENGINE, ExitCode.LOCAL_CLOUD)


class NotThereError(OpsError):
    """The stack has no state, or its state cannot be reached from here."""


@dataclass
class _Seen:
    """What was found so far."""

    findings: list[Finding] = field(default_factory=list)
    problems: list[OpsError] = field(default_factory=list)
    resources: int = 0


def look(project_dir: Path, name: str, engine: EngineChoice, parallel: int = 16) -> StackDrift:
    """What has become of a stack's resources; of a foundation, also what is in its project and in no state.

    What could not be looked at is a problem of the stack. Raises NotThereError, and OpsError when it was cancelled.
    """
    seen = _Seen()
    try:
        session = _open(project_dir, name, engine)
        _read_resources(session, parallel, seen)
        if session.stack.config.get("snu:blueprint") == "foundation":
            seen.findings += orphans_of(session, process_environment())
    except NotThereError:
        raise
    except StoreError as error:
        seen.problems.append(OpsError(f"The state of {name}: {error}", ExitCode.FAILED))
    except OpsError as error:
        if error.code is ExitCode.CANCELLED:
            raise
        seen.problems.append(error)
    code = seen.problems[0].code if seen.problems else ExitCode.OK
    return StackDrift(name, seen.resources, in_order(seen.findings), tuple(map(str, seen.problems)), code)


def _open(project_dir: Path, name: str, engine: EngineChoice) -> Session:
    """Raises NotThereError."""
    try:
        session = Session.open(project_dir, name, engine, validate=False)
        refuse_moved(session.store, session.project, name)
        state = read_checkpoint(session.store, session.project, name)
    except OpsError as error:
        if error.code in _OUT_OF_REACH:
            raise NotThereError(str(error), error.code) from None
        raise
    if state is None:
        raise NotThereError(f"{name} has no state in {session.store.address}.", ExitCode.FAILED)
    return session


def _read_resources(session: Session, parallel: int, seen: _Seen) -> None:
    """Raises OpsError where nothing that was read would mean anything."""
    before, display = _undisturbed_state(session), SilentDisplay()
    try:
        result = session.engine.preview_refresh(session.operation(Options(parallel=parallel), display.on_event))
    except EngineError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None
    record = display.record
    if record.canceled:
        raise OpsError(f"{session.stack.name}: cancelled before it was complete.", ExitCode.CANCELLED)
    if _undisturbed_state(session) != before:
        raise OpsError(
            f"{session.stack.name} was changed while it was looked at: run the same command again.", ExitCode.LOCKED
        )
    steps = ended_steps(record)
    seen.resources = len(steps)
    doubtful = dict(_not_certainly_gone(session, [step for step in steps if not step.new]))
    seen.findings += findings_of(step for step in steps if step.urn not in doubtful)
    seen.problems += doubtful.values()
    if not result.ok:
        seen.problems += _errors(record, session.stack.name)


def _undisturbed_state(session: Session) -> str:
    """What changes with the stack's state. Raises OpsError where somebody works on it, or did so and was killed."""
    store, project, name = session.store, session.project, session.stack.name
    owners = [lock.owner for lock in locks_of(store, project, name) if not lock.liveness.is_stale]
    if owners:
        raise OpsError(
            f"{name} is locked by {owners[0]}: what it changes is not drift. Run this again when it has ended.",
            ExitCode.LOCKED,
        )
    state = read_checkpoint(store, project, name)
    if state is not None and state.latest.get("pending_operations"):
        raise OpsError(
            f"{name}: an earlier run was interrupted, and whether it has ended its operations is not known. Run "
            f"`snu recover {name}` first.",
            ExitCode.INTERRUPTED,
        )
    item = store.read(layout.checkpoint(project, name))
    return item.tag if item else ""


def _not_certainly_gone(session: Session, gone: list[Step]) -> Iterator[tuple[str, OpsError]]:
    """Resources that read as gone and may be there, by URN.

    To the provider a DNS zone or record that the key may not see is gone. A list refuses such a key, and tells.
    """
    if not gone:
        return
    finder = Finder(Client.of(session.stack, session.environ))
    for step in gone:
        kind = kind_of(step.type)
        if kind is None or not kind.is_listed:
            continue
        inputs: Mapping[str, object] = step.old.get("inputs") or {}
        pending = Pending(DELETING, step.urn, step.type, True, str(step.old.get("id") or ""), inputs)
        try:
            if finder.is_there(pending):
                said = f"{label(step.urn)} could not be read, and is listed all the same: look again."
                yield step.urn, OpsError(said, ExitCode.FAILED)
        except OpsError as error:
            yield step.urn, OpsError(f"{label(step.urn)} could not be read. {error}", error.code)


def _errors(record: Record, name: str) -> Iterator[OpsError]:
    """Why not every resource could be read."""
    said = [each for each in record.diagnostics if each.severity == "error"]
    for each in said:
        about = f"{name_of(each.urn)} could not be read: " if each.urn else ""
        yield OpsError(f"{about}{each.message}", ExitCode.FAILED)
    if not said:
        yield OpsError(f"{name}: not every resource could be read.", ExitCode.FAILED)
