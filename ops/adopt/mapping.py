"""Maps the program's resources to Terraform's, by type and identifying properties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.adopt.properties import properties_of
from ops.adopt.terraform import TerraformResource
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.values import is_unknown
from ops.scaleway.catalogue import ResourceKind, bare, kind_of, kind_of_terraform
from ops.scaleway.dns import record_name
from ops.steps import Step, label
from pulumi_state import schema
from pulumi_state.values import PropertyMap

_DEFAULTED = frozenset({"projectId", "path"})
"""Properties that may come from the provider's configuration."""


@dataclass(frozen=True)
class MappedResource:
    """A Terraform resource with its Pulumi type and properties."""

    live: TerraformResource
    kind: ResourceKind
    properties: PropertyMap

    @classmethod
    def of(cls, live: TerraformResource) -> MappedResource | None:
        """Map a resource. Returns None if this program has no equivalent type."""
        kind = kind_of_terraform(live.type)
        return None if kind is None else cls(live, kind, properties_of(kind.token, live.attributes))

    @property
    def type(self) -> str:
        """The Pulumi type token."""
        return self.kind.token


def identity_of(token: str) -> Sequence[str]:
    """The properties that identify a resource of a Pulumi type.

    Empty for a type that cannot be adopted because it is unknown or has a secret that Scaleway returns only once.
    """
    kind = kind_of(token)
    return () if kind is None or kind.only_once else kind.identity


def match(steps: Iterable[Step], candidates: Sequence[MappedResource]) -> dict[str, MappedResource]:
    """The Terraform resource that matches each step, by URN. Skips steps whose identity is not known yet.

    Raises OpsError if a match is ambiguous.
    """
    matches: dict[str, MappedResource] = {}
    for step in steps:
        if not identity_of(step.type) or not is_known(step):
            continue
        same = list(
            {each.live.key: each for each in candidates if each.type == step.type and _is_same(step, each)}.values()
        )
        if len(same) > 1:
            raise OpsError(
                f"{label(step.urn)} is ambiguous: {', '.join(each.live.address for each in same)} all have "
                f"{_shown_identity(step)}. Exclude all but one from the adoption. Nothing was changed.",
                ExitCode.FAILED,
            )
        if same:
            matches[step.urn] = same[0]
    _require_unique(matches)
    return matches


def is_known(step: Step) -> bool:
    """Whether a preview knows a resource's identity and every property that can force a replacement.

    Otherwise, the resource would appear to need a replacement.
    """
    identity = identity_of(step.type)
    if not identity:
        return True
    replacing = (name for name, facts in schema.inputs_of(step.type).items() if facts.get("replaces"))
    inputs = step.new.get("inputs") or {}
    return not any(is_unknown(inputs.get(name)) for name in (*identity, *replacing))


def _require_unique(matches: Mapping[str, MappedResource]) -> None:
    taken: dict[tuple[str, str], str] = {}
    for urn, candidate in matches.items():
        other = taken.setdefault(candidate.live.key, urn)
        if other != urn:
            raise OpsError(
                f"{candidate.live.address} matches both {label(other)} and {label(urn)}. Nothing was changed.",
                ExitCode.FAILED,
            )


def _is_same(step: Step, candidate: MappedResource) -> bool:
    inputs = step.new.get("inputs") or {}
    names = [name for name in identity_of(step.type) if name not in _DEFAULTED or inputs.get(name) is not None]
    return bool(names) and all(
        inputs.get(name) is not None and _plain(name, inputs) == _plain(name, candidate.properties) for name in names
    )


def _plain(name: str, properties: Mapping[str, Any]) -> str:
    """A property normalized for comparison: ids without their region, record names relative to their zone."""
    value = str(properties.get(name) or "")
    if name == "name" and "dnsZone" in properties:
        return record_name(value, str(properties["dnsZone"]))
    return bare(value, name)


def _shown_identity(step: Step) -> str:
    inputs = step.new.get("inputs") or {}
    return ", ".join(f"{name} {inputs[name]}" for name in identity_of(step.type) if name in inputs)
