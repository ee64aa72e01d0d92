"""Records an operation's events: steps, diagnostics and summary."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ops.engines.base import EngineEvent
from ops.protection import PREVIEW_FAILED, Refusal, refused_text
from ops.steps import Step, without_colour

_BUILD = "docker:index/image:Image"
"""The type of the resources that are created by building an image."""
_BUILD_LINES = 15
_REDUNDANT = ("digest: ", "error: ")
"""Prefixes of build output to leave out: BuildKit's step digests, and errors that the resource also reports."""


_AFTER_FAILURE = ("Resource monitor has terminated", "update failed")
"""Prefixes of CLI messages that merely result from an earlier failure, such as those about rejected registrations."""
_AFTER_CANCEL = re.compile(r"(preview|update|refresh|destroy) cancell?ed|cancelled: .*")

_LOST_HOOK = re.compile(
    r'(?P<when>before|after) hook "(?P<hook>[^"]+)" failed: .*(?:connection refused|error reading from server).*',
    re.IGNORECASE | re.DOTALL,
)
"""The engine's error if it calls a hook after the program has failed and exited."""


@dataclass(frozen=True)
class Diagnostic:
    """A message from the engine or the program."""

    severity: str
    """``error``, ``warning``, ``info``, or ``info#err`` for the program's standard error."""
    message: str
    urn: str = ""


@dataclass(frozen=True)
class Summary:
    """The result of an operation."""

    changes: Mapping[str, int]
    """Number of resources by operation."""
    result: str
    """``succeeded``, ``failed`` or ``canceled``; empty if the engine does not report it."""


@dataclass
class Progress:
    """A step and its progress."""

    step: Step
    started: float
    ended: float | None = None
    failed: bool = False
    refreshed: bool = False
    """Whether it is the result of a refresh rather than an operation on a live resource."""

    def elapsed(self, now: float) -> float:
        """Seconds that it took or has taken so far."""
        return (self.ended or now) - self.started

    @property
    def weight(self) -> tuple[bool, bool, bool]:
        """Rank among the steps on one resource; the highest-ranked step represents the resource."""
        return self.failed, self.step.op == "replace", self.step.is_change


