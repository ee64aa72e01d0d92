"""Reports external changes that a refresh found: resources that were deleted or changed, or are in an error state."""

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
"""Kinds of findings that are repaired by applying a plan."""
REPAIRED_BY_UPDATE = (*REPAIRED_BY_PLAN, FindingKind.SCHEDULED)
"""Kinds of findings that are repaired by an update."""
_MOST_NAMED = 10
_LONGEST = 200
"""Maximum number of characters to show of Scaleway's error message for a container."""
_CONTAINER = "-container"
"""The program names a container after its app's key, followed by this suffix."""


def external_findings(stack: Stack, environ: Mapping[str, str], record: OperationRecord) -> list[Finding]:
    """The findings of an operation's refresh, except for containers in an error state that the update redeploys.

    Raises OpsError if the deleted secrets cannot be listed.
    """
    updated = {item.step.name for item in record.steps.values() if item.step.is_change and not item.refreshed}
    custom = record.refreshed_on_scaleway
    findings = [each for each in findings_of(custom) if not (each.kind is FindingKind.FAILED and each.name in updated)]
    return findings + secrets_to_restore(stack, environ, custom)


def secrets_to_restore(stack: Stack, environ: Mapping[str, str], steps: Sequence[Step]) -> list[Finding]:
    """The stack's secrets that are scheduled for deletion and can still be restored. Raises OpsError."""
    if not any(step.type == SECRET.token for step in steps):
        return []
    with Client.of(stack, environ) as client:
        return [*scheduled_secrets(client, steps)]


def external_lines(stack: str, findings: Iterable[Finding], repaired: Collection[FindingKind] = ()) -> list[Line]:
    """Terminal output with one line per kind of finding; empty if nothing was found.

    ``repaired``: kinds that the operation itself repairs; no command is suggested for them.
    """
    findings = list(findings)
    if not findings:
        return []
    lines = [Line.of((f"Changes on Scaleway that were not made by an update of {stack}:", "bold"))]
    lines += [Line.of((f"  {title}: ", "yellow"), names) for title, names in _listed(findings, safe)]
    return lines + [Line.of(f"  {remedy}") for remedy in remedies_for(stack, findings, repaired)]


def external_markdown(stack: str, findings: Iterable[Finding]) -> list[str]:
    """The content of ``external_lines`` as Markdown, for a comment."""
    findings = list(findings)
    if not findings:
        return []
    listed = [f"- {title}: {names}" for title, names in _listed(findings, code)]
    return [
        f"**Changes on Scaleway that were not made by an update of {code(stack)}**",
        "",
        *listed,
        *(remedy.markdown for remedy in remedies_for(stack, findings)),
        "",
    ]


@dataclass(frozen=True)
class Remedy:
    """A command that repairs findings."""

    purpose: str
    command: str

    def __str__(self) -> str:
        return f"{self.purpose}: {self.command}"

    @property
    def markdown(self) -> str:
        return f"- {self.purpose}: {code(self.command)}"


def remedies_for(stack: str, findings: Iterable[Finding], repaired: Collection[FindingKind] = ()) -> list[Remedy]:
    """The commands that repair these findings."""
    findings = [each for each in findings if each.kind not in repaired]
    remedies = []
    if any(each.kind in REPAIRED_BY_UPDATE for each in findings):
        remedies.append(Remedy("To restore deleted and changed resources", f"scripts/snu up {safe(stack)}"))
    failed = sorted({each.name.removesuffix(_CONTAINER) for each in findings if each.kind is FindingKind.FAILED})
    if failed:
        remedies.append(redeploy_remedy(stack, failed))
    return remedies


def redeploy_remedy(stack: str, apps: Iterable[str]) -> Remedy:
    """The command that redeploys containers in an error state, limited to 10 apps."""
    names = " ".join(safe(app) for app in [*apps][:_MOST_NAMED])
    return Remedy("To redeploy the same images", f"scripts/snu redeploy {safe(stack)} {names}")


def _listed(findings: list[Finding], shown: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    for kind, title in _TITLES.items():
        names = [_described(each, shown) for each in findings if each.kind is kind]
        if names:
            yield title, ", ".join(names)


def _described(finding: Finding, shown: Callable[[str], str]) -> str:
    if finding.kind is FindingKind.FAILED:
        return f"{shown(finding.name)} ({shown(str(finding.changes[0].new)[:_LONGEST])})"
    paths = ", ".join(shown(change.path) for change in finding.changes)
    return f"{shown(finding.name)} ({paths})" if paths else shown(finding.name)


def doubtful_deletions(
    stack: Stack, environ: Mapping[str, str], steps: Iterable[Step]
) -> Iterator[tuple[str, OpsError]]:
    """Resources that the refresh reported as deleted but that may still exist, as pairs of URN and reason.

    If the key is not allowed to read a DNS zone or record, the provider treats it as deleted, but listing it returns an
    error, which becomes the reason.
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
                yield step.urn, OpsError("Scaleway still lists it. Run the same command again.", ExitCode.FAILED)
        except OpsError as error:
            yield step.urn, error
