"""Finds preview environments that nobody needs any more, or of which only half is there, and takes them away."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from infra.settings.models import Previews
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub
from ops.previews import comment, names
from ops.previews import metadata as abouts
from ops.previews.cloud import Cloud, CloudObject
from ops.previews.down import end_held, refuse_left
from ops.previews.inventory import Preview, look
from ops.previews.parent import Parent
from ops.previews.stack import PreviewStack
from ops.report.progress import progress_for
from ops.report.text import counted
from ops.session import Options
from pulumi_state.store.checkpoints import stacks_in

_PURPOSE = "snu env sweep"


class SweepAction(StrEnum):
    """What is to be done about a preview environment."""

    KEEP = "keep"
    DOWN = "take down"
    REMOVE = "remove from the cloud"
    """No state knows it."""
    FORGET = "forget"
    """Nothing of it is in the cloud."""
    ASK = "cannot tell"
    """Something did not say what it has."""


@dataclass(frozen=True)
class SweepDecision:
    """What is to be done about a preview environment, and why."""

    preview: Preview
    action: SweepAction
    reason: str

    @property
    def name(self) -> str:
        return self.preview.name

    @property
    def acts(self) -> bool:
        return self.action not in (SweepAction.KEEP, SweepAction.ASK)


@dataclass(frozen=True)
class SweepRules:
    """Decides about preview environments. Without GitHub only about what needs none."""

    rules: Previews
    github: GitHub | None

    def verdict(self, preview: Preview) -> SweepDecision:
        """An error of GitHub or of the state is a verdict too."""
        if preview.problem:
            return SweepDecision(preview, SweepAction.ASK, preview.problem)
        if preview.is_forgotten:
            return SweepDecision(preview, SweepAction.FORGET, "nothing of it is in the cloud")
        if preview.is_orphan:
            return SweepDecision(preview, SweepAction.REMOVE, "no state knows what is in the cloud")
        try:
            return self._of_use(preview)
        except OpsError as error:
            return SweepDecision(preview, SweepAction.ASK, str(error))

    def _of_use(self, preview: Preview) -> SweepDecision:
        github = self.github
        theirs = preview.about.repository if preview.about else ""
        if github is not None and theirs and theirs.lower() != github.repository.name.lower():
            return SweepDecision(preview, SweepAction.KEEP, f"it belongs to the repository {theirs}")
        labels: frozenset[str] | None = None
        if preview.pull_request is not None:
            if github is not None:
                found = github.pull_request(preview.pull_request)
                if not found.is_open:
                    return SweepDecision(preview, SweepAction.DOWN, "its pull request is closed")
                if self.rules.label is not None and self.rules.label not in found.labels:
                    return SweepDecision(
                        preview, SweepAction.DOWN, f"its pull request lacks the label {self.rules.label!r}"
                    )
                labels = found.labels
        else:
            # One that was made without GitHub may be of a branch that GitHub has never seen.
            labels = frozenset()
            if github is not None and preview.about and theirs and not github.has_branch(preview.about.branch):
                return SweepDecision(preview, SweepAction.DOWN, f"its branch {preview.about.branch!r} is gone")
        return self._of_age(preview, labels)

    def _of_age(self, preview: Preview, labels: frozenset[str] | None) -> SweepDecision:
        hours, most = preview.age(), self.rules.expire_after
        if hours is None or hours <= most:
            return SweepDecision(preview, SweepAction.KEEP, "it is in use")
        old = f"it had no update for {hours:.0f} hours, and {most} are allowed"
        if labels is None:
            return SweepDecision(preview, SweepAction.KEEP, f"{old}; its labels are not known without GitHub")
        if self.rules.keep_label in labels:
            return SweepDecision(preview, SweepAction.KEEP, f"{old}; it has the label {self.rules.keep_label!r}")
        return SweepDecision(preview, SweepAction.DOWN, old)


@dataclass(frozen=True)
class SweepSurvey:
    """What there is, and what is to be done about it."""

    verdicts: list[SweepDecision]
    left_alone: dict[str, str]
    """What is no preview environment, and why it is not touched."""


def survey(parent: Parent, cloud: Cloud, judge: SweepRules) -> SweepSurvey:
    """Look only. Raises OpsError and StoreError when cloud or store do not say what they have."""
    found = cloud.look()
    previews = look(parent, found)
    others = [name for name in sorted(stacks_in(parent.store, parent.project)) if not names.is_preview(name)]
    left_alone = {f"stack {name}": "its name is no preview environment's" for name in others}
    left_alone |= {f"container {name}": "its name is no preview environment's" for name in found.unknown}
    return SweepSurvey([judge.verdict(preview) for preview in previews], left_alone)


@dataclass(frozen=True)
class SweepResult:
    """What became of the environments that were to go: by name, empty where all went well."""

    failed: dict[str, str]
    skipped: dict[str, str]
    """Those that somebody else works on, or has brought up meanwhile."""


class Sweep:
    """Carries verdicts out. An error with one environment does not stop the others."""

    def __init__(self, parent: Parent, cloud: Cloud, engine: EngineChoice, github: GitHub | None) -> None:
        self._parent = parent
        self._cloud = cloud
        self._engine = engine
        self._github = github
        self._failed: dict[str, str] = {}
        self._skipped: dict[str, str] = {}

    def run(self, verdicts: Iterable[SweepDecision]) -> SweepResult:
        """The cloud is looked at once for all of them, after all of them."""
        ended = [verdict for verdict in verdicts if self._try(verdict.name, partial(self._end, verdict))]
        left = self._left([verdict.name for verdict in ended])
        for verdict in ended:
            mine = [thing for thing in left if thing.preview == verdict.name]
            self._try(verdict.name, partial(self._finish, verdict, mine))
        return SweepResult(self._failed, self._skipped)

    def _try(self, name: str, work: Callable[[], bool]) -> bool:
        try:
            return work()
        except OpsError as error:
            kept = self._skipped if error.code is ExitCode.LOCKED else self._failed
            kept[name] = str(error)
            return False

    def _end(self, verdict: SweepDecision) -> bool:
        stack = PreviewStack.open(self._parent, verdict.name, self._engine, validate=False)
        options = Options(yes=True)
        with stack.session.locked(_PURPOSE, options):
            if self._has_changed(verdict, stack):
                self._skipped[verdict.name] = "somebody has worked on it meanwhile"
                return False
            if verdict.action is SweepAction.REMOVE:
                for thing in verdict.preview.things:
                    self._cloud.remove(thing)
            end_held(stack, options)
        return True

    def _has_changed(self, verdict: SweepDecision, stack: PreviewStack) -> bool:
        """Whether it is not what was judged any more: an up may have ended before we had the lock."""
        if abouts.read(self._parent.store, self._parent.project, verdict.name) != verdict.preview.about:
            return True
        if verdict.action is SweepAction.FORGET:
            return bool(self._cloud.look().of(verdict.name))
        if verdict.action is SweepAction.REMOVE:
            state = stack.state
            return state is not None and bool(state.resources)
        return False

    def _left(self, ended: list[str]) -> list[CloudObject]:
        if not ended:
            return []
        with progress_for(sys.stdout) as progress:
            return self._cloud.wait_until_gone(
                ended, lambda _text: progress(f"Waiting until {counted(len(ended), 'environment')} are gone")
            )

    def _finish(self, verdict: SweepDecision, left: list[CloudObject]) -> bool:
        refuse_left(verdict.name, left)
        stack = PreviewStack.open(self._parent, verdict.name, self._engine, validate=False)
        with stack.session.locked(_PURPOSE, Options(yes=True)):
            stack.forget()
        number = verdict.preview.pull_request
        if self._github is not None and number is not None:
            text = comment.gone(verdict.name, f"The sweep did it: {verdict.reason}.")
            comment.write(self._github, number, verdict.name, text, create=False)
        return True