@dataclass
class OperationRecord:
    """Everything that a display shows about an operation."""

    clock: Callable[[], float] = time.monotonic
    """The current time in seconds."""
    steps: dict[tuple[str, str], Progress] = field(default_factory=dict)
    """Steps by URN and operation, in the order in which they started."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    shown: set[Diagnostic] = field(default_factory=set)
    """The diagnostics that were shown during the operation, and are not repeated at its end."""
    summary: Summary | None = None
    refreshed: list[Step] = field(default_factory=list)
    """The result of the refresh for each resource that could be read."""
    refusals: list[Refusal] = field(default_factory=list)
    """Protected resources that the operation would have deleted or replaced."""
    started: float = 0.0
    _build_output: dict[str, deque[str]] = field(default_factory=dict)
    """The last lines of each build's output, by URN. Engines send them only as ephemeral messages."""

    def __post_init__(self) -> None:
        self.started = self.clock()

    @classmethod
    def of(cls, steps: Iterable[Step]) -> OperationRecord:
        """The record of a successful operation with these steps."""
        record = cls()
        for step in steps:
            record.steps[step.urn, step.op] = Progress(step, record.started, record.started)
        counts = Counter(step.op for step in (progress.step for progress in record.steps.values()))
        record.summary = Summary(counts, "succeeded")
        return record

    def only(self, urns: Collection[str]) -> OperationRecord:
        """The record of the steps on some resources."""
        return OperationRecord.of(progress.step for progress in self.steps.values() if progress.step.urn in urns)

    def add(self, event: EngineEvent) -> Progress | Diagnostic | None:
        """Record an event; returns the step or diagnostic that it concerns, if any."""
        if body := event.get("resourcePreEvent"):
            step = Step.of(body)
            return None if step.is_left_out else self._start(step)
        if body := event.get("resOutputsEvent"):
            step = Step.of(body)
            return None if step.is_left_out else self._end(step, failed=False)
        if body := event.get("resOpFailedEvent"):
            return self._end(Step.of(body), failed=True)
        if body := event.get("diagnosticEvent"):
            return self._add_diagnostic(body)
        if body := event.get("summaryEvent"):
            self.summary = Summary(body.get("resourceChanges") or {}, body.get("result") or "")
        return None

    def _start(self, step: Step) -> Progress:
        progress = Progress(step, self.clock())
        self.steps[step.urn, step.op] = progress
        return progress

    def _end(self, step: Step, *, failed: bool) -> Progress:
        progress = self.steps.get((step.urn, step.op)) or self._end_refresh(step)
        progress.step, progress.ended, progress.failed = step, self.clock(), failed
        progress.refreshed = progress.refreshed or step.op == "refresh"
        if progress.refreshed and not failed:
            self.refreshed.append(step)
        return progress

    def _end_refresh(self, step: Step) -> Progress:
        """End a refresh step, which is reported as a different operation: an update, a delete or ``same``."""
        started = self.steps.pop((step.urn, "refresh"), None)
        progress = started or Progress(step, self.clock())
        progress.refreshed = started is not None
        self.steps[step.urn, step.op] = progress
        return progress

    def _add_diagnostic(self, body: Mapping[str, object]) -> Diagnostic | None:
        severity = str(body.get("severity", "info"))
        message = without_colour(str(body.get("message") or "")).strip().removeprefix(f"{severity}: ")
        urn = str(body.get("urn") or "")
        if not message or severity == "debug" or (self.refusals and message == PREVIEW_FAILED):
            return None
        if body.get("ephemeral"):
            self._keep_build_output(urn, message)
            return None
        if severity == "error" and (refusal := Refusal.of(message)):
            return self._add_refusal(refusal)
        if severity == "error" and (lost := _LOST_HOOK.fullmatch(message)):
            message = _lost_hook_text(lost["when"], lost["hook"])
        if severity == "error" and urn in self._build_output:
            message = "\n".join([f"{message}; Docker's last output:", *self._build_output.pop(urn)])
        diagnostic = Diagnostic(severity, message, urn)
        if diagnostic in self.diagnostics:
            return None
        self.diagnostics.append(diagnostic)
        return diagnostic

    def _add_refusal(self, refusal: Refusal) -> Diagnostic:
        """Merge all refusals into one diagnostic."""
        if self.refusals:
            self.diagnostics.remove(Diagnostic("error", refused_text(self.refusals)))
        self.refusals.append(refusal)
        diagnostic = Diagnostic("error", refused_text(self.refusals))
        self.diagnostics.append(diagnostic)
        return diagnostic

    def _keep_build_output(self, urn: str, message: str) -> None:
        if _BUILD in urn:
            output = self._build_output.setdefault(urn, deque(maxlen=_BUILD_LINES))
            for line in message.splitlines():  # BuildKit repeats the names of steps
                if line.strip() and not line.startswith(_REDUNDANT) and line not in output:
                    output.append(line)

    def by_resource(self) -> list[Progress]:
        """One step per resource: the failed step if there is one, otherwise the step that represents the others."""
        chosen: dict[str, Progress] = {}
        for progress in list(self.steps.values()):
            earlier = chosen.get(progress.step.urn)
            if earlier is None or progress.weight > earlier.weight:
                chosen[progress.step.urn] = progress
        return list(chosen.values())

    def running(self) -> list[Progress]:
        """Steps in progress, excluding unchanged resources."""
        return [item for item in list(self.steps.values()) if item.ended is None and item.step.op != "same"]

    def unfinished(self) -> list[Progress]:
        """Operations on live resources that were started but not reported as finished."""
        return [item for item in self.running() if item.step.is_change and item.step.is_custom]

    @property
    def is_refresh(self) -> bool:
        """Whether the operation is a refresh, which runs no program."""
        return bool(self.steps) and all(item.refreshed for item in list(self.steps.values()))

    @property
    def refreshed_on_scaleway(self) -> list[Step]:
        """The results of a refresh, excluding components and providers."""
        return [step for step in self.refreshed if step.is_custom and not step.is_provider]

    @property
    def parents(self) -> dict[str, str]:
        """The URN of each resource's parent, by the resource's URN."""
        return {item.step.urn: item.step.parent for item in list(self.steps.values())}

    @property
    def relevant_diagnostics(self) -> list[Diagnostic]:
        """The diagnostics, except those that merely repeat that the operation failed or was cancelled."""
        return [each for each in self.diagnostics if not self._is_repetition(each)]

    def _is_repetition(self, diagnostic: Diagnostic) -> bool:
        if diagnostic.message.startswith(_AFTER_FAILURE):
            errors = sum(each.severity == "error" for each in self.diagnostics)
            return errors > 1 or any(progress.failed for progress in list(self.steps.values()))
        return (self.canceled or self.summary is None) and _AFTER_CANCEL.fullmatch(diagnostic.message) is not None

    @property
    def program_stopped(self) -> bool:
        """Whether the Pulumi CLI has interrupted the program, as it does after a failed operation."""
        return Diagnostic("info#err", "KeyboardInterrupt") in self.diagnostics

    @property
    def canceled(self) -> bool:
        return self.summary is not None and self.summary.result == "canceled"

    @property
    def duration(self) -> float:
        """Seconds since the operation started."""
        return self.clock() - self.started


def _lost_hook_text(when: str, hook: str) -> str:
    """Why a hook did not run, and what that means for its resource."""
    done = "was changed but not checked" if when == "after" else "was not changed"
    return f"{done}, because the program failed before the hook {hook} could run"
