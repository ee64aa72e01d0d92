"""Update plans: a preview saves its planned operations, and an update is restricted to them.

The format is specific to this engine, which rejects the Pulumi CLI's plans, just as the CLI rejects these. Secrets are
encrypted as in the state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from pulumi_state import urn as urns
from pulumi_state.passphrase import Crypter
from pulumi_state.values import UNKNOWN, PropertyMap, Secret, from_checkpoint, to_checkpoint, unwrap

_FORMAT = "embedded-engine-plan"
_VERSION = 1
_NOT_FOR_PULUMI = "a plan of the embedded engine, which the Pulumi CLI cannot apply"
"""The value of ``manifest``; the CLI expects an object there and therefore rejects the file."""
_DELETIONS = frozenset({"delete", "delete-replaced", "discard", "discard-replaced", "remove-pending-replace"})


class PlanError(EngineError):
    """The plan cannot be read or does not allow an operation."""


@dataclass
class PlannedResource:
    """The planned operations on a resource."""

    ops: list[str] = field(default_factory=list)
    """Operations in order."""
    inputs: PropertyMap = field(default_factory=dict)
    """Inputs of the goal; ``UNKNOWN`` where the preview could not determine a value."""
    id: str = ""
    """ID of the existing resource, if any."""


class Plan:
    """The operations planned by a preview, by URN."""

    def __init__(self, resources: Mapping[str, PlannedResource] | None = None) -> None:
        self.resources: dict[str, PlannedResource] = dict(resources or {})

    def record(self, op: str, urn: str, inputs: PropertyMap | None, resource_id: str) -> None:
        """Record a preview's step; ``inputs`` are the goal's inputs, or None if the resource has none."""
        planned = self.resources.setdefault(urn, PlannedResource())
        planned.ops.append(op)
        if inputs is not None:
            planned.inputs = inputs
        if resource_id:
            planned.id = resource_id

    def write(self, path: Path, crypter: Crypter) -> None:
        """Save the plan. Raises PlanError if the file cannot be written."""
        document = {
            "manifest": _NOT_FOR_PULUMI,
            "format": _FORMAT,
            "version": _VERSION,
            "salt": crypter.salt,
            "resources": {
                urn: {
                    "steps": planned.ops,
                    "id": planned.id,
                    "goal": to_checkpoint(planned.inputs, partial(crypter.encrypt, urn)),
                }
                for urn, planned in self.resources.items()
            },
        }
        try:
            path.touch(mode=0o600)
            path.write_text(json.dumps(document))
        except OSError as error:
            raise PlanError(f"the plan {path} cannot be written: {error.strerror}") from error


def salt_of(path: Path) -> str:
    """Return a plan's encryption salt. Raises PlanError if the file is not a valid plan."""
    return str(_document(path)["salt"])


def read_plan(path: Path, crypter: Crypter) -> Plan:
    """Read a plan. Raises PlanError if the file is not a valid plan and StateError if secrets cannot be decrypted."""
    document = _document(path)
    return Plan(
        {
            urn: PlannedResource(
                list(item["steps"]),
                from_checkpoint(item["goal"], partial(crypter.decrypt, urn)),
                str(item["id"]),
            )
            for urn, item in document["resources"].items()
        }
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise PlanError(f"the plan {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PlanError(f"{path} is not a plan") from error
    if isinstance(document, dict) and "resourcePlans" in document and document.get("format") is None:
        raise PlanError(f"{path} is a Pulumi CLI plan; the embedded engine applies only its own plans")
    if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (_FORMAT, _VERSION):
        raise PlanError(f"{path} is not an embedded-engine plan; expected format {_FORMAT}, version {_VERSION}")
    return document


class Constraint:
    """Restricts an update to the operations of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._remaining = {urn: list(planned.ops) for urn, planned in plan.resources.items()}
        self._plan = plan

    def check(self, op: str, urn: str, inputs: PropertyMap | None, resource_id: str) -> None:
        """Check a step before executing it. Raises PlanError if it was not planned."""
        remaining = self._remaining.get(urn)
        if not remaining or op not in remaining:
            planned = f"planned: {', '.join(remaining)}" if remaining else "no operations are planned for this resource"
            raise PlanError(f"{op} of {urns.name_of(urn)} is not allowed by the plan: {planned}")
        planned_resource = self._plan.resources[urn]
        if planned_resource.id and resource_id and resource_id != planned_resource.id:
            raise PlanError(
                f"{op} of {urns.name_of(urn)} is not allowed by the plan: found resource ID {resource_id}; expected "
                f"{planned_resource.id}"
            )
        if inputs is not None:
            differing = sorted(_differing(planned_resource.inputs, inputs))
            if differing:
                raise PlanError(
                    f"{op} of {urns.name_of(urn)} is not allowed by the plan: these values differ: "
                    f"{', '.join(differing)}"
                )
        remaining.remove(op)

    def check_registered(self) -> None:
        """Check registrations before any deletion. Raises PlanError if the program omitted planned ones."""
        missing = sorted(
            urns.name_of(urn) for urn, ops in self._remaining.items() if any(op not in _DELETIONS for op in ops)
        )
        if missing:
            raise PlanError(f"the plan contains operations on {', '.join(missing)} that the program did not request")


def _differing(planned: PropertyMap, actual: PropertyMap) -> list[str]:
    """Return the properties that differ from the plan; values unknown to the preview always match."""
    return [key for key in planned.keys() | actual.keys() if not _allows(planned.get(key), actual.get(key))]


def _allows(planned: Any, actual: Any) -> bool:
    if isinstance(planned, Secret):
        return _allows(planned.value, unwrap(actual))
    if isinstance(actual, Secret):
        return _allows(planned, unwrap(actual))
    if planned is UNKNOWN:
        return True
    if isinstance(planned, dict) and isinstance(actual, dict):
        return not _differing(planned, actual)
    if isinstance(planned, list) and isinstance(actual, list):
        return len(planned) == len(actual) and all(
            _allows(one, other) for one, other in zip(planned, actual, strict=True)
        )
    return bool(planned == actual)
