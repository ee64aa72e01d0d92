"""Builds state entries for existing resources that no engine created."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ops.adopt.mapping import MappedResource
from ops.adopt.properties import with_secrets
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.steps import Step, label
from pulumi_state.provider import ProviderRequest, provider_inputs
from pulumi_state.snapshot import ResourceState, now
from pulumi_state.values import PropertyMap, unwrap

_PACKAGE = "scaleway"
_SDK = "pulumiverse_scaleway"


def entries_for(
    steps: Iterable[Step],
    matches: Mapping[str, MappedResource],
    config: Mapping[str, str],
    existing: Mapping[str, ResourceState],
) -> list[ResourceState]:
    """Entries for ``matches``, including their components and provider, in a valid order.

    ``steps``: a preview's steps, parents first; ``config``: the decrypted configuration; ``existing``: the entries
    already in the state. Raises OpsError if the state contains a different object with the same name.
    """
    entries: list[ResourceState] = []
    known = dict(existing)
    for step in steps:
        if step.urn in matches:
            _require_same(step, matches[step.urn], known.get(step.urn))
        if step.op != "create" or (step.is_custom and step.urn not in matches):
            continue
        if step.is_custom:
            provider = _provider(step, config, known)
            if provider.urn not in known:
                entries.append(provider)
                known[provider.urn] = provider
            entries.append(_entry(step, matches[step.urn], provider))
        else:
            entries.append(_component(step))
        known[step.urn] = entries[-1]
    return entries


def mark_secrets(entry: ResourceState, desired: Mapping[str, Any]) -> None:
    """Mark the secrets in an entry that was read from Scaleway."""
    entry.inputs = with_secrets(entry.type, unwrap(entry.inputs), desired)
    entry.outputs = with_secrets(entry.type, unwrap(entry.outputs), desired)


def _require_same(step: Step, candidate: MappedResource, existing: ResourceState | None) -> None:
    if existing is not None and existing.id != candidate.live.id:
        raise OpsError(
            f"{label(step.urn)} is {existing.id} in the stack's state but {candidate.live.id} in Terraform's state "
            f"({candidate.live.address}): these are two objects with the same name. Keep one, and delete the other or "
            "remove it from its state. Nothing was changed.",
            ExitCode.FAILED,
        )


def _entry(step: Step, candidate: MappedResource, provider: ResourceState) -> ResourceState:
    desired = step.new.get("inputs") or {}
    outputs = with_secrets(step.type, candidate.properties, desired)
    moment = now()
    return ResourceState(
        urn=step.urn,
        type=step.type,
        custom=True,
        id=candidate.live.id,
        inputs={name: value for name, value in outputs.items() if name in desired},
        outputs={**outputs, "id": candidate.live.id},
        parent=step.parent,
        provider=f"{provider.urn}::{provider.id}",
        protect=bool(step.new.get("protect")),
        created=moment,
        modified=moment,
    )


def _component(step: Step) -> ResourceState:
    inputs: PropertyMap = dict(step.new.get("inputs") or {})
    return ResourceState(
        urn=step.urn,
        type=step.type,
        custom=False,
        inputs=inputs,
        parent=step.parent,
        protect=bool(step.new.get("protect")),
    )


def _provider(step: Step, config: Mapping[str, str], known: Mapping[str, ResourceState]) -> ResourceState:
    """The resource's default provider, as the engine would create it."""
    urn = str(step.new.get("provider") or "").rpartition("::")[0]
    if urn in known:
        return known[urn]
    request = _request()
    if not urn.endswith(f"::{request.name}"):
        raise OpsError(
            f"{label(step.urn)} uses the provider {label(urn)}; only {request.name} is supported. Nothing was changed.",
            ExitCode.ENGINE,
        )
    inputs = provider_inputs(request, config)
    outputs = {name: value for name, value in inputs.items() if not name.startswith("__")}
    return ResourceState(
        urn, f"pulumi:providers:{_PACKAGE}", custom=True, id=str(uuid.uuid4()), inputs=inputs, outputs=outputs
    )


@cache
def _request() -> ProviderRequest:
    """The provider request that matches the installed SDK."""
    file = metadata.distribution(_SDK).locate_file(f"{_SDK}/pulumi-plugin.json")
    plugin = json.loads(Path(str(file)).read_text(encoding="utf-8"))
    return ProviderRequest(_PACKAGE, str(plugin["version"]), str(plugin.get("server") or ""))
