"""What an operation has done so far, gathered from its events."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ops.engines.base import EngineEvent
from ops.protection import PREVIEW_FAILED, Refusal, refused_text
from ops.steps import Step, without_colour

_BUILD = "docker:index/image:Image"
"""The type of resources whose creation is a build."""
_TOLD_LINES = 15
_NO_NEWS = ("digest: ", "error: ")
"""What Docker's plugin puts in front of a step's name in BuildKit, and of what it says as the resource's error too."""


_AFTER_FAILURE = "Resource monitor has terminated"
"""Start of what the CLI adds once the program's registrations are refused, which a failure before has caused."""
_AFTER_CANCEL = re.compile(r"(preview|update|refresh|destroy) cancell?ed|cancelled: .*")


@dataclass(frozen=True)
class Diagnostic:
    severity: str
    message: str
    urn: str = ""


@dataclass(frozen=True)
class Summary:
    changes: Mapping[str, int]
    """Number of resources by operation."""
    result: str
    """``succeeded``, ``failed``, ``canceled``; empty where the engine does not say."""


@dataclass
class Progress:
    """One step on its way."""

    step: Step
    started: float
    ended: float | None = None
    failed: bool = False
    refreshed: bool = False
    """Whether it is what a refresh found, and not an operation on the cloud."""

    def elapsed(self, now: float) -> float:
        return (self.ended or now) - self.started

    @property
    def weight(self) -> tuple[bool, bool, bool]:
        """How much it says of its resource, beside other steps on it."""
        return self.failed, self.step.op == "replace", self.step.is_change


