"""``snu doctor``: checks the requirements for a release."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ops.doctor.checks import CHECKS
from ops.doctor.context import DoctorContext, MissingRequirement, Risk, UncheckedRequirement
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub, Repository, read_token
from ops.process_environment import TOKEN, TOKEN_FILE, process_environment
from ops.report.document import print_document
from ops.report.factory import printer_for
from ops.report.text import Line, counted
from ops.stacks import find_stack, project_dir, stack_names


def doctor(
    directory: Path | None, names: list[str], repository: str | None, api_url: str, *, as_json: bool = False
) -> ExitCode:
    """Run every check, and print each missing requirement with the command that fixes it. Changes nothing.

    Raises OpsError for an unknown stack.
    """
    project, environ = project_dir(directory), process_environment()
    chosen = [find_stack(project, name) for name in names or stack_names(project)]
    promoted = {stack.config.get("snu:promoteFrom") for stack in chosen}
    stacks = tuple(
        sorted(
            (stack for stack in chosen if names or "snu:promoteFrom" in stack.config),
            key=lambda stack: stack.name not in promoted,  # in release order
        )
    )
    if not stacks:
        raise OpsError(
            "No stack has snu:promoteFrom. Specify the stacks to check: scripts/snu doctor STACK", ExitCode.USAGE
        )
    subject = DoctorContext(project, stacks, environ, _github(environ, repository, api_url))
    findings = dict.fromkeys(finding for check in CHECKS for finding in check(subject))
    missing = [each for each in findings if isinstance(each, MissingRequirement)]
    unknown = [each for each in findings if isinstance(each, UncheckedRequirement)]
    if as_json:
        document = {
            "stacks": [stack.name for stack in stacks],
            "missing": [{"requirement": each.problem, "fix": each.fix} for each in missing],
            "unchecked": [{"requirement": each.subject, "reason": each.reason} for each in unknown],
            "warnings": [each.problem for each in findings if isinstance(each, Risk)],
        }
        print_document("doctor", document)
        return ExitCode.NOT_READY if missing else ExitCode.OK
    lines = [Line.of(("missing: ", "red"), f"{each.problem}. Fix: ", (each.fix, "bold")) for each in missing]
    for reason in dict.fromkeys(each.reason for each in unknown):
        subjects = ", ".join(each.subject for each in unknown if each.reason == reason)
        lines.append(Line.of(("not checked: ", "yellow"), f"{subjects}: {reason}."))
    lines += [Line.of(("warning: ", "yellow"), f"{each.problem}.") for each in findings if isinstance(each, Risk)]
    names_of_stacks = ", ".join(stack.name for stack in stacks)
    if missing:
        summary = Line.of((f"{names_of_stacks}: {counted(len(missing), 'release requirement')} missing.", "bold red"))
    elif unknown:
        summary = Line.of(
            (f"{names_of_stacks}: no missing requirements found, but some could not be checked.", "bold yellow")
        )
    else:
        summary = Line.of((f"{names_of_stacks}: ready for a release.", "bold green"))
    printer_for(sys.stdout).print([*lines, summary])
    return ExitCode.NOT_READY if missing else ExitCode.OK


def _github(environ: Mapping[str, str], repository: str | None, api_url: str) -> GitHub | None:
    if repository is None or not (environ.get(TOKEN) or environ.get(TOKEN_FILE)):
        return None
    return GitHub(Repository(repository, api_url), read_token(environ))
