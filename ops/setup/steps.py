"""The steps of a setup: each check of ``snu doctor``, with the actions that fix the problems found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ops.doctor.checks import CHECKS
from ops.doctor.context import CheckResult, DoctorContext, Status, first_line
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.setup import github, scaleway
from ops.setup.context import Action, SetupContext
from pulumi_state.store import StoreError

Actions = Callable[[SetupContext, DoctorContext], Iterator[Action]]

_ACTIONS: Mapping[str, Actions] = {
    "states": scaleway.create_backends,
    "foundations": scaleway.create_backends,
    "plan keys": scaleway.create_plan_keys,
    "merges": github.allow_merges,
    "GitHub environments and secrets": github.create_environments,
    "GitHub environment rules": github.configure_environments,
    "branch rules": github.create_rulesets,
}
"""Sources of actions by the check's subject; the other checks find only problems that must be fixed manually."""


class Outcome(StrEnum):
    """The outcome of an action."""

    PLANNED = "planned"
    DONE = "done"
    DECLINED = "declined"
    FAILED = "failed"


@dataclass
class TakenAction:
    """An action of a step."""

    action: str
    outcome: Outcome
    error: str = ""


@dataclass
class StepResult:
    """A step after its actions."""

    result: CheckResult
    actions: list[TakenAction] = field(default_factory=list)


@dataclass
class Setup:
    """A run of all steps. Until the first action, they share the data that the checks have read."""

    context: SetupContext
    applies: bool
    ask: Callable[[str], None]
    """Asks for confirmation. Raises OpsError with the code CANCELLED if the answer is no."""

    def run(self) -> Iterator[StepResult]:
        """Perform the steps in order. Raises OpsError if confirmation is required without a terminal."""
        subject = self.context.subject()
        for check in CHECKS:
            step = StepResult(check.run(subject))
            while step.result.status is not Status.GOOD and (taken := self._act(step, subject)):
                step.actions += taken
                if not any(each.outcome in (Outcome.DONE, Outcome.FAILED) for each in taken):
                    break
                subject = self.context.subject()
                step.result = check.run(subject)
            yield step

    def _act(self, step: StepResult, subject: DoctorContext) -> list[TakenAction]:
        """Take the step's actions, except those already taken. An action can make others possible."""
        actions = _ACTIONS.get(step.result.check.subject)
        if actions is None:
            return []
        done = {each.action for each in step.actions}
        try:
            found = [each for each in actions(self.context, subject) if each.text not in done]
        except (OpsError, StoreError):
            return []  # the check has reported the reason
        return [self._take(each) if self.applies else TakenAction(each.text, Outcome.PLANNED) for each in found]

    def _take(self, action: Action) -> TakenAction:
        try:
            self.ask(f"{action.text[0].upper()}{action.text[1:]}?")
        except OpsError as error:
            if error.code is not ExitCode.CANCELLED:
                raise
            return TakenAction(action.text, Outcome.DECLINED)
        try:
            action.perform()
        except (OpsError, StoreError) as error:
            return TakenAction(action.text, Outcome.FAILED, first_line(error))
        return TakenAction(action.text, Outcome.DONE)
