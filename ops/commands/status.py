"""``snu status``: the status of all environments."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.iam_access import ExpiringKey, IamCache, expiring_keys
from ops.images.stack_images import StackImages, environments
from ops.local import require_running
from ops.plans.waiting import WaitingPlan, waiting
from ops.process_environment import process_environment
from ops.releases.tags import Releases
from ops.report.causes import skipped_lines
from ops.report.document import print_document, utc
from ops.report.factory import printer_for
from ops.report.text import Line, counted, safe, short
from ops.report.times import local_time
from ops.stacks import Stack, find_stack, project_dir, stack_names
from ops.state.history import updates_of
from ops.state.interrupted import interrupted_line, pending_names
from ops.state.lock import Lock, locks_of
from pulumi_state.store import StoreError

_UPDATES = 5


@dataclass
class StackStatus:
    """The status of an environment's stack."""

    stack: str
    problem: str = ""
    """Why the stack's state cannot be read. If set, only ``images`` is known, from the stack's file."""
    images: dict[str, str] = field(default_factory=dict)
    """Running versions by image."""
    locks: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    """Pending operations of an interrupted run."""
    overwritten: str = ""
    """What happened and what to do, if an older state has overwritten the state from the last run."""
    plans: list[WaitingPlan] = field(default_factory=list)
    updated: str = ""
    result: str = ""
    """Result of the last update."""
    release: str = ""
    """Name of the latest release; empty if the stack has no releases."""
    drift: bool | None = None
    """Whether there is drift; None if that was not checked."""
    promote_from: str | None = None
    behind: list[str] = field(default_factory=list)
    """Images for which the promotion source runs a different version."""
    expiring_keys: list[ExpiringKey] | None = None
    """API keys of its foundation that have expired or expire within 14 days; None if they could not be read."""
    expiry_problem: str = ""
    """Why they could not be read."""


def status(directory: Path | None, stacks: list[str], *, as_json: bool, drift: bool) -> ExitCode:
    """Print each environment's images, lock owners, waiting plans, unpromoted images and keys that expire soon.

    ``stacks``: the stacks to show, all by default. ``drift``: also compare their states with the live resources, like
    ``snu drift``. Raises OpsError if one of the stacks does not exist or is not an environment.
    """
    project = project_dir(directory)
    _require_environments(project, stacks)
    environ, iam = process_environment(), IamCache()
    found = list(environments(project, environ))
    statuses = {environment.stack.name: _status_of(environment) for environment in found}
    for environment in found:
        if environment.stack.name in stacks or not stacks:
            _read_expiry(statuses[environment.stack.name], environment.stack, environ, iam)
    releases = _releases(project)
    for name, each in statuses.items():
        newest = releases.newest(name) if releases else None
        each.release = newest.name if newest else ""
        if drift and (name in stacks or not stacks) and not each.problem and each.updated:
            each.drift = _has_drift(project, each)
    for each in statuses.values():
        source = statuses.get(each.promote_from or "")
        if source is not None and not source.problem and not each.problem:
            each.behind = sorted(
                name for name, version in each.images.items() if source.images.get(name, version) != version
            )
    statuses = {name: each for name, each in statuses.items() if name in stacks or not stacks}
    problems = {name: each.problem for name, each in statuses.items() if each.problem}
    if as_json:
        print_document("status", {"environments": list(statuses.values())})
    else:
        lines = [line for each in statuses.values() for line in _lines(each)]
        printer_for(sys.stdout).print(
            lines or [Line.of(f"No stack is an environment. Stacks: {', '.join(stack_names(project))}.")]
        )
        printer_for(sys.stdout).print(skipped_lines(problems))
    return ExitCode.INCOMPLETE if problems else ExitCode.OK


def _require_environments(project: Path, stacks: list[str]) -> None:
    for name in stacks:
        if find_stack(project, name).config.get("snu:blueprint") != "environment":
            raise OpsError(
                f"{name} is not an environment. To show its outputs: scripts/snu outputs {name}", ExitCode.USAGE
            )


