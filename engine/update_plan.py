"""Saved plans: what a preview found is written down, and an update may do nothing else.

The document's form is this engine's own and says so: the Pulumi CLI's plans are refused by name, as the CLI refuses
these. Secrets in it are encrypted like those of the state.
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
"""Stands where the CLI looks for an object, so that it refuses the file when it reads it."""
_DELETIONS = frozenset({"delete", "delete-replaced", "discard", "discard-replaced", "remove-pending-replace"})


class PlanError(EngineError):
    """The plan cannot be read, or does not allow what is about to be done."""


@dataclass
class PlannedResource:
    """What becomes of one resource."""

    ops: list[str] = field(default_factory=list)
    """Operations in their order."""
    inputs: PropertyMap = field(default_factory=dict)
    """Of the goal; ``UNKNOWN`` where the preview could not know."""
    id: str = ""
    """Of the object in the cloud that was there."""


class Plan:
    """By URN, what a preview planned."""

    def __init__(self, resources: Mapping[str, PlannedResource] | None = None) -> None:
        self.resources: dict[str, PlannedResource] = dict(resources or {})

    def record(self, op: str, urn: str, inputs: PropertyMap | None, resource_id: str) -> None:
        """A step of a preview; ``inputs`` of the goal, where the resource has one."""
        planned = self.resources.setdefault(urn, PlannedResource())
        planned.ops.append(op)
        if inputs is not None:
            planned.inputs = inputs
        if resource_id:
            planned.id = resource_id

    def write(self, path: Path, crypter: Crypter) -> None:
        """Raises PlanError when the file cannot be written."""
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
    """The salt that the secrets of a plan were encrypted with. Raises PlanError when the file is none of ours."""
    return str(_document(path)["salt"])


def read_plan(path: Path, crypter: Crypter) -> Plan:
    """Raises PlanError when the file is none of ours, StateError when its secrets do not decrypt."""
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
        raise PlanError(f"{path} is no plan") from error
    if isinstance(document, dict) and "resourcePlans" in document and document.get("format") is None:
        raise PlanError(f"{path} is a plan of the Pulumi CLI; the embedded engine applies only its own")
    if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (_FORMAT, _VERSION):
        raise PlanError(f"{path} is no plan of this engine; expected the format {_FORMAT}, version {_VERSION}")
    return document


class Constraint:
    """Lets an update do what is planned, and nothing else."""

    def __init__(self, plan: Plan) -> None:
        self._left = {urn: list(planned.ops) for urn, planned in plan.resources.items()}
        self._plan = plan

    def check(self, op: str, urn: str, inputs: PropertyMap | None, resource_id: str) -> None:
        """Before a step. Raises PlanError when it is not the one that is planned next for the resource."""
        left = self._left.get(urn)
        if not left or op not in left:
            planned = f"planned: {', '.join(left)}" if left else "nothing is planned for it"
            raise PlanError(f"{op} of {urns.name_of(urn)} is not allowed by the plan: {planned}")
        planned_resource = self._plan.resources[urn]
        if planned_resource.id and resource_id and resource_id != planned_resource.id:
            raise PlanError(
                f"{op} of {urns.name_of(urn)} is not allowed by the plan: it is another object in the cloud "
                f"({resource_id}, planned for {planned_resource.id})"
            )
        if inputs is not None:
            differing = sorted(_differing(planned_resource.inputs, inputs))
            if differing:
                raise PlanError(
                    f"{op} of {urns.name_of(urn)} is not allowed by the plan: other values than planned for "
                    f"{', '.join(differing)}"
                )
        left.remove(op)

    def check_registered(self) -> None:
        """Before deletions. Raises PlanError when the program left out what it registered in the preview."""
        missing = sorted(
            urns.name_of(urn) for urn, ops in self._left.items() if any(op not in _DELETIONS for op in ops)
        )
        if missing:
            raise PlanError(f"the plan expects operations on {', '.join(missing)}, and the program asks for none")


def _differing(planned: PropertyMap, found: PropertyMap) -> list[str]:
    """Properties that are not as planned; what the preview could not know may be anything."""
    return [key for key in planned.keys() | found.keys() if not _allows(planned.get(key), found.get(key))]


def _allows(planned: Any, found: Any) -> bool:
    if isinstance(planned, Secret):
        return _allows(planned.value, unwrap(found))
    if isinstance(found, Secret):
        return _allows(planned, unwrap(found))
    if planned is UNKNOWN:
        return True
    if isinstance(planned, dict) and isinstance(found, dict):
        return not _differing(planned, found)
    if isinstance(planned, list) and isinstance(found, list):
        return len(planned) == len(found) and all(
            _allows(one, other) for one, other in zip(planned, found, strict=True)
        )
    return bool(planned == found)
