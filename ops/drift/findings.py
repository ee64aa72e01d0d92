"""What a look for drift finds. ``--json`` prints it field by field as it stands here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ops.display.changes import Change, changes_of, is_secret_at
from ops.display.values import SECRET, is_secret
from ops.exit_codes import ExitCode
from ops.record import Record
from ops.scaleway.catalogue import DATABASE_ACL
from ops.state.database_access import temporary_until
from ops.steps import Step, short_type

_VARIABLES = ("environmentVariables", "secretEnvironmentVariables", "env")
"""Where apps and jobs have their variables."""


class Kind(StrEnum):
    """Of findings."""

    CHANGED = "changed"
    """Somebody has changed inputs of a resource."""
    DELETED = "deleted"
    """It is gone from the cloud, and in the state."""
    ORPHAN = "orphan"
    """It is in the project, and in no state of a stack that lives there."""


@dataclass(frozen=True)
class Finding:
    """One resource that is not as it should be."""

    kind: Kind
    type: str
    """As ``scaleway:containers:Container``."""
    name: str
    """In the program; of an orphan, in the cloud."""
    id: str
    """As a state has it: with the region where there is one."""
    region: str
    """Empty where the product has none."""
    changes: tuple[Change, ...] = ()
    """Of a changed one: ``path``, ``kind`` (``add``, ``update``, ``delete``), ``old``, ``new``; no secret values."""


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

    def of(self, kind: Kind) -> list[Finding]:
        return [each for each in self.findings if each.kind is kind]


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    kinds = list(Kind)
    return tuple(sorted(findings, key=lambda each: (kinds.index(each.kind), each.name, each.type, each.id)))


def ended_steps(record: Record) -> list[Step]:
    """Those of resources of the cloud that a refresh has read."""
    done = (each for each in list(record.steps.values()) if each.ended is not None and not each.failed)
    return [each.step for each in done if each.step.is_custom and not each.step.type.startswith("pulumi:")]


def findings_of(steps: Iterable[Step]) -> Iterator[Finding]:
    """What a refresh says of resources. Outputs such as a status are the platform's own, and never counted."""
    for step in steps:
        if _is_opened_by_runs(step):
            continue
        state = step.old
        about = (short_type(step.type), step.name, str(state.get("id") or ""), _region(state))
        if not step.new:
            yield Finding(Kind.DELETED, *about)
        elif step.detailed_diff or step.is_change:
            yield Finding(Kind.CHANGED, *about, tuple(_without_secrets(step, each) for each in changes_of(step)))


def _is_opened_by_runs(step: Step) -> bool:
    """Whether an ACL differs by nothing but rules that runs have added and that are still valid."""
    if step.type != DATABASE_ACL.token or not step.new:
        return False
    before, after = ((side.get("outputs") or {}).get("aclRules") or [] for side in (step.old, step.new))
    now = datetime.now(UTC)
    lasting = [rule for rule in after if not ((until := temporary_until(rule.get("description", ""))) and until > now)]
    return bool(lasting == before)


def _region(state: Mapping[str, Any]) -> str:
    return str((state.get("outputs") or {}).get("region") or "")


def _without_secrets(step: Step, change: Change) -> Change:
    """A variable that the state does not know may be anything, so its value counts as one."""
    sides = [state.get(part) for state in (step.old, step.new) for part in ("inputs", "outputs")]
    unknown = change.kind == "add" and re.split(r"[.\[]", change.path, maxsplit=1)[0] in _VARIABLES
    if unknown or any(is_secret_at(side, change.path) for side in sides):
        old, new = (None if change.kind == gone else SECRET for gone in ("add", "delete"))
    else:
        old, new = _redacted(change.old), _redacted(change.new)
    return Change(change.path, change.kind, old, new)


def _redacted(value: Any) -> Any:
    if is_secret(value):
        return SECRET
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return value
