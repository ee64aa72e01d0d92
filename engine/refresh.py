"""Updates the state from the live resources."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection

from engine.deployment import Context
from engine.plugin import ADD, DELETE, NO_DIFF, REPLACE_SUFFIX, Diff
from pulumi_state.errors import PulumiError
from pulumi_state.snapshot import ResourceState, Snapshot, now
from pulumi_state.urn import is_provider_type
from pulumi_state.values import carry_secrets


async def refresh_all(
    context: Context,
    previous: Snapshot,
    targets: Collection[str],
    changes: Counter[str],
    canceled: Callable[[], bool],
) -> bool:
    """Refresh all managed resources, or only ``targets``, and remove resources that no longer exist from the state.

    Counts the results in ``changes``. A resource that cannot be read is reported; the others are still refreshed, and
    the function returns False. Once ``canceled`` returns True, no further reads start.
    """
    slots = asyncio.Semaphore(max(1, context.parallel))

    async def refresh(resource: ResourceState) -> bool:
        async with slots:
            return not canceled() and await _refresh(context, resource, changes)

    managed = [
        resource
        for resource in previous.resources
        if resource.custom
        and (not targets or resource.urn in targets)
        and not resource.external
        and not resource.pending_replacement
        and not is_provider_type(resource.type)
    ]
    results = await asyncio.gather(*(refresh(resource) for resource in managed))
    context.journal.drop_dangling_references()
    await context.journal.flush()
    return all(results)


async def _refresh(context: Context, resource: ResourceState, changes: Counter[str]) -> bool:
    events = context.events
    provider = context.providers[resource.type.split(":", 1)[0]]
    before = resource.copy()
    events.step_started("refresh", before, before, NO_DIFF)
    try:
        current = await provider.read(resource.type, resource.id, resource.inputs, resource.outputs)
    except PulumiError as error:
        events.step_failed("refresh", before, before, NO_DIFF)
        events.diagnostic("error", str(error), resource.urn)
        return False
    if current is None:
        changes["delete"] += 1
        events.step_done("refresh", before, None, NO_DIFF)
        await context.journal.end(gone=resource)
        return True
    inputs, outputs = current
    inputs = carry_secrets(inputs, resource.inputs)
    outputs = resource.with_secrets(outputs)
    diff = _reversed(provider.diff(resource.type, outputs, resource.inputs, resource.ignore_changes))
    changes["update" if diff.changed else "same"] += 1
    if (inputs, outputs) != (resource.inputs, resource.outputs):
        resource.modified = now()
    resource.inputs, resource.outputs, resource.init_errors = inputs, outputs, []
    await context.journal.end(changed=resource, save=False)
    events.step_done("refresh", before, resource.copy(), diff)
    return True


_REVERSED = {ADD: DELETE, DELETE: ADD}


def _reversed(diff: Diff) -> Diff:
    """Return the changes to the live resource, given the diff of the update that would revert them."""
    kinds = {path: kind.removesuffix(REPLACE_SUFFIX) for path, kind in diff.detailed.items()}
    return Diff({path: _REVERSED.get(kind, kind) for path, kind in kinds.items()})
