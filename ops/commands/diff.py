"""``snu diff`` and ``snu touched``: the effect of a change on every stack."""

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
from ops.report.document import print_document
from ops.report.factory import printer_for
from ops.report.files import write_text
from ops.report.text import Line, safe
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
    """Print the effect on the named stacks, or on all stacks. Raises OpsError for an unknown revision or stack."""
    project = project_dir(directory)
    # Started first: importing the SDK takes longer than writing the files.
    with Evaluator() as evaluator:
        pair = find_revisions(project, revisions)
        at_base, at_head = at_both(evaluator, pair, timeout)
    known = sorted({*at_base, *at_head})
    selected = _selected(stacks, known)
    notes = [
        f"{name} differs, but both revisions were evaluated with the packages installed here"
        for name in pair.differ_in(*_DEPENDENCIES)
    ]
    at_base, at_head = ({name: side[name] for name in selected if name in side} for side in (at_base, at_head))
    effect = effect_of(pair.base, pair.head, at_base, at_head, notes)
    if as_json:
        print_document("diff", effect_document(effect))
    elif markdown != "-":
        title = Line.of(("Effect of ", ""), (f"{pair.base.shown} → {pair.head.shown}", "bold"))
        printer_for(sys.stdout).print([title, *effect_lines(effect, details=details)])
    if markdown is not None:
        write_text(effect_markdown(effect), markdown)
    if any(stack.refused_at_head for stack in effect.stacks):
        return ExitCode.SETTINGS
    return ExitCode.CHANGES if expect_no_changes and effect.changed else ExitCode.OK


def touched(
    directory: Path | None, revisions: str, exclude: Sequence[str], *, as_json: bool, timeout: float
) -> ExitCode:
    """Print the stacks affected by a change to the program or to their settings.

    If dependencies differ, the effect cannot be determined without accessing Scaleway, so all stacks are printed.
    Raises OpsError if an excluded stack is in neither revision.
    """
    project = project_dir(directory)
    with Evaluator() as evaluator:
        pair = find_revisions(project, revisions)
        at_base, at_head = at_both(evaluator, pair, timeout)
    excluded = _selected(exclude, sorted({*at_base, *at_head})) if exclude else []
    effect = effect_of(pair.base, pair.head, at_base, at_head, [])
    every = bool(pair.differ_in(*_DEPENDENCIES))
    affected = [each.name for each in effect.stacks if every or each.has_effect or each.refused_at_head]
    names = [name for name in affected if name in at_head and name not in excluded and not name.endswith(_TEMPLATE)]
    print(json.dumps(names) if as_json else "\n".join(names), end="" if not names and not as_json else "\n")
    return ExitCode.OK


def at_both(evaluator: Evaluator, revisions: Revisions, timeout: float) -> tuple[Stacks, Stacks]:
    """Evaluate all stacks at both revisions, or only once if the files are the same.

    Raises OpsError if a revision has no project.
    """
    sides = (revisions.head,) if revisions.same else (revisions.base, revisions.head)
    found = evaluator.evaluate([partial(revisions.write, side) for side in sides], timeout)
    return found[0], found[-1]


def _selected(requested: Sequence[str], known: Sequence[str]) -> list[str]:
    """Full names of the requested stacks. A template can be requested without its ``.template`` suffix."""
    if not requested:
        return list(known)
    names = {alias: name for name in known for alias in (name.removesuffix(_TEMPLATE), display_name(name), name)}
    for name in requested:
        if name not in names:
            listed = ", ".join(map(display_name, known)) or "none"
            raise OpsError(f"Neither revision has a stack {safe(name)}. Stacks: {listed}.", ExitCode.USAGE)
    return sorted({names[name] for name in requested})
