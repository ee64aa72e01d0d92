"""Brings the state in line with what the cloud has."""

from __future__ import annotations

import asyncio
from collections import Counter

from localcloud.engine.deployment import Context
from localcloud.engine.errors import EngineError
from localcloud.engine.plugin import ADD, DELETE, NO_DIFF, UPDATE, Diff
from localcloud.engine.snapshot import ResourceState, Snapshot, now
from localcloud.engine.values import PropertyMap, carry_secrets, make_secret, unwrap


async def refresh_all(context: Context, previous: Snapshot, changes: Counter[str] | None = None) -> Snapshot:
    """Read every managed resource; what is gone leaves the state, as do references to it.

    Raises EngineError when a resource could not be read; the others are refreshed all the same.
    """
    slots = asyncio.Semaphore(max(1, context.parallel))
    counted: Counter[str] = Counter() if changes is None else changes

    async def one(resource: ResourceState) -> bool:
        async with slots:
            return await _refresh(context, resource, counted)

    managed = [
        resource
        for resource in previous.resources
        if resource.custom and not resource.external and not resource.type.startswith("pulumi:providers:")
    ]
    results = await asyncio.gather(*(one(resource) for resource in managed))
    context.journal.drop_dangling_references()
    await context.journal.flush()
    if not all(results):
        raise EngineError("the refresh failed; nothing else was changed")
    return context.journal.snapshot()


async def _refresh(context: Context, resource: ResourceState, changes: Counter[str]) -> bool:
    events = context.events
    provider = context.providers[resource.type.split(":", 1)[0]]
    before = resource.copy()
    events.step_started("refresh", before, before, NO_DIFF)
    try:
        found = await provider.read(resource.type, resource.id, resource.inputs, resource.outputs)
    except EngineError as error:
        events.step_failed("refresh", before, before, NO_DIFF)
        events.diagnostic("error", str(error), resource.urn)
        return False
    if found is None:
        changes["delete"] += 1
        events.step_done("refresh", before, None, NO_DIFF)
        await context.journal.end(gone=resource)
        return True
    inputs, outputs = found
    outputs = carry_secrets(outputs, resource.inputs)
    for key in resource.additional_secret_outputs:
        if key in outputs:
            outputs[key] = make_secret(unwrap(outputs[key]))
    diff = Diff(_difference(unwrap(resource.outputs), unwrap(outputs)))
    changes["update" if diff.changed else "same"] += 1
    resource.inputs, resource.outputs = inputs, outputs
    if diff.changed:
        resource.modified = now()
    await context.journal.end(changed=resource, save=False)
    events.step_done("refresh", before, resource.copy(), diff)
    return True


def _difference(before: PropertyMap, after: PropertyMap) -> dict[str, str]:
    changed = {}
    for key in before.keys() | after.keys():
        if key.startswith("__") or before.get(key) == after.get(key):
            continue
        changed[key] = ADD if key not in before else DELETE if key not in after else UPDATE
    return changed
