"""The entries of a state for resources that exist and that no engine has made."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ops.adopt.mapping import MappedResource
from ops.adopt.properties import hidden
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
    found: Mapping[str, MappedResource],
    config: Mapping[str, str],
    there: Mapping[str, ResourceState],
) -> list[ResourceState]:
    """Of what ``found`` knows, with the components above and the provider below, in an order that states may have.

    ``steps`` are those of a preview, each after its parent; ``config`` the stack's configuration in clear, ``there``
    what the state has already. Raises OpsError where it has another object under the same name.
    """
    entries: list[ResourceState] = []
    known = dict(there)
    for step in steps:
        if step.urn in found:
            _check_same(step, found[step.urn], known.get(step.urn))
        if step.op != "create" or (step.is_custom and step.urn not in found):
            continue
        if step.is_custom:
            provider = _provider(step, config, known)
            if provider.urn not in known:
                entries.append(provider)
                known[provider.urn] = provider
            entries.append(_entry(step, found[step.urn], provider))
        else:
            entries.append(_component(step))
        known[step.urn] = entries[-1]
    return entries


def remark(entry: ResourceState, desired: Mapping[str, Any]) -> None:
    """Mark what is secret in an entry that was read from the cloud."""
    entry.inputs = hidden(entry.type, unwrap(entry.inputs), desired)
    entry.outputs = hidden(entry.type, unwrap(entry.outputs), desired)


def _check_same(step: Step, candidate: MappedResource, there: ResourceState | None) -> None:
    if there is not None and there.id != candidate.live.id:
        raise OpsError(
            f"The stack's state has {label(step.urn)} as {there.id}, and Terraform manages it as {candidate.live.id} "
            f"({candidate.live.address}): two objects of one name. Decide which one stays, and delete or remove the "
            "other one. Nothing was changed.",
            ExitCode.FAILED,
        )


def _entry(step: Step, candidate: MappedResource, provider: ResourceState) -> ResourceState:
    desired = step.new.get("inputs") or {}
    outputs = hidden(step.type, candidate.properties, desired)
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
    """The default provider that serves a resource, as the engine would make it."""
    urn = str(step.new.get("provider") or "").rpartition("::")[0]
    if urn in known:
        return known[urn]
    request = _request()
    if not urn.endswith(f"::{request.name}"):
        raise OpsError(
            f"{label(step.urn)} is served by {label(urn)}; known here is {request.name} only. Nothing was changed.",
            ExitCode.ENGINE,
        )
    inputs = provider_inputs(request, config)
    outputs = {name: value for name, value in inputs.items() if not name.startswith("__")}
    return ResourceState(
        urn, f"pulumi:providers:{_PACKAGE}", custom=True, id=str(uuid.uuid4()), inputs=inputs, outputs=outputs
    )


@cache
def _request() -> ProviderRequest:
    """As the installed SDK asks for its provider."""
    file = metadata.distribution(_SDK).locate_file(f"{_SDK}/pulumi-plugin.json")
    plugin = json.loads(Path(str(file)).read_text(encoding="utf-8"))
    return ProviderRequest(_PACKAGE, str(plugin["version"]), str(plugin.get("server") or ""))
