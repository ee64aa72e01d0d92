"""What a look for drift finds. ``--json`` prints it field by field as it stands here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ops.exit_codes import ExitCode
from ops.findings import Finding, FindingKind
from ops.operation_record import OperationRecord
from ops.steps import Step


@dataclass(frozen=True)
class StackDrift:
    """What was found of one stack."""

    stack: str
    resources: int
    """How many were read."""
    findings: tuple[Finding, ...] = ()
    """In the order of kind, name and id: the same drift always reads the same."""
    problems: tuple[str, ...] = ()
    """What could not be looked at, and why: the findings are not all there may be."""
    code: ExitCode = ExitCode.OK
    """Of the first problem."""
    overwritten: str = ""
    """Not empty: the state is older than what the last run left, so that the findings say little; and what to do."""

    def of(self, kind: FindingKind) -> list[Finding]:
        return [each for each in self.findings if each.kind is kind]


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    kinds = list(FindingKind)
    return tuple(sorted(findings, key=lambda each: (kinds.index(each.kind), each.name, each.type, each.id)))


def ended_steps(record: OperationRecord) -> list[Step]:
    """Those of resources of the cloud that a refresh has read."""
    done = (each for each in list(record.steps.values()) if each.ended is not None and not each.failed)
    return [each.step for each in done if each.step.is_custom and not each.step.type.startswith("pulumi:")]
