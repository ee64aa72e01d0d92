"""Differences between the state and Scaleway that no update caused."""

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
"""Properties that contain the variables of apps and jobs."""


class FindingKind(StrEnum):
    """The kind of problem with a resource."""

    CHANGED = "changed"
    """The resource's inputs were changed."""
    DELETED = "deleted"
    """It is in the state but no longer on Scaleway."""
    FAILED = "failed"
    """A container that Scaleway reports as being in an error state."""
    SCHEDULED = "scheduled for deletion"
    """A deleted secret that Scaleway keeps for several days and that can still be read."""
    ORPHAN = "orphan"
    """It is in the Scaleway project but not in the state of any stack."""


@dataclass(frozen=True)
class Finding:
    """A resource that differs from its state."""

    kind: FindingKind
    type: str
    """As ``scaleway:containers:Container``."""
    name: str
    """The name in the program; for an orphan, the name on Scaleway."""
    id: str
    """The id in the state, including the region for products with regions."""
    region: str
    """Empty for products without regions."""
    changes: tuple[Change, ...] = ()
    """The changed properties, without secret values; for a container in an error state, its message."""


def findings_of(steps: Iterable[Step]) -> Iterator[Finding]:
    """The findings in the steps of a refresh. Changed outputs are ignored, except for a container's error status."""
    for step in steps:
        if _is_opened_by_runs(step):
            continue
        resource = _identity(step)
        if not step.new:
            yield Finding(FindingKind.DELETED, *resource)
        elif step.detailed_diff or step.is_change:
            changes = tuple(_without_secrets(step, each) for each in changes_of(step))
            yield Finding(FindingKind.CHANGED, *resource, changes)
        outputs = step.new.get("outputs") or {}
        if step.type == CONTAINER.token and outputs.get("status") == "error":
            message = outputs.get("errorMessage") or "Scaleway gave no reason"
            yield Finding(FindingKind.FAILED, *resource, (Change("errorMessage", "add", None, message),))


def scheduled_secrets(client: Client, steps: Iterable[Step]) -> Iterator[Finding]:
    """The refreshed secrets that are scheduled for deletion. Raises ScalewayError."""
    steps_by_id = {str(step.old.get("id")): step for step in steps if step.type == catalogue.SECRET.token and step.new}
    projects = {
        (_region(step.old), str((step.old.get("outputs") or {}).get("projectId"))) for step in steps_by_id.values()
    }
    for region, project in sorted(projects):
        query = {"scheduled_for_deletion": "true"}
        for secret in client.list(catalogue.SECRET.listing, query, region=region, projectId=project):
            if (step := steps_by_id.get(f"{region}/{secret['id']}")) is not None:
                yield Finding(FindingKind.SCHEDULED, *_identity(step))


def restore_secret(client: Client, finding: Finding) -> None:
    """Cancel the deletion of a secret and its versions. Raises ScalewayError."""
    client.post(catalogue.SECRET.listing.object_at(region=finding.region, id=bare_id(finding.id)) + "/restore")


def _identity(step: Step) -> tuple[str, str, str, str]:
    """Type, name, id and region."""
    state = step.old
    return short_type(step.type), step.name, str(state.get("id") or ""), _region(state)


def _is_opened_by_runs(step: Step) -> bool:
    """Whether an ACL differs only in unexpired rules that runs have added."""
    if step.type != DATABASE_ACL.token or not step.new:
        return False
    before, after = ((side.get("outputs") or {}).get("aclRules") or [] for side in (step.old, step.new))
    opened = opened_by_runs(after)
    permanent = [rule for rule in after if rule.get("ip") not in opened]
    return bool(permanent == before)


def _region(state: Mapping[str, Any]) -> str:
    return str((state.get("outputs") or {}).get("region") or "")


def _without_secrets(step: Step, change: Change) -> Change:
    """Redact secret values. A variable that is not in the state may be a secret and is treated as one."""
    sides = [state.get(part) for state in (step.old, step.new) for part in ("inputs", "outputs")]
    unknown = change.kind == "add" and re.split(r"[.\[]", change.path, maxsplit=1)[0] in _VARIABLES
    if unknown or any(is_secret_at(side, change.path) for side in sides):
        old, new = (None if change.kind == absent else SECRET for absent in ("add", "delete"))
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
