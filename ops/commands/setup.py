"""``snu setup``: from a clone to a working organization."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stdout
from functools import partial
from pathlib import Path

from ops.commands.bootstrap import bootstrap
from ops.commands.doctor import STYLES, github_of
from ops.commands.plan_keys import check_folder, make_keys
from ops.confirm import confirm
from ops.doctor.context import MissingRequirement, Risk, Status, UncheckedRequirement
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import process_environment
from ops.report.document import print_document
from ops.report.factory import printer_for
from ops.report.text import Line, counted
from ops.session import Options
from ops.setup.context import SetupContext
from ops.setup.steps import Outcome, Setup, StepResult
from ops.stacks import find_stack, project_dir, stack_names


def setup(
    directory: Path | None,
    names: list[str],
    repository: str | None,
    api_url: str,
    *,
    reviewers: list[str],
    out: Path | None,
    applies: bool,
    yes: bool,
    as_json: bool,
) -> ExitCode:
    """Run the checks of ``snu doctor`` as steps, and print or perform the actions that fix the problems found.

    Raises OpsError for an unknown stack, and if a confirmation is required without a terminal.
    """
    project, environ = project_dir(directory), process_environment()
    if out is not None:
        out = out.expanduser()
        check_folder(project, out)
    chosen = tuple(names or _environments(project))
    context = SetupContext(
        project,
        chosen,
        environ,
        github_of(environ, repository, api_url),
        out,
        tuple(reviewers),
        partial(_bootstrap, project, yes=yes),
        partial(_make_plan_keys, project, out),
    )
    _ = context.foundations  # raises for an unknown stack before anything is changed
    printer = printer_for(sys.stdout)
    steps = []
    # The actions' output must not be part of the JSON document.
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        for step in Setup(context, applies, _accept if yes else confirm).run():
            steps.append(step)
            if not as_json:
                printer.print(_lines(step))
    if as_json:
        print_document("setup", {"stacks": chosen, "applied": applies, "steps": [_document(step) for step in steps]})
    else:
        printer.print([_summary(steps, applies=applies)])
    return _exit_code(steps)


def _accept(_question: str) -> None:
    """Answer every question with yes."""


def _bootstrap(project: Path, name: str, *, yes: bool) -> None:
    ended = bootstrap(project, name, EngineChoice.AUTO, Options(yes=yes, refresh=True))
    if ended is not ExitCode.OK:
        raise OpsError(f"`scripts/snu bootstrap {name}` exited with code {int(ended)}.", ended)


def _make_plan_keys(project: Path, out: Path | None, name: str) -> None:
    if out is not None:
        make_keys(project, name, out, planner="ci", applier="deploy")


def _environments(project: Path) -> list[str]:
    """All environments on the real Scaleway, each after the one that it is promoted from.

    Raises OpsError if there are none.
    """
    stacks = [find_stack(project, name) for name in stack_names(project)]
    sources = {
        stack.name: stack.config.get("snu:promoteFrom")
        for stack in stacks
        if stack.config.get("snu:environment") and not stack.is_local
    }
    if not sources:
        raise OpsError(
            "No stack is an environment on the real Scaleway. Specify the stacks: scripts/snu setup STACK",
            ExitCode.USAGE,
        )

    def depth(name: str) -> int:
        source = sources.get(name)
        return depth(source) + 1 if source in sources and source != name else 0

    return sorted(sources, key=lambda name: (depth(name), name))


def _lines(step: StepResult) -> Iterator[Line]:
    check, status = step.result.check, step.result.status
    yield Line.of((f"{status:<7}", STYLES[status]), f"  {check.subject}  ", (check.page, "dim"))
    for action in step.actions:
        match action.outcome:
            case Outcome.PLANNED:
                yield Line.of(("         would ", "yellow"), (action.action, "bold"))
            case Outcome.FAILED:
                yield Line.of(("         failed: ", "red"), f"{action.action}: {action.error}")
            case _:
                yield Line.of((f"         {action.outcome}: ", "green"), action.action)
    planned = any(action.outcome is Outcome.PLANNED for action in step.actions)
    for finding in step.result.findings:
        if isinstance(finding, MissingRequirement):
            fix = "" if planned else f". Fix: {finding.fix}"
            yield Line.of(("         wrong: ", "red"), f"{finding.problem}{fix}")
        elif isinstance(finding, Risk):
            yield Line.of(("         warning: ", "yellow"), finding.problem)
    unknown = [each for each in step.result.findings if isinstance(each, UncheckedRequirement)]
    for reason in dict.fromkeys(each.reason for each in unknown):
        subjects = ", ".join(each.subject for each in unknown if each.reason == reason)
        yield Line.of(("         unknown: ", "yellow"), f"{subjects}: {reason}")


def _document(step: StepResult) -> dict[str, object]:
    findings = step.result.findings
    return {
        "check": step.result.check.subject,
        "status": step.result.status,
        "page": step.result.check.page,
        "actions": step.actions,
        "missing": [
            {"requirement": each.problem, "fix": each.fix} for each in findings if isinstance(each, MissingRequirement)
        ],
        "unchecked": [
            {"requirement": each.subject, "reason": each.reason}
            for each in findings
            if isinstance(each, UncheckedRequirement)
        ],
    }


def _summary(steps: list[StepResult], *, applies: bool) -> Line:
    counts = Counter(step.result.status for step in steps)
    text = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    planned = sum(action.outcome is Outcome.PLANNED for step in steps for action in step.actions)
    more = ""
    if planned:
        more = f" Nothing was changed. To perform {counted(planned, 'action')}, run the same command with --apply."
    elif not applies:
        more = " Nothing was changed."
    return Line.of((f"{counted(len(steps), 'step')}: {text}.", "bold"), more)


def _exit_code(steps: list[StepResult]) -> ExitCode:
    statuses = {step.result.status for step in steps}
    outcomes = {action.outcome for step in steps for action in step.actions}
    if Outcome.FAILED in outcomes:
        return ExitCode.FAILED
    if Status.WRONG in statuses or Outcome.PLANNED in outcomes:
        return ExitCode.NOT_READY
    return ExitCode.INCOMPLETE if Status.UNKNOWN in statuses else ExitCode.OK
