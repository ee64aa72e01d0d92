"""The resources that ``--target`` selects, by name or URN."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.program.evaluate import evaluate
from ops.report.text import counted, safe
from ops.session import Options, Session
from ops.state.checkpoint import latest_in
from pulumi_state.urn import ROOT_STACK_TYPE, is_provider_type, name_of, type_of


def with_targets(session: Session, options: Options, targets: Sequence[str]) -> Options:
    """The options of an operation on these resources only, which are listed on standard error. Raises OpsError."""
    if not targets:
        return options
    urns = select(targets, _parents(session), session.stack.name)
    names = ", ".join(dict.fromkeys(map(name_of, urns)))
    sys.stderr.write(f"{session.stack.name}: only {counted(len(urns), 'resource')}: {names}\n")
    return replace(options, targets=tuple(urns))


def select(targets: Iterable[str], parents: dict[str, str], stack: str) -> list[str]:
    """The URNs of targets and of everything in targeted components.

    ``targets``: names or URNs; ``parents``: the parent's URN of each resource in the program or the state. Raises
    OpsError for a target that is in neither.
    """
    selected = set[str]()
    for target in targets:
        found = {urn for urn in parents if target in (urn, name_of(urn))}
        if not found:
            raise OpsError(
                f"{stack} has no resource {safe(target)}, neither in its program nor in its state. Nothing was "
                f"changed. Specify a URN or one of these names, which include their children: {_top_level(parents)}.",
                ExitCode.USAGE,
            )
        selected |= found
    return [urn for urn in parents if selected & set(_line(urn, parents))]


def _parents(session: Session) -> dict[str, str]:
    """The parent of each resource in the program or the state; without providers and the stack itself."""
    evaluated = evaluate(session.stack.project_dir)[session.stack.name]
    if evaluated.refused is not None:
        raise OpsError(
            f"The targets could not be determined, because the program failed: {evaluated.refused}", ExitCode.SETTINGS
        )
    parents = {each.urn: each.parent for each in evaluated.resources}
    for each in latest_in(session.observed.stored).get("resources") or []:
        parents.setdefault(each["urn"], str(each.get("parent") or ""))
    return {
        urn: parent
        for urn, parent in parents.items()
        if type_of(urn) != ROOT_STACK_TYPE and not is_provider_type(type_of(urn))
    }


def _line(urn: str, parents: dict[str, str]) -> Iterable[str]:
    """A resource and the components that contain it."""
    while urn in parents:
        yield urn
        urn = parents[urn]


def _top_level(parents: dict[str, str]) -> str:
    return ", ".join(sorted({name_of(urn) for urn, parent in parents.items() if parent not in parents})) or "none"
