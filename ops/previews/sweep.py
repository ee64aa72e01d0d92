"""Removes preview environments that are expired, no longer eligible, or incomplete."""

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
from ops.previews import comment, deployment, metadata, names
from ops.previews.cloud import Cloud, CloudObject
from ops.previews.down import destroy_locked, require_removed
from ops.previews.inventory import Preview, list_previews
from ops.previews.parent import Parent
from ops.previews.stack import PreviewStack
from ops.report.progress import progress_for
from ops.report.text import counted
from ops.session import Options
from pulumi_state.store.checkpoints import stacks_in

_PURPOSE = "snu env sweep"


class SweepAction(StrEnum):
    """The action that a sweep takes on a preview environment."""

    KEEP = "keep"
    DOWN = "take down"
    REMOVE = "remove from the cloud"
    """For an environment that is not in any state."""
    FORGET = "forget"
    """For an environment that has no objects on Scaleway."""
    ASK = "cannot tell"
    """For an environment whose state or pull request could not be read."""


@dataclass(frozen=True)
class SweepDecision:
    """The action that a sweep takes on a preview environment, and the reason."""

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
    """Decides what to do with preview environments; without GitHub, pull requests and branches are not checked."""

    rules: Previews
    github: GitHub | None

    def decide(self, preview: Preview) -> SweepDecision:
        """Decide what to do with one environment. GitHub and state errors also result in a decision."""
        if preview.problem:
            return SweepDecision(preview, SweepAction.ASK, preview.problem)
        if preview.is_forgotten:
            return SweepDecision(preview, SweepAction.FORGET, "it has no objects in the cloud")
        if preview.is_orphan:
            return SweepDecision(preview, SweepAction.REMOVE, "it exists in the cloud but not in any state")
        try:
            return self._by_eligibility(preview)
        except OpsError as error:
            return SweepDecision(preview, SweepAction.ASK, str(error))

    def _by_eligibility(self, preview: Preview) -> SweepDecision:
        github = self.github
        repository = preview.metadata.repository if preview.metadata else ""
        if github is not None and repository and repository.lower() != github.repository.name.lower():
            return SweepDecision(preview, SweepAction.KEEP, f"its repository is {repository}")
        labels: frozenset[str] | None = None
        if preview.pull_request is not None:
            if github is not None:
                pull_request = github.pull_request(preview.pull_request)
                if not pull_request.is_open:
                    return SweepDecision(preview, SweepAction.DOWN, "its pull request is closed")
                if self.rules.label is not None and self.rules.label not in pull_request.labels:
                    return SweepDecision(
                        preview, SweepAction.DOWN, f"its pull request lacks the label {self.rules.label!r}"
                    )
                labels = pull_request.labels
        else:
            # The branch of an environment created without GitHub may never have been pushed.
            labels = frozenset()
            if github is not None and repository and preview.branch and not github.has_branch(preview.branch):
                return SweepDecision(preview, SweepAction.DOWN, f"its branch {preview.branch!r} no longer exists")
        return self._by_age(preview, labels)

    def _by_age(self, preview: Preview, labels: frozenset[str] | None) -> SweepDecision:
        hours, limit = preview.age(), self.rules.expire_after
        if hours is None or hours <= limit:
            return SweepDecision(preview, SweepAction.KEEP, "it is in use")
        expired = f"it was last updated {hours:.0f} hours ago (limit: {limit} hours)"
        if labels is None:
            return SweepDecision(preview, SweepAction.KEEP, f"{expired}; its labels are unknown without GitHub")
        if self.rules.keep_label in labels:
            return SweepDecision(preview, SweepAction.KEEP, f"{expired}; it has the label {self.rules.keep_label!r}")
        return SweepDecision(preview, SweepAction.DOWN, expired)


@dataclass(frozen=True)
class SweepSurvey:
    """All preview environments, and the action that a sweep takes on each."""

    decisions: list[SweepDecision]
    left_alone: dict[str, str]
    """Stacks and containers that are not preview environments, with the reason for keeping each."""


