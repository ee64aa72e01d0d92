"""What a refresh found that no update has done: resources deleted, changed or in error on Scaleway."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.findings import Finding, FindingKind, findings_of, scheduled_secrets
from ops.operation_record import OperationRecord
from ops.report.markdown import code
from ops.report.text import Line, safe
from ops.scaleway.catalogue import SECRET, kind_of
from ops.scaleway.client import Client
from ops.scaleway.finder import Finder
from ops.stacks import Stack
from ops.steps import Step
from pulumi_state.interruption import DELETING, InterruptedOperation

_TITLES = {
    FindingKind.DELETED: "deleted",
    FindingKind.SCHEDULED: "scheduled for deletion",
    FindingKind.CHANGED: "changed",
    FindingKind.FAILED: "in error",
}
REPAIRED_BY_PLAN = (FindingKind.DELETED, FindingKind.CHANGED)
REPAIRED_BY_UPDATE = (*REPAIRED_BY_PLAN, FindingKind.SCHEDULED)
_MOST_NAMED = 10
_LONGEST = 200
"""Characters of Scaleway's message about a container in error."""
_CONTAINER = "-container"
"""What the program appends to an app's key to name its container."""


def outside_findings(stack: Stack, environ: Mapping[str, str], record: OperationRecord) -> list[Finding]:
    """Of an operation with a refresh; a container in error that an update deploys again is left out.

    Raises OpsError where Scaleway does not say which secrets were deleted.
    """
    updated = {item.step.name for item in record.steps.values() if item.step.is_change and not item.refreshed}
    custom = record.refreshed_on_scaleway
    found = [each for each in findings_of(custom) if not (each.kind is FindingKind.FAILED and each.name in updated)]
    return found + secrets_to_restore(stack, environ, custom)


def secrets_to_restore(stack: Stack, environ: Mapping[str, str], steps: Sequence[Step]) -> list[Finding]:
    """The stack's secrets that were deleted and that Scaleway still keeps. Raises OpsError."""
    if not any(step.type == SECRET.token for step in steps):
        return []
    with Client.of(stack, environ) as client:
        return [*scheduled_secrets(client, steps)]


def outside_lines(stack: str, findings: Iterable[Finding], repaired: Collection[FindingKind] = ()) -> list[Line]:
    """For a terminal, one line for each kind of finding; nothing where there are none.

    ``repaired``: kinds that the operation itself puts right, for which no command is named.
    """
    findings = list(findings)
    if not findings:
        return []
    lines = [Line.of((f"Found on Scaleway, not done by an update of {stack}:", "bold"))]
    lines += [Line.of((f"  {title}: ", "yellow"), names) for title, names in _listed(findings, safe)]
    return lines + [Line.of(f"  {way}") for way in ways_out_of(stack, findings, repaired)]


def outside_markdown(stack: str, findings: Iterable[Finding]) -> list[str]:
    """The same for a comment."""
    findings = list(findings)
    if not findings:
        return []
    listed = [f"- {title}: {names}" for title, names in _listed(findings, code)]
    return [
        f"**Found on Scaleway, not done by an update of {code(stack)}**",
        "",
        *listed,
        *(way.markdown for way in ways_out_of(stack, findings)),
        "",
    ]


@dataclass(frozen=True)
class Remedy:
    """A command that puts findings right."""

    purpose: str
    command: str
    """As it can be pasted."""

    def __str__(self) -> str:
        return f"{self.purpose}: {self.command}"

    @property
    def markdown(self) -> str:
        return f"- {self.purpose}: {code(self.command)}"


def ways_out_of(stack: str, findings: Iterable[Finding], repaired: Collection[FindingKind] = ()) -> list[Remedy]:
    """The command for each kind of finding that a command can put right."""
    findings = [each for each in findings if each.kind not in repaired]
    ways = []
    if any(each.kind in REPAIRED_BY_UPDATE for each in findings):
        ways.append(
            Remedy(
                "To bring deleted resources back and to reset changed ones",
                f"scripts/snu up {safe(stack)}",
            )
        )
    failed = sorted({each.name.removesuffix(_CONTAINER) for each in findings if each.kind is FindingKind.FAILED})
    if failed:
        ways.append(redeploy_way_out(stack, failed))
    return ways


def redeploy_way_out(stack: str, apps: Iterable[str]) -> Remedy:
    """The command for containers in error; of many, the first ones."""
    named = " ".join(safe(app) for app in [*apps][:_MOST_NAMED])
    return Remedy("To deploy the same images again", f"scripts/snu redeploy {safe(stack)} {named}")


def _listed(findings: list[Finding], shown: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    for kind, title in _TITLES.items():
        names = [_about(each, shown) for each in findings if each.kind is kind]
        if names:
            yield title, ", ".join(names)


def _about(finding: Finding, shown: Callable[[str], str]) -> str:
    if finding.kind is FindingKind.FAILED:
        return f"{shown(finding.name)} ({shown(str(finding.changes[0].new)[:_LONGEST])})"
    paths = ", ".join(shown(change.path) for change in finding.changes)
    return f"{shown(finding.name)} ({paths})" if paths else shown(finding.name)


def doubtful_deletions(
    stack: Stack, environ: Mapping[str, str], steps: Iterable[Step]
) -> Iterator[tuple[str, OpsError]]:
    """Resources that read as gone and may be there, by URN, each with the reason for the doubt.

    To the provider a DNS zone or record that the key may not see is gone. A list refuses such a key, and tells.
    """
    gone = [step for step in steps if not step.new]
    if not gone:
        return
    finder = Finder(Client.of(stack, environ))
    for step in gone:
        kind = kind_of(step.type)
        if kind is None or not kind.is_listed:
            continue
        inputs: Mapping[str, object] = step.old.get("inputs") or {}
        pending = InterruptedOperation(DELETING, step.urn, step.type, True, str(step.old.get("id") or ""), inputs)
        try:
            if finder.is_there(pending):
                yield step.urn, OpsError("Scaleway lists it anyway; run the same command again", ExitCode.FAILED)
        except OpsError as error:
            yield step.urn, error
