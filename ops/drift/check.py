"""Checks a stack for drift by reading all of its live resources, without writing anything."""

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
    """The stack has no state, or its backend cannot be reached."""


class NoStateError(StateUnavailableError):
    """The stack has never been deployed."""


@dataclass
class _Results:
    """The results of the check so far."""

    findings: list[Finding] = field(default_factory=list)
    problems: list[OpsError] = field(default_factory=list)
    resources: int = 0
    overwritten: str = ""


def check_drift(project_dir: Path, name: str, engine: EngineChoice, parallel: int = 16) -> StackDrift:
    """The drift of a stack. For a foundation, includes the orphans in its project.

    Anything that could not be checked is listed in ``problems``. Raises StateUnavailableError, and OpsError if
    cancelled.
    """
    results = _Results()
    try:
        session = _open(project_dir, name, engine)
        results.overwritten = str(session.observed.overwritten or "")
        _read_resources(session, parallel, results)
        if session.stack.config.get("snu:blueprint") == "foundation":
            results.findings += orphans_of(session, process_environment())
    except StateUnavailableError:
        raise
    except StoreError as error:
        results.problems.append(OpsError(f"The state of {name} cannot be read: {error}", ExitCode.FAILED))
    except OpsError as error:
        if error.code is ExitCode.CANCELLED:
            raise
        results.problems.append(error)
    code = results.problems[0].code if results.problems else ExitCode.OK
    problems = tuple(map(str, results.problems))
    return StackDrift(name, results.resources, in_order(results.findings), problems, code, results.overwritten)


def _open(project_dir: Path, name: str, engine: EngineChoice) -> Session:
    """Raises StateUnavailableError."""
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


def _read_resources(session: Session, parallel: int, results: _Results) -> None:
    """Read the live resources. Raises OpsError if the results would be meaningless."""
    before, display = _stable_state(session, session.observed.stored), SilentDisplay()
    try:
        result = session.engine.preview_refresh(session.operation(Options(parallel=parallel), display.on_event))
    except EngineError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None
    record = display.record
    if record.canceled:
        raise OpsError(f"{session.stack.name}: the check was cancelled.", ExitCode.CANCELLED)
    now = checkpoints.find(session.store, session.project, session.stack.name)
    if _stable_state(session, now) != before:
        raise OpsError(f"{session.stack.name} was changed during the check. Run the command again.", ExitCode.LOCKED)
    steps = ended_steps(record)
    results.resources = len(steps)
    doubtful = dict(doubtful_deletions(session.stack, session.environ, steps))
    results.findings += findings_of(step for step in steps if step.urn not in doubtful)
    results.findings += secrets_to_restore(session.stack, session.environ, steps)
    results.problems += _unread((name_of(urn), cause) for urn, cause in doubtful.items())
    if not result.ok:
        results.problems += _errors(record, session.stack.name)


def _stable_state(session: Session, stored: StoredCheckpoint | None) -> str:
    """A tag that changes with the state. Raises OpsError if the stack is locked or a run was interrupted."""
    store, project, name = session.store, session.project, session.stack.name
    owners = [lock.owner for lock in locks_of(store, project, name) if not lock.liveness.is_stale]
    if owners:
        raise OpsError(
            f"{name} is locked by {owners[0]}. Changes in progress are not drift. Run the command again when that run "
            "has finished.",
            ExitCode.LOCKED,
        )
    if pending_names(stored):
        raise OpsError(
            f"{name}: an earlier run was interrupted and left pending operations. Run `scripts/snu recover {name}` "
            "first.",
            ExitCode.INTERRUPTED,
        )
    return stored.tag if stored else ""


def _errors(record: OperationRecord, name: str) -> Iterator[OpsError]:
    """One error for each reason why resources could not be read."""
    errors = [each for each in record.diagnostics if each.severity == "error"]
    resource_errors = [each for each in errors if each.urn]  # the CLI adds its own "preview failed"
    if resource_errors:
        yield from _unread(
            (name_of(each.urn), OpsError(cause_of(each.message), ExitCode.FAILED)) for each in resource_errors
        )
    elif errors:
        yield from (OpsError(each.message, ExitCode.FAILED) for each in errors)
    else:
        yield OpsError(f"{name}: some resources could not be read.", ExitCode.FAILED)


def _unread(causes: Iterable[tuple[str, OpsError]]) -> Iterator[OpsError]:
    """One error for each cause, naming the resources that could not be read."""
    names: dict[tuple[str, ExitCode], set[str]] = {}
    for name, cause in causes:
        names.setdefault((str(cause), cause.code), set()).add(name)
    for (text, code), unread in sorted(names.items()):
        subject = f"{counted(len(unread), 'resource')} could not be read ({few(sorted(unread))})"
        yield OpsError(f"{subject}: {text}", code)
