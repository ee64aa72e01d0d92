"""Looks at one stack: reads each of its resources from the cloud, and writes nothing anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ops.drift.findings import StackDrift, ended_steps, in_order
from ops.drift.orphans import orphans_of
from ops.engines.base import EngineError
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.external_changes import doubtful_deletions, secrets_to_restore
from ops.findings import Finding, findings_of
from ops.operation_record import OperationRecord
from ops.process_environment import process_environment
from ops.report.base import SilentDisplay
from ops.report.causes import cause_of, few
from ops.report.text import counted
from ops.session import Options, Session
from ops.state.interrupted import pending_names
from ops.state.lock import locks_of
from ops.state.tombstone import refuse_moved
from ops.steps import name_of
from pulumi_state.store import StoreError, checkpoints
from pulumi_state.store.checkpoints import StoredCheckpoint

_OUT_OF_REACH = (ExitCode.ENVIRONMENT, ExitCode.ENGINE, ExitCode.LOCAL_CLOUD)


class StateUnavailableError(OpsError):
    """The stack has no state, or its state cannot be reached from here."""


class NoStateError(StateUnavailableError):
    """The stack was never brought up."""


@dataclass
class _Seen:
    """What was found so far."""

    findings: list[Finding] = field(default_factory=list)
    problems: list[OpsError] = field(default_factory=list)
    resources: int = 0
    overwritten: str = ""


def look(project_dir: Path, name: str, engine: EngineChoice, parallel: int = 16) -> StackDrift:
    """What has become of a stack's resources; of a foundation, also what is in its project and in no state.

    What could not be looked at is a problem of the stack. Raises NotThereError, and OpsError when it was cancelled.
    """
    seen = _Seen()
    try:
        session = _open(project_dir, name, engine)
        seen.overwritten = str(session.observed.overwritten or "")
        _read_resources(session, parallel, seen)
        if session.stack.config.get("snu:blueprint") == "foundation":
            seen.findings += orphans_of(session, process_environment())
    except StateUnavailableError:
        raise
    except StoreError as error:
        seen.problems.append(OpsError(f"The state of {name}: {error}", ExitCode.FAILED))
    except OpsError as error:
        if error.code is ExitCode.CANCELLED:
            raise
        seen.problems.append(error)
    code = seen.problems[0].code if seen.problems else ExitCode.OK
    problems = tuple(map(str, seen.problems))
    return StackDrift(name, seen.resources, in_order(seen.findings), problems, code, seen.overwritten)


def _open(project_dir: Path, name: str, engine: EngineChoice) -> Session:
    """Raises NotThereError."""
    try:
        session = Session.open(project_dir, name, engine, validate=False, reads=True)
        refuse_moved(session.store, session.project, name)
        stored = session.observed.stored
    except OpsError as error:
        if error.code in _OUT_OF_REACH:
            raise StateUnavailableError(str(error), error.code) from None
        raise
    if stored is None:
        raise NoStateError(f"{name} has no state in {session.store.address}.", ExitCode.FAILED)
    return session


def _read_resources(session: Session, parallel: int, seen: _Seen) -> None:
    """Raises OpsError where nothing that was read would mean anything."""
    before, display = _undisturbed_state(session, session.observed.stored), SilentDisplay()
    try:
        result = session.engine.preview_refresh(session.operation(Options(parallel=parallel), display.on_event))
    except EngineError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None
    record = display.record
    if record.canceled:
        raise OpsError(f"{session.stack.name}: cancelled before it was complete.", ExitCode.CANCELLED)
    now = checkpoints.find(session.store, session.project, session.stack.name)
    if _undisturbed_state(session, now) != before:
        raise OpsError(
            f"{session.stack.name} was changed while it was looked at: run the same command again.", ExitCode.LOCKED
        )
    steps = ended_steps(record)
    seen.resources = len(steps)
    doubtful = dict(doubtful_deletions(session.stack, session.environ, steps))
    seen.findings += findings_of(step for step in steps if step.urn not in doubtful)
    seen.findings += secrets_to_restore(session.stack, session.environ, steps)
    seen.problems += _unread((name_of(urn), cause) for urn, cause in doubtful.items())
    if not result.ok:
        seen.problems += _errors(record, session.stack.name)


def _undisturbed_state(session: Session, stored: StoredCheckpoint | None) -> str:
    """What changes with the stack's state. Raises OpsError where somebody works on it, or did so and was killed."""
    store, project, name = session.store, session.project, session.stack.name
    owners = [lock.owner for lock in locks_of(store, project, name) if not lock.liveness.is_stale]
    if owners:
        raise OpsError(
            f"{name} is locked by {owners[0]}: what it changes is not drift. Run this again when it has ended.",
            ExitCode.LOCKED,
        )
    if pending_names(stored):
        raise OpsError(
            f"{name}: an earlier run was interrupted, and whether it has ended its operations is not known. Run "
            f"`scripts/snu recover {name}` first.",
            ExitCode.INTERRUPTED,
        )
    return stored.tag if stored else ""


def _errors(record: OperationRecord, name: str) -> Iterator[OpsError]:
    """Why not every resource could be read: one error for each cause."""
    errors = [each for each in record.diagnostics if each.severity == "error"]
    of_resources = [each for each in errors if each.urn]  # the CLI ends with "preview failed", too
    if of_resources:
        yield from _unread(
            (name_of(each.urn), OpsError(cause_of(each.message), ExitCode.FAILED)) for each in of_resources
        )
    elif errors:
        yield from (OpsError(each.message, ExitCode.FAILED) for each in errors)
    else:
        yield OpsError(f"{name}: not every resource could be read.", ExitCode.FAILED)


def _unread(causes: Iterable[tuple[str, OpsError]]) -> Iterator[OpsError]:
    """One error for each cause, of resources that could not be read."""
    names: dict[tuple[str, ExitCode], set[str]] = {}
    for name, cause in causes:
        names.setdefault((str(cause), cause.code), set()).add(name)
    for (text, code), unread in sorted(names.items()):
        subject = f"{counted(len(unread), 'resource')} could not be read ({few(sorted(unread))})"
        yield OpsError(f"{subject}: {text}", code)
