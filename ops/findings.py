"""What a refresh finds that no update has done: of resources changed, deleted or in error on Scaleway."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ops.report.changes import Change, changes_of, is_secret_at
from ops.report.values import SECRET, is_secret
from ops.scaleway import catalogue
from ops.scaleway.catalogue import CONTAINER, DATABASE_ACL, bare_id
from ops.scaleway.client import Client
from ops.state.database_access import opened_by_runs
from ops.steps import Step, short_type

_VARIABLES = ("environmentVariables", "secretEnvironmentVariables", "env")
"""Where apps and jobs have their variables."""


class FindingKind(StrEnum):
    """Of findings."""

    CHANGED = "changed"
    """Somebody has changed inputs of a resource."""
    DELETED = "deleted"
    """It is gone from the cloud, and in the state."""
    FAILED = "failed"
    """A container that Scaleway reports in error."""
    SCHEDULED = "scheduled for deletion"
    """A secret that was deleted: Scaleway keeps it for days, and answers for it as before."""
    ORPHAN = "orphan"
    """It is in the project, and in no state of a stack that lives there."""


@dataclass(frozen=True)
class Finding:
    """One resource that is not as it should be."""

    kind: FindingKind
    type: str
    """As ``scaleway:containers:Container``."""
    name: str
    """In the program; of an orphan, in the cloud."""
    id: str
    """As a state has it: with the region where there is one."""
    region: str
    """Empty where the product has none."""
    changes: tuple[Change, ...] = ()
    """Of a changed one: ``path``, ``kind`` (``add``, ``update``, ``delete``), ``old``, ``new``; no secret values.
    Of a failed one: its error message."""


def findings_of(steps: Iterable[Step]) -> Iterator[Finding]:
    """What a refresh says of resources. Outputs are the platform's own: only a container in error counts."""
    for step in steps:
        if _is_opened_by_runs(step):
            continue
        about = _about(step)
        if not step.new:
            yield Finding(FindingKind.DELETED, *about)
        elif step.detailed_diff or step.is_change:
            yield Finding(FindingKind.CHANGED, *about, tuple(_without_secrets(step, each) for each in changes_of(step)))
        outputs = step.new.get("outputs") or {}
        if step.type == CONTAINER.token and outputs.get("status") == "error":
            message = outputs.get("errorMessage") or "Scaleway gives no reason"
            yield Finding(FindingKind.FAILED, *about, (Change("errorMessage", "add", None, message),))


def scheduled_secrets(client: Client, steps: Iterable[Step]) -> Iterator[Finding]:
    """Of the secrets that a refresh has read, those that were deleted. Raises ScalewayError."""
    secrets = {str(step.old.get("id")): step for step in steps if step.type == catalogue.SECRET.token and step.new}
    places = {(_region(step.old), str((step.old.get("outputs") or {}).get("projectId"))) for step in secrets.values()}
    for region, project in sorted(places):
        query = {"scheduled_for_deletion": "true"}
        for found in client.list(catalogue.SECRET.listing, query, region=region, projectId=project):
            if (step := secrets.get(f"{region}/{found['id']}")) is not None:
                yield Finding(FindingKind.SCHEDULED, *_about(step))


def restore_secret(client: Client, finding: Finding) -> None:
    """Take back the deletion of a secret and of its versions. Raises ScalewayError."""
    client.post(catalogue.SECRET.listing.object_at(region=finding.region, id=bare_id(finding.id)) + "/restore")


def _about(step: Step) -> tuple[str, str, str, str]:
    state = step.old
    return short_type(step.type), step.name, str(state.get("id") or ""), _region(state)


def _is_opened_by_runs(step: Step) -> bool:
    """Whether an ACL differs by nothing but rules that runs have added and that are still valid."""
    if step.type != DATABASE_ACL.token or not step.new:
        return False
    before, after = ((side.get("outputs") or {}).get("aclRules") or [] for side in (step.old, step.new))
    opened = opened_by_runs(after)
    lasting = [rule for rule in after if rule.get("ip") not in opened]
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
