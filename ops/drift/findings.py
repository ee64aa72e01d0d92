"""The result of a drift check. ``--json`` prints its fields under these names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ops.exit_codes import ExitCode
from ops.findings import Finding, FindingKind
from ops.operation_record import OperationRecord
from ops.steps import Step


@dataclass(frozen=True)
class StackDrift:
    """The drift of one stack."""

    stack: str
    resources: int
    """Number of resources that were read."""
    findings: tuple[Finding, ...] = ()
    """Sorted by kind, name and id, so the same drift always produces the same report."""
    problems: tuple[str, ...] = ()
    """What could not be checked, and why; the findings may then be incomplete."""
    code: ExitCode = ExitCode.OK
    """Exit code of the first problem."""
    overwritten: str = ""
    """Set if the state is older than the one left by the last run, which makes the findings unreliable."""

    def of(self, kind: FindingKind) -> list[Finding]:
        return [each for each in self.findings if each.kind is kind]


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    kinds = list(FindingKind)
    return tuple(sorted(findings, key=lambda each: (kinds.index(each.kind), each.name, each.type, each.id)))


def ended_steps(record: OperationRecord) -> list[Step]:
    """The completed steps of a refresh, for resources on Scaleway only."""
    done = (each for each in list(record.steps.values()) if each.ended is not None and not each.failed)
    return [each.step for each in done if each.step.is_custom and not each.step.type.startswith("pulumi:")]
