"""What ``snu status`` does: one place to look at."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.stack_images import StackImages, environments
from ops.plans.waiting import WaitingPlan, waiting
from ops.process_environment import process_environment
from ops.releases.tags import Releases
from ops.report.causes import skipped_lines
from ops.report.factory import printer_for
from ops.report.text import Line, counted, short
from ops.stacks import project_dir, stack_names
from ops.state.history import updates_of
from ops.state.interrupted import interrupted_line, pending_names
from ops.state.lock import Lock, locks_of
from pulumi_state.store import StoreError

_UPDATES = 5


@dataclass
class StackStatus:
    """Of a stack that runs images."""

    stack: str
    problem: str = ""
    """Why its state cannot be looked at; all the rest is unknown then, but for what its file says."""
    images: dict[str, str] = field(default_factory=dict)
    """The version that runs of each image, by name."""
    locks: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    """Operations that an interrupted run has left pending."""
    overwritten: str = ""
    """Not empty: the state is older than what the last run left; and what to do."""
    plans: list[WaitingPlan] = field(default_factory=list)
    updated: str = ""
    result: str = ""
    """Of the newest update."""
    release: str = ""
    """The newest one, where the stack has any."""
    drift: bool | None = None
    """Whether the cloud is other than the last update left it; None: it was not looked at."""
    promote_from: str | None = None
    behind: list[str] = field(default_factory=list)
    """The images of which the stack that it takes them from runs another version."""


def status(directory: Path | None, *, as_json: bool, drift: bool) -> ExitCode:
    """Print of every environment what runs, who holds it, which plans wait, and what its source has that it has not.

    ``drift``: look into the cloud too, as `snu drift` does.
    """
    project = project_dir(directory)
    found = {each.stack.name: _look(each) for each in environments(project, process_environment())}
    releases = _releases(project)
    for name, each in found.items():
        newest = releases.newest(name) if releases else None
        each.release = newest.name if newest else ""
        if drift and not each.problem and each.updated:
            each.drift = _has_drift(project, each)
    for each in found.values():
        source = found.get(each.promote_from or "")
        if source is not None and not source.problem and not each.problem:
            each.behind = sorted(
                name for name, version in each.images.items() if source.images.get(name, version) != version
            )
    problems = {name: each.problem for name, each in found.items() if each.problem}
    if as_json:
        print(json.dumps([asdict(each) for each in found.values()], indent=2))
    else:
        lines = [line for each in found.values() for line in _lines(each)]
        printer_for(sys.stdout).print(lines or [Line.of(f"No environment among {', '.join(stack_names(project))}.")])
        printer_for(sys.stdout).print(skipped_lines(problems))
    return ExitCode.INCOMPLETE if problems else ExitCode.OK


def _look(environment: StackImages) -> StackStatus:
    settings, name = environment.settings, environment.stack.name
    found = StackStatus(name, promote_from=settings.promote_from)
    try:
        found.images = {image: running.version for image, running in environment.running.items()}
        store, project = environment.store, environment.project
        found.locks = [_lock(lock) for lock in locks_of(store, project, name)]
        found.overwritten = str(environment.observed.overwritten or "")
        found.pending = pending_names(environment.observed.stored)
        found.plans = [plan for plan in waiting(store, project, name) if not plan.is_gone]
        updates = [each for each in updates_of(store, project, name, _UPDATES) if each.kind == "update"]
        if updates:
            found.updated = f"{updates[0].begun:%Y-%m-%dT%H:%M:%SZ}"
            found.result = updates[0].result
    except (OpsError, StoreError) as error:
        found.problem = str(error)
        found.images = {name: image.version for name, image in settings.pinned.items()}
    return found


def _lock(lock: Lock) -> str:
    return f"{lock.owner}, which {lock.liveness.value}" if lock.liveness.is_stale else lock.owner


def _releases(project: Path) -> Releases | None:
    """None where the project is in no git repository."""
    try:
        return Releases.of(project)
    except OpsError:
        return None


def _has_drift(project: Path, found: StackStatus) -> bool | None:
    """A problem is the stack's, and does not hide the others."""
    from ops.drift.check import StateUnavailableError, look

    try:
        seen = look(project, found.stack, EngineChoice.AUTO)
    except StateUnavailableError as error:
        found.problem = str(error)
        return None
    found.problem = "\n".join(seen.problems)
    return bool(seen.findings) if not seen.problems else None


def _lines(found: StackStatus) -> list[Line]:
    head = [(found.stack, "bold")]
    if found.problem:
        return [Line.of(*head, ("  not looked at", "bold red")), _images(found, "its file says")]
    if not found.updated:
        return [Line.of(*head, ("  nothing runs yet", "dim"))]
    style = "green" if found.result == "succeeded" else "bold red"
    lines = [Line.of(*head, "  last update ", found.updated, " ", (found.result, style)), _images(found, "runs")]
    lines += [Line.of("  release ", found.release)] if found.release else []
    if found.drift is not None:
        hint = f"  the cloud is not as it should be: scripts/snu drift {found.stack}"
        lines.append(Line.of((hint, "yellow") if found.drift else ("  no drift", "dim")))
    lines += [Line.of(("  locked by ", "yellow"), lock) for lock in found.locks]
    lines += [interrupted_line(found.stack, found.pending).indented("  ")] if found.pending else []
    lines += [_plan(plan) for plan in found.plans]
    if found.promote_from:
        what = ", ".join(found.behind)
        lines.append(
            Line.of((f"  {found.promote_from} is ahead: ", "yellow"), what)
            if what
            else Line.of((f"  runs all that {found.promote_from} does", "dim"))
        )
    return lines


def _images(found: StackStatus, verb: str) -> Line:
    told = ", ".join(f"{name} {short(version)}" for name, version in sorted(found.images.items()))
    return Line.of(f"  {verb} ", told or "no image")


def _plan(plan: WaitingPlan) -> Line:
    left = datetime.fromisoformat(plan.expires) - datetime.now(UTC)
    hours = counted(max(0, int(left.total_seconds() // 3600)), "hour")
    return Line.of(("  plan ", "yellow"), (short(plan.digest), "bold"), f" by {plan.author} waits, {hours} left")
