"""Fails an update whose container does not become ready.

The provider waits until a container's status is final, but treats the status `error` as a success.
"""

import asyncio
import time
from typing import Any

import pulumi
from pulumi.runtime import settings
from pulumi.runtime.proto.resource_pb2_grpc import ResourceMonitorStub
from pulumiverse_scaleway import containers

_READY = "ready"
_FAILED = {"error": "in error", "locked": "locked"}
"""Statuses that a container does not leave by itself, with their wording in messages."""
_POLL_SECONDS = 2.0
_WAIT_SECONDS = 600.0


class ContainerHealth:
    """The status of one container: checked by a hook after each change, and by the program if nothing changes."""

    def __init__(self, name: str, component: pulumi.Resource, hint: str | None) -> None:
        """`name` is the component's name; `hint` is added to messages."""
        self._component = component
        self._hint = f"\n{hint}" if hint else ""
        self._hook_has_run = False
        self.hooks: pulumi.ResourceHookBinding | None = None
        """The hooks of the container; None if the engine cannot call hooks, as with Pulumi's mocks."""
        if callbacks_are_served():
            hook = pulumi.ResourceHook(f"{name}-ready", self._after_change)
            self.hooks = pulumi.ResourceHookBinding(after_create=[hook], after_update=[hook])

    def check(self, container: containers.Container) -> pulumi.Output[str]:
        """Check a container even if the run does not change it.

        Returns its status. In an update, the output fails with `pulumi.RunError` unless the container becomes ready; in
        a preview, which may contain the change that fixes it, the problem is only a warning.
        """
        values = pulumi.Output.all(container.id, container.namespace_id, container.name, container.status)
        return pulumi.Output.all(values, container.error_message).apply(lambda all_values: self._checked(*all_values))

    async def _checked(self, values: list[str], error_message: str | None) -> str:
        identity, namespace_id, name, status = values
        if pulumi.runtime.is_dry_run():
            if status in _FAILED:
                pulumi.log.warn(self._problem(name, status, error_message), self._component)
        elif status and not self._hook_has_run:
            await self._require_ready(identity, namespace_id, name, status)
        return status

    async def _after_change(self, args: pulumi.ResourceHookArgs) -> None:
        self._hook_has_run = True
        outputs = args.new_outputs or {}
        await self._require_ready(args.id, outputs["namespaceId"], outputs["name"], outputs.get("status"))

    async def _require_ready(self, identity: str, namespace_id: str, name: str, status: str | None) -> None:
        """Wait until a container is ready. Raises `pulumi.RunError` if it fails or takes longer than 10 minutes.

        `status` is the last known status. Unless it is `ready`, it is read again: without a refresh, it may be stale.
        """
        deadline = time.monotonic() + _WAIT_SECONDS
        while status != _READY:
            current = await self._read(identity, namespace_id)
            status = current.status
            if status in _FAILED:
                raise pulumi.RunError(self._problem(name, status, current.error_message))
            if status != _READY:
                if time.monotonic() > deadline:
                    minutes = round(_WAIT_SECONDS / 60)
                    raise pulumi.RunError(f"container {name} is still {status} after {minutes} minutes{self._hint}")
                await asyncio.sleep(_POLL_SECONDS)

    async def _read(self, identity: str, namespace_id: str) -> Any:
        """Look up the container with the provider's own key."""
        options = pulumi.InvokeOptions(parent=self._component)
        found = containers.get_container_output(container_id=identity, namespace_id=namespace_id, opts=options)
        return await found.future()

    def _problem(self, name: str, status: str, error_message: str | None) -> str:
        return f"container {name} is {_FAILED[status]}: {error_message or 'Scaleway gave no reason'}{self._hint}"


def callbacks_are_served() -> bool:
    """Whether the engine can call functions of the program. The SDK serves no callbacks to a mock of an engine."""
    return settings.SETTINGS.callbacks is not None or isinstance(settings.SETTINGS.monitor, ResourceMonitorStub)
