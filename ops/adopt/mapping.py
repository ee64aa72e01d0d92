"""Which resource of the program is which of Terraform's: by type, and by what makes it the one that it is."""

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
"""What a program may leave to its provider's configuration."""


@dataclass(frozen=True)
class MappedResource:
    """A resource of Terraform's, as a Pulumi type has it."""

    live: TerraformResource
    kind: ResourceKind
    properties: PropertyMap

    @classmethod
    def of(cls, live: TerraformResource) -> MappedResource | None:
        """None for a type that this program knows nothing like."""
        kind = kind_of_terraform(live.type)
        return None if kind is None else cls(live, kind, properties_of(kind.token, live.attributes))

    @property
    def type(self) -> str:
        """Pulumi's type token."""
        return self.kind.token


def identity_of(token: str) -> Sequence[str]:
    """The properties by which a resource of a Pulumi type is adopted.

    Empty for a type that cannot be adopted, because it is unknown or what Scaleway returns only once is lost.
    """
    kind = kind_of(token)
    return () if kind is None or kind.only_once else kind.identity


def match(steps: Iterable[Step], candidates: Sequence[MappedResource]) -> dict[str, MappedResource]:
    """By URN, what each resource of a preview is; one whose identity the preview cannot know yet is left out.

    Raises OpsError when more than one could be meant, or one is meant twice.
    """
    found: dict[str, MappedResource] = {}
    for step in steps:
        if not identity_of(step.type) or not is_known(step):
            continue
        same = list(
            {each.live.key: each for each in candidates if each.type == step.type and _is_same(step, each)}.values()
        )
        if len(same) > 1:
            raise OpsError(
                f"{label(step.urn)} could be any of {', '.join(each.live.address for each in same)}: "
                f"{_shown_identity(step)} is the same. Leave all but one out of what is adopted. Nothing was changed.",
                ExitCode.FAILED,
            )
        if same:
            found[step.urn] = same[0]
    _check_once(found)
    return found


def is_known(step: Step) -> bool:
    """Whether a preview knows all that decides which resource it is, and that it stays it.

    A resource that would look as if it had to be replaced is not taken over before.
    """
    identity = identity_of(step.type)
    if not identity:
        return True
    replacing = (name for name, facts in schema.inputs_of(step.type).items() if facts.get("replaces"))
    inputs = step.new.get("inputs") or {}
    return not any(is_unknown(inputs.get(name)) for name in (*identity, *replacing))


def _check_once(found: Mapping[str, MappedResource]) -> None:
    taken: dict[tuple[str, str], str] = {}
    for urn, candidate in found.items():
        other = taken.setdefault(candidate.live.key, urn)
        if other != urn:
            raise OpsError(
                f"{candidate.live.address} could be {label(other)} and {label(urn)}. Nothing was changed.",
                ExitCode.FAILED,
            )


def _is_same(step: Step, candidate: MappedResource) -> bool:
    wanted = step.new.get("inputs") or {}
    names = [name for name in identity_of(step.type) if name not in _DEFAULTED or wanted.get(name) is not None]
    return bool(names) and all(
        wanted.get(name) is not None and _plain(name, wanted) == _plain(name, candidate.properties) for name in names
    )


def _plain(name: str, properties: Mapping[str, Any]) -> str:
    """Ids without their region; a record's name relative to its zone."""
    value = str(properties.get(name) or "")
    if name == "name" and "dnsZone" in properties:
        return record_name(value, str(properties["dnsZone"]))
    return bare(value, name)


def _shown_identity(step: Step) -> str:
    inputs = step.new.get("inputs") or {}
    return ", ".join(f"{name} {inputs[name]}" for name in identity_of(step.type) if name in inputs)
