"""Which resource of the program is which of Terraform's: by type, and by what makes it the one that it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.engine import schema
from localcloud.engine.values import PropertyMap
from ops.adopt.properties import properties_of
from ops.adopt.terraform import Live
from ops.display.values import is_unknown
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.recover import LOOKUPS, record_name
from ops.steps import Step, label

TYPES = {
    "scaleway_account_project": "scaleway:account/project:Project",
    "scaleway_cockpit_alert_manager": "scaleway:observability/alertManager:AlertManager",
    "scaleway_cockpit_source": "scaleway:observability/source:Source",
    "scaleway_cockpit_token": "scaleway:observability/token:Token",
    "scaleway_container": "scaleway:containers/container:Container",
    "scaleway_container_domain": "scaleway:containers/domain:Domain",
    "scaleway_container_namespace": "scaleway:containers/namespace:Namespace",
    "scaleway_domain_record": "scaleway:domain/record:Record",
    "scaleway_domain_zone": "scaleway:domain/zone:Zone",
    "scaleway_iam_api_key": "scaleway:iam/apiKey:ApiKey",
    "scaleway_iam_application": "scaleway:iam/application:Application",
    "scaleway_iam_policy": "scaleway:iam/policy:Policy",
    "scaleway_job_definition": "scaleway:job/definition:Definition",
    "scaleway_object_bucket": "scaleway:object/bucket:Bucket",
    "scaleway_rdb_database": "scaleway:databases/database:Database",
    "scaleway_rdb_instance": "scaleway:databases/instance:Instance",
    "scaleway_rdb_privilege": "scaleway:databases/privilege:Privilege",
    "scaleway_rdb_user": "scaleway:databases/user:User",
    "scaleway_registry_namespace": "scaleway:registry/namespace:Namespace",
    "scaleway_sdb_sql_database": "scaleway:databases/serverlessDatabase:ServerlessDatabase",
    "scaleway_secret": "scaleway:secrets/secret:Secret",
    "scaleway_secret_version": "scaleway:secrets/version:Version",
}
"""Terraform's type → Pulumi's; both are made of the same provider, and their ids are the same."""

_IN_PROJECT = ("name", "projectId")
IDENTITY: Mapping[str, Sequence[str]] = {
    "scaleway:account/project:Project": ("name",),
    "scaleway:containers/container:Container": ("name", "namespaceId"),
    "scaleway:containers/domain:Domain": ("hostname",),
    "scaleway:containers/namespace:Namespace": _IN_PROJECT,
    "scaleway:databases/database:Database": ("name", "instanceId"),
    "scaleway:databases/instance:Instance": _IN_PROJECT,
    "scaleway:databases/privilege:Privilege": ("databaseName", "userName", "instanceId"),
    "scaleway:databases/serverlessDatabase:ServerlessDatabase": _IN_PROJECT,
    "scaleway:databases/user:User": ("name", "instanceId"),
    "scaleway:domain/record:Record": ("dnsZone", "name", "type"),
    "scaleway:domain/zone:Zone": ("domain", "subdomain"),
    "scaleway:iam/application:Application": ("name",),
    "scaleway:iam/policy:Policy": ("name",),
    "scaleway:job/definition:Definition": _IN_PROJECT,
    "scaleway:object/bucket:Bucket": ("name",),
    "scaleway:observability/alertManager:AlertManager": ("projectId",),
    "scaleway:observability/source:Source": ("name", "type", "projectId"),
    "scaleway:registry/namespace:Namespace": _IN_PROJECT,
    "scaleway:secrets/secret:Secret": ("name", "path", "projectId"),
    "scaleway:secrets/version:Version": ("secretId",),
}
"""The properties that tell a resource from all others of its type, and that nothing but a replacement changes."""

_DEFAULTED = frozenset({"projectId", "path"})
"""What a program may leave to its provider's configuration."""


@dataclass(frozen=True)
class Candidate:
    """A resource of Terraform's, as a Pulumi type has it."""

    live: Live
    type: str
    properties: PropertyMap

    @classmethod
    def of(cls, live: Live) -> Candidate | None:
        """None for a type that this program knows nothing like."""
        token = TYPES.get(live.type)
        return None if token is None else cls(live, token, properties_of(token, live.attributes))


def lost_secret(token: str) -> str:
    """What of this type the platform says only once, so that it is made anew instead of adopted; empty for others."""
    lookup = LOOKUPS.get(token)
    return lookup.only_once if lookup else ""


def match(steps: Iterable[Step], candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """By URN, what each resource of a preview is; one whose identity the preview cannot know yet is left out.

    Raises OpsError when more than one could be meant, or one is meant twice.
    """
    found: dict[str, Candidate] = {}
    for step in steps:
        if step.type not in IDENTITY or not is_known(step):
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
    if step.type not in IDENTITY:
        return True
    replacing = (name for name, facts in schema.inputs_of(step.type).items() if facts.get("replaces"))
    inputs = step.new.get("inputs") or {}
    return not any(is_unknown(inputs.get(name)) for name in (*IDENTITY[step.type], *replacing))


def _check_once(found: Mapping[str, Candidate]) -> None:
    taken: dict[tuple[str, str], str] = {}
    for urn, candidate in found.items():
        other = taken.setdefault(candidate.live.key, urn)
        if other != urn:
            raise OpsError(
                f"{candidate.live.address} could be {label(other)} and {label(urn)}. Nothing was changed.",
                ExitCode.FAILED,
            )


def _is_same(step: Step, candidate: Candidate) -> bool:
    wanted = step.new.get("inputs") or {}
    names = [name for name in IDENTITY[step.type] if name not in _DEFAULTED or wanted.get(name) is not None]
    return bool(names) and all(
        wanted.get(name) is not None and _plain(name, wanted) == _plain(name, candidate.properties) for name in names
    )


def _plain(name: str, properties: Mapping[str, Any]) -> str:
    """Ids without their region; a record's name relative to its zone."""
    value = str(properties.get(name) or "")
    if name == "name" and "dnsZone" in properties:
        return record_name(value, str(properties["dnsZone"]))
    return value.rpartition("/")[2] if name.endswith("Id") else value


def _shown_identity(step: Step) -> str:
    inputs = step.new.get("inputs") or {}
    return ", ".join(f"{name} {inputs[name]}" for name in IDENTITY[step.type] if name in inputs)
