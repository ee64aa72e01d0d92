"""``snu doctor``: checks the setup of an organization and the requirements for releases."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from ops.doctor.checks import CHECKS
from ops.doctor.context import (
    CheckResult,
    DoctorContext,
    MissingRequirement,
    Note,
    Risk,
    Status,
    UncheckedRequirement,
)
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub, Repository, read_token
from ops.process_environment import TOKEN, TOKEN_FILE, process_environment
from ops.report.document import print_document
from ops.report.factory import printer_for
from ops.report.text import Line, counted
from ops.stacks import Stack, find_stack, project_dir, stack_names

STYLES = {Status.GOOD: "green", Status.WRONG: "red", Status.UNKNOWN: "yellow"}


def doctor(
    directory: Path | None,
    names: list[str],
    repository: str | None,
    api_url: str,
    *,
    as_json: bool = False,
    allow_unknown: bool = False,
) -> ExitCode:
    """Run every check, and print its result and each problem with the command that fixes it. Changes nothing.

    ``allow_unknown``: results that are unknown do not affect the exit code. Raises OpsError for an unknown stack.
    """
    project, environ = project_dir(directory), process_environment()
    stacks = stacks_to_check(project, names)
    subject = DoctorContext(project, stacks, environ, github_of(environ, repository, api_url))
    results = [check.run(subject) for check in CHECKS]
    if as_json:
        _print_json(stacks, results)
    else:
        printer_for(sys.stdout).print([*_table(results), *_details(results), _summary(stacks, results)])
    statuses = {result.status for result in results}
    if Status.WRONG in statuses:
        return ExitCode.NOT_READY
    return ExitCode.INCOMPLETE if Status.UNKNOWN in statuses and not allow_unknown else ExitCode.OK


def stacks_to_check(project: Path, names: list[str]) -> tuple[Stack, ...]:
    """The named stacks, by default those that releases deploy to, in release order.

    Raises OpsError if there are none.
    """
    chosen = [find_stack(project, name) for name in names or stack_names(project)]
    promoted = {stack.config.get("snu:promoteFrom") for stack in chosen}
    stacks = tuple(
        sorted(
            (stack for stack in chosen if names or "snu:promoteFrom" in stack.config),
            key=lambda stack: stack.name not in promoted,
        )
    )
    if not stacks:
        raise OpsError(
            "No stack has snu:promoteFrom. Specify the stacks to check: scripts/snu doctor STACK", ExitCode.USAGE
        )
    return stacks


def _print_json(stacks: tuple[Stack, ...], results: list[CheckResult]) -> None:
    found = [(result.check.subject, each) for result in results for each in result.findings]
    document = {
        "stacks": [stack.name for stack in stacks],
        "checks": [
            {
                "check": result.check.subject,
                "status": result.status,
                "page": result.check.page,
                "notes": [each.text for each in result.findings if isinstance(each, Note)],
            }
            for result in results
        ],
        "missing": [
            {"check": check, "requirement": each.problem, "fix": each.fix}
            for check, each in found
            if isinstance(each, MissingRequirement)
        ],
        "unchecked": [
            {"check": check, "requirement": each.subject, "reason": each.reason}
            for check, each in found
            if isinstance(each, UncheckedRequirement)
        ],
        "warnings": [each.problem for _, each in found if isinstance(each, Risk)],
    }
    print_document("doctor", document)


def _table(results: list[CheckResult]) -> Iterator[Line]:
    width = max(len(result.check.subject) for result in results)
    for result in results:
        yield Line.of(
            (f"{result.status:<7}", STYLES[result.status]),
            f"  {result.check.subject:<{width}}  ",
            (result.check.page, "dim"),
        )
        yield from (Line.of(f"{'':<9}{each.text}") for each in result.findings if isinstance(each, Note))


def _details(results: list[CheckResult]) -> Iterator[Line]:
    findings = dict.fromkeys(each for result in results for each in result.findings)
    for each in findings:
        if isinstance(each, MissingRequirement):
            yield Line.of(("wrong: ", "red"), f"{each.problem}. Fix: ", (each.fix, "bold"))
    unknown = [each for each in findings if isinstance(each, UncheckedRequirement)]
    for reason in dict.fromkeys(each.reason for each in unknown):
        subjects = ", ".join(dict.fromkeys(each.subject for each in unknown if each.reason == reason))
        yield Line.of(("unknown: ", "yellow"), f"{subjects}: {reason}.")
    yield from (Line.of(("warning: ", "yellow"), f"{each.problem}.") for each in findings if isinstance(each, Risk))


def _summary(stacks: tuple[Stack, ...], results: list[CheckResult]) -> Line:
    names = ", ".join(stack.name for stack in stacks)
    counts = Counter(result.status for result in results)
    text = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    worst = next(status for status in (Status.WRONG, Status.UNKNOWN, Status.GOOD) if counts[status])
    return Line.of((f"{names}: {counted(len(results), 'check')}, {text}.", f"bold {STYLES[worst]}"))


def github_of(environ: Mapping[str, str], repository: str | None, api_url: str) -> GitHub | None:
    """The repository on GitHub; None without a name or a token. Raises OpsError."""
    if repository is None or not (environ.get(TOKEN) or environ.get(TOKEN_FILE)):
        return None
    return GitHub(Repository(repository, api_url), read_token(environ))