@dataclass
class OperationRecord:
    """Everything that a display needs of one operation; ``clock`` in seconds."""

    clock: Callable[[], float] = time.monotonic
    steps: dict[tuple[str, str], Progress] = field(default_factory=dict)
    """By URN and operation, in the order in which they began."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    summary: Summary | None = None
    refreshed: list[Step] = field(default_factory=list)
    """What a refresh found, of each resource that it could read."""
    refusals: list[Refusal] = field(default_factory=list)
    """Protected resources that were to be deleted or replaced."""
    started: float = 0.0
    _told: dict[str, deque[str]] = field(default_factory=dict)
    """The last lines that each build has said; the engine shows them for as long as it runs only."""

    def __post_init__(self) -> None:
        self.started = self.clock()

    @classmethod
    def of(cls, steps: Iterable[Step]) -> OperationRecord:
        """What an operation that took these steps would have left."""
        record = cls()
        for step in steps:
            record.steps[step.urn, step.op] = Progress(step, record.started, record.started)
        counts = Counter(step.op for step in (progress.step for progress in record.steps.values()))
        record.summary = Summary(counts, "succeeded")
        return record

    def add(self, event: EngineEvent) -> Progress | Diagnostic | None:
        """Take an event in; gives the step or the diagnostic that it is about, if any."""
        if body := event.get("resourcePreEvent"):
            return self._begun(Step.of(body))
        if body := event.get("resOutputsEvent"):
            return self._ended(Step.of(body), failed=False)
        if body := event.get("resOpFailedEvent"):
            return self._ended(Step.of(body), failed=True)
        if body := event.get("diagnosticEvent"):
            return self._said(body)
        if body := event.get("summaryEvent"):
            self.summary = Summary(body.get("resourceChanges") or {}, body.get("result") or "")
        return None

    def _begun(self, step: Step) -> Progress:
        progress = Progress(step, self.clock())
        self.steps[step.urn, step.op] = progress
        return progress

    def _ended(self, step: Step, *, failed: bool) -> Progress:
        progress = self.steps.get((step.urn, step.op)) or self._ended_refresh(step)
        progress.step, progress.ended, progress.failed = step, self.clock(), failed
        progress.refreshed = progress.refreshed or step.op == "refresh"
        if progress.refreshed and not failed:
            self.refreshed.append(step)
        return progress

    def _ended_refresh(self, step: Step) -> Progress:
        """A refresh says only at its end what it found: an update, a delete or nothing."""
        begun = self.steps.pop((step.urn, "refresh"), None)
        progress = begun or Progress(step, self.clock())
        progress.refreshed = begun is not None
        self.steps[step.urn, step.op] = progress
        return progress

    def _said(self, body: Mapping[str, object]) -> Diagnostic | None:
        severity = str(body.get("severity", "info"))
        message = without_colour(str(body.get("message") or "")).strip().removeprefix(f"{severity}: ")
        urn = str(body.get("urn") or "")
        if not message or severity == "debug" or (self.refusals and message == PREVIEW_FAILED):
            return None
        if body.get("ephemeral"):
            self._keep_end(urn, message)
            return None
        if severity == "error" and (refusal := Refusal.of(message)):
            return self._refused(refusal)
        if severity == "error" and urn in self._told:
            message = "\n".join([f"{message}; the end of what Docker said:", *self._told.pop(urn)])
        diagnostic = Diagnostic(severity, message, urn)
        if diagnostic in self.diagnostics:
            return None
        self.diagnostics.append(diagnostic)
        return diagnostic

    def _refused(self, refusal: Refusal) -> Diagnostic:
        """One diagnostic for all of them."""
        if self.refusals:
            self.diagnostics.remove(Diagnostic("error", refused_text(self.refusals)))
        self.refusals.append(refusal)
        diagnostic = Diagnostic("error", refused_text(self.refusals))
        self.diagnostics.append(diagnostic)
        return diagnostic

    def _keep_end(self, urn: str, message: str) -> None:
        if _BUILD in urn:
            told = self._told.setdefault(urn, deque(maxlen=_TOLD_LINES))
            for line in message.splitlines():  # steps are named again and again
                if line.strip() and not line.startswith(_NO_NEWS) and line not in told:
                    told.append(line)

    def by_resource(self) -> list[Progress]:
        """One step of each resource: of several the failed one, then the one that stands for the whole."""
        chosen: dict[str, Progress] = {}
        for progress in list(self.steps.values()):
            earlier = chosen.get(progress.step.urn)
            if earlier is None or progress.weight > earlier.weight:
                chosen[progress.step.urn] = progress
        return list(chosen.values())

    def running(self) -> list[Progress]:
        """Steps on their way; unchanged resources are not worth a line."""
        return [item for item in list(self.steps.values()) if item.ended is None and item.step.op != "same"]

    def unfinished(self) -> list[Progress]:
        """Operations on the cloud that were begun, and of which nobody knows how they ended."""
        return [item for item in self.running() if item.step.is_change and item.step.is_custom]

    @property
    def refreshed_on_scaleway(self) -> list[Step]:
        """What a refresh found, without components and providers."""
        return [step for step in self.refreshed if step.is_custom and not step.is_provider]

    @property
    def parents(self) -> dict[str, str]:
        """The parent's URN of each resource that was seen."""
        return {item.step.urn: item.step.parent for item in list(self.steps.values())}

    @property
    def told(self) -> list[Diagnostic]:
        """The diagnostics, but for those that only repeat that the operation failed or was cancelled."""
        return [each for each in self.diagnostics if not self._is_repetition(each)]

    def _is_repetition(self, diagnostic: Diagnostic) -> bool:
        if diagnostic.message.startswith(_AFTER_FAILURE):
            errors = sum(each.severity == "error" for each in self.diagnostics)
            return errors > 1 or any(progress.failed for progress in list(self.steps.values()))
        return (self.canceled or self.summary is None) and _AFTER_CANCEL.fullmatch(diagnostic.message) is not None

    @property
    def program_stopped(self) -> bool:
        """Whether the Pulumi CLI has interrupted the program, as it does once an operation failed."""
        return Diagnostic("info#err", "KeyboardInterrupt") in self.diagnostics

    @property
    def canceled(self) -> bool:
        return self.summary is not None and self.summary.result == "canceled"

    @property
    def duration(self) -> float:
        return self.clock() - self.started