def _status_of(environment: StackImages) -> StackStatus:
    settings, name = environment.settings, environment.stack.name
    status = StackStatus(name, promote_from=settings.promote_from)
    try:
        status.images = {image: running.version for image, running in environment.running.items()}
        store, project = environment.store, environment.project
        status.locks = [_lock(lock) for lock in locks_of(store, project, name)]
        status.overwritten = str(environment.observed.overwritten or "")
        status.pending = pending_names(environment.observed.stored)
        status.plans = [plan for plan in waiting(store, project, name) if not plan.is_gone]
        updates = [each for each in updates_of(store, project, name, _UPDATES) if each.kind == "update"]
        if updates:
            status.updated = utc(updates[0].begun)
            status.result = updates[0].result
    except (OpsError, StoreError) as error:
        status.problem = str(error)
        status.images = {name: image.version for name, image in settings.pinned.items()}
    return status


def _read_expiry(status: StackStatus, stack: Stack, environ: Mapping[str, str], iam: IamCache) -> None:
    if status.problem:
        return  # for the same reason, the keys cannot be read
    try:
        require_running(stack)
        status.expiring_keys = expiring_keys(stack, environ, iam)
    except OpsError as error:
        status.expiry_problem = str(error)


def _lock(lock: Lock) -> str:
    return f"{lock.owner}, whose process {lock.liveness.value}" if lock.liveness.is_stale else lock.owner


def _releases(project: Path) -> Releases | None:
    """The project's releases; None outside a Git repository."""
    try:
        return Releases.of(project)
    except OpsError:
        return None


def _has_drift(project: Path, status: StackStatus) -> bool | None:
    """Whether there is drift. Returns None and records the problem in the stack's status if this is unknown."""
    from ops.drift.check import StateUnavailableError, check_drift

    try:
        result = check_drift(project, status.stack, EngineChoice.AUTO)
    except StateUnavailableError as error:
        status.problem = str(error)
        return None
    status.problem = "\n".join(result.problems)
    return bool(result.findings) if not result.problems else None


def _lines(status: StackStatus) -> list[Line]:
    return [*_state_lines(status), *(Line.of((f"  {key}", "yellow")) for key in status.expiring_keys or ())]


def _state_lines(status: StackStatus) -> list[Line]:
    head = [(status.stack, "bold")]
    if status.problem:
        return [Line.of(*head, ("  status unknown", "bold red")), _images_line(status, "in its file:")]
    if not status.updated:
        return [Line.of(*head, ("  nothing runs yet", "dim"))]
    style = "green" if status.result == "succeeded" else "bold red"
    lines = [
        Line.of(
            *head, "  last update ", local_time(datetime.fromisoformat(status.updated)), " ", (status.result, style)
        ),
        _images_line(status, "runs"),
    ]
    lines += [Line.of("  release ", status.release)] if status.release else []
    if status.drift is not None:
        hint = f"  drift detected: scripts/snu drift {status.stack}"
        lines.append(Line.of((hint, "yellow") if status.drift else ("  no drift", "dim")))
    lines += [Line.of(("  locked by ", "yellow"), lock) for lock in status.locks]
    lines += [interrupted_line(status.stack, status.pending).indented("  ")] if status.pending else []
    lines += [_plan(plan) for plan in status.plans]
    if status.expiry_problem:
        lines.append(Line.of((f"  whether API keys expire soon is unknown: {safe(status.expiry_problem)}", "dim")))
    if status.promote_from:
        behind = ", ".join(status.behind)
        lines.append(
            Line.of((f"  not yet promoted from {status.promote_from}: ", "yellow"), behind)
            if behind
            else Line.of((f"  runs the same images as {status.promote_from}", "dim"))
        )
    return lines


def _images_line(status: StackStatus, verb: str) -> Line:
    images = ", ".join(f"{name} {short(version)}" for name, version in sorted(status.images.items()))
    return Line.of(f"  {verb} ", images or "no image")


def _plan(plan: WaitingPlan) -> Line:
    left = datetime.fromisoformat(plan.expires) - datetime.now(UTC)
    hours = counted(max(0, int(left.total_seconds() // 3600)), "hour")
    return Line.of(
        ("  plan ", "yellow"), (short(plan.digest), "bold"), f" by {plan.author} is waiting to be applied, {hours} left"
    )
