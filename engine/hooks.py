"""Resource hooks: functions of the program that the engine calls before and after an operation on a resource.

The program's SDK serves them as ``pulumirpc.Callbacks`` (``proto/pulumi/callback.proto``).
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from engine.errors import EngineError
from pulumi_state.protocol import callback_pb2, callback_pb2_grpc, resource_pb2
from pulumi_state.snapshot import ResourceState
from pulumi_state.values import PropertyMap, to_struct

_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
]


class HookError(EngineError):
    """A hook failed, is not registered or could not be called."""


@dataclass(frozen=True)
class Hook:
    """A hook that the program has registered."""

    name: str
    target: str
    """Address of the program's callback server."""
    token: str
    """Identifies the hook on that server."""
    on_dry_run: bool = False
    ignore_errors: bool = False
    """Whether a failure produces only a warning."""


class Hooks:
    """The hooks of one run of a program."""

    def __init__(self) -> None:
        self._hooks: dict[str, Hook] = {}

    def register(self, hook: Hook) -> None:
        """Add a hook. Raises HookError if its name is empty or taken."""
        if not hook.name:
            raise HookError("resource hook name cannot be empty")
        if hook.name in self._hooks:
            raise HookError(f'resource hook already registered for name "{hook.name}"')
        self._hooks[hook.name] = hook

    def find(self, name: str) -> Hook:
        """Return a hook by name. Raises HookError if the program has not registered it."""
        if name not in self._hooks:
            raise HookError(f'hook "{name}" was not registered')
        return self._hooks[name]

    async def call(
        self,
        hook: Hook,
        resource: ResourceState,
        *,
        new_inputs: PropertyMap | None = None,
        old_inputs: PropertyMap | None = None,
        new_outputs: PropertyMap | None = None,
        old_outputs: PropertyMap | None = None,
    ) -> None:
        """Call a hook for a resource and wait for it. Raises HookError with the hook's message."""
        request = resource_pb2.ResourceHookRequest(
            urn=resource.urn, id=resource.id, name=resource.name, type=resource.type
        )
        properties = {
            "new_inputs": new_inputs,
            "old_inputs": old_inputs,
            "new_outputs": new_outputs,
            "old_outputs": old_outputs,
        }
        for name, values in properties.items():
            if values is not None:
                getattr(request, name).CopyFrom(to_struct(values))
        invocation = callback_pb2.CallbackInvokeRequest(token=hook.token, request=request.SerializeToString())
        # One connection per call: grpc logs a connection that is still open when the program exits.
        async with grpc.aio.insecure_channel(hook.target, options=_OPTIONS) as channel:
            try:
                response = await callback_pb2_grpc.CallbacksStub(channel).Invoke(invocation)
            except grpc.aio.AioRpcError as error:
                raise HookError(error.details() or "the program did not respond") from error
        problem = resource_pb2.ResourceHookResponse.FromString(response.response).error
        if problem:
            raise HookError(problem)