def survey(parent: Parent, cloud: Cloud, rules: SweepRules) -> SweepSurvey:
    """Read-only. Raises OpsError or StoreError if the live objects or the store cannot be read."""
    live = cloud.list_objects()
    previews = list_previews(parent, live)
    others = [name for name in sorted(stacks_in(parent.store, parent.project)) if not names.is_preview(name)]
    left_alone = {f"stack {name}": "not a preview environment name" for name in others}
    left_alone |= {f"container {name}": "not a preview environment name" for name in live.unknown}
    return SweepSurvey([rules.decide(preview) for preview in previews], left_alone)


@dataclass(frozen=True)
class SweepResult:
    """The environments that were not removed, with the reason for each."""

    failed: dict[str, str]
    skipped: dict[str, str]
    """Locked, or changed since the survey."""


class Sweep:
    """Carries out decisions. A failure in one environment does not stop the others."""

    def __init__(self, parent: Parent, cloud: Cloud, engine: EngineChoice, github: GitHub | None) -> None:
        self._parent = parent
        self._cloud = cloud
        self._engine = engine
        self._github = github
        self._failed: dict[str, str] = {}
        self._skipped: dict[str, str] = {}

    def run(self, decisions: Iterable[SweepDecision]) -> SweepResult:
        """Destroy all environments, then wait once until all of them are gone."""
        destroyed = [each for each in decisions if self._try(each.name, partial(self._destroy, each))]
        left = self._wait([decision.name for decision in destroyed])
        for decision in destroyed:
            own = [each for each in left if each.preview == decision.name]
            self._try(decision.name, partial(self._forget, decision, own))
        return SweepResult(self._failed, self._skipped)

    def _try(self, name: str, work: Callable[[], bool]) -> bool:
        try:
            return work()
        except OpsError as error:
            reasons = self._skipped if error.code is ExitCode.LOCKED else self._failed
            reasons[name] = str(error)
            return False

    def _destroy(self, decision: SweepDecision) -> bool:
        stack = PreviewStack.open(self._parent, decision.name, self._engine, validate=False)
        options = Options(yes=True)
        with stack.session.locked(_PURPOSE, options):
            if self._has_changed(decision, stack):
                self._skipped[decision.name] = "it has changed in the meantime"
                return False
            destroy_locked(stack, self._cloud, options)
            if decision.action is SweepAction.REMOVE:
                for target in decision.preview.objects:
                    self._cloud.remove(target)
        return True

    def _has_changed(self, decision: SweepDecision, stack: PreviewStack) -> bool:
        """Whether the environment has changed since the survey: an ``env up`` may have finished before the lock."""
        if metadata.read(self._parent.store, self._parent.project, decision.name) != decision.preview.metadata:
            return True
        if decision.action is SweepAction.FORGET:
            return bool(self._cloud.list_objects().of(decision.name))
        if decision.action is SweepAction.REMOVE:
            state = stack.state
            return state is not None and bool(state.resources)
        return False

    def _wait(self, names: list[str]) -> list[CloudObject]:
        """Wait for deletions. Returns the remaining objects."""
        if not names:
            return []
        with progress_for(sys.stdout) as progress:
            return self._cloud.wait_until_gone(
                names, lambda _text: progress(f"Waiting for {counted(len(names), 'environment')} to be deleted")
            )

    def _forget(self, decision: SweepDecision, left: list[CloudObject]) -> bool:
        require_removed(decision.name, left)
        stack = PreviewStack.open(self._parent, decision.name, self._engine, validate=False)
        with stack.session.locked(_PURPOSE, Options(yes=True)):
            stack.forget()
            if self._github is not None:
                deployment.end(self._github, decision.name)
        number = decision.preview.pull_request
        if self._github is not None and number is not None:
            text = comment.taken_down(decision.name, f"Cleaned up automatically: {decision.reason}.")
            comment.write(self._github, number, decision.name, text, create=False)
        return True
