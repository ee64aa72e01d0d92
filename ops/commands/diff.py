"""What a change of the program or of a stack's file does to every stack: ``snu diff``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ops.diff.report import display_name, effect_document, effect_lines, effect_markdown, effect_of
from ops.diff.revisions import Revisions, find_revisions
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.program.evaluate import Evaluator, Stacks
from ops.report.factory import printer_for
from ops.report.files import write_text
from ops.report.text import Line
from ops.stacks import project_dir

_TEMPLATE = ".template"
_DEPENDENCIES = ("requirements.txt", "pyproject.toml")


def diff(
    directory: Path | None,
    revisions: str,
    stacks: Sequence[str],
    *,
    markdown: str | None,
    as_json: bool,
    details: bool,
    expect_no_changes: bool,
    timeout: float,
) -> ExitCode:
    """Raises OpsError for a revision or a stack that does not exist; a stack that is refused is a result."""
    project = project_dir(directory)
    # It starts before there is anything to evaluate: to import the SDK takes longer than to write the files.
    with Evaluator() as evaluator:
        found = find_revisions(project, revisions)
        at_base, at_head = at_both(evaluator, found, timeout)
    known = sorted({*at_base, *at_head})
    wanted = _wanted(stacks, known)
    notes = [
        f"{name} differs: both revisions were evaluated with the packages that are installed here"
        for name in found.differ_in(*_DEPENDENCIES)
    ]
    at_base, at_head = ({name: side[name] for name in wanted if name in side} for side in (at_base, at_head))
    effect = effect_of(found.base, found.head, at_base, at_head, notes)
    if as_json:
        print(json.dumps(effect_document(effect), indent=2, ensure_ascii=False))
    elif markdown != "-":
        title = Line.of(("Effect of ", ""), (f"{found.base.shown} → {found.head.shown}", "bold"))
        printer_for(sys.stdout).print([title, *effect_lines(effect, details=details)])
    if markdown is not None:
        write_text(effect_markdown(effect), markdown)
    if any(stack.refused_at_head for stack in effect.stacks):
        return ExitCode.SETTINGS
    return ExitCode.CHANGES if expect_no_changes and effect.changed else ExitCode.OK


def touched(
    directory: Path | None, revisions: str, exclude: Sequence[str], *, as_json: bool, timeout: float
) -> ExitCode:
    """Print the stacks whose real preview would show a change of the program or of their settings.

    Where dependencies differ nobody can know it without the cloud: then these are all stacks.
    Raises OpsError for an excluded stack that neither revision has.
    """
    project = project_dir(directory)
    with Evaluator() as evaluator:
        found = find_revisions(project, revisions)
        at_base, at_head = at_both(evaluator, found, timeout)
    excluded = _wanted(exclude, sorted({*at_base, *at_head})) if exclude else []
    effect = effect_of(found.base, found.head, at_base, at_head, [])
    every = bool(found.differ_in(*_DEPENDENCIES))
    names = [each.name for each in effect.stacks if every or each.has_effect or each.refused_at_head]
    there = [name for name in names if name in at_head and name not in excluded and not name.endswith(_TEMPLATE)]
    print(json.dumps(there) if as_json else "\n".join(there), end="" if not there and not as_json else "\n")
    return ExitCode.OK


def at_both(evaluator: Evaluator, revisions: Revisions, timeout: float) -> tuple[Stacks, Stacks]:
    """All stacks at both revisions; a stack that one of them does not have is missing there.

    Where both hold the same files, these are evaluated once. Raises OpsError when a revision has no project.
    """
    sides = (revisions.head,) if revisions.same else (revisions.base, revisions.head)
    found = evaluator.evaluate([partial(revisions.write, side) for side in sides], timeout)
    return found[0], found[-1]


def _wanted(asked: Sequence[str], known: Sequence[str]) -> list[str]:
    """The names in full; a template may be asked for by its stack's name."""
    if not asked:
        return list(known)
    names = {alias: name for name in known for alias in (name.removesuffix(_TEMPLATE), display_name(name), name)}
    for name in asked:
        if name not in names:
            listed = ", ".join(map(display_name, known)) or "none"
            raise OpsError(f"There is no stack {name!r} at either revision. Stacks: {listed}.", ExitCode.USAGE)
    return sorted({names[name] for name in asked})
