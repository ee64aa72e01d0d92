"""The gRPC services called by a Pulumi program: ResourceMonitor and Engine (``proto/pulumi``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf import empty_pb2

from engine.deployment import Context, Deployment, FailedError
from engine.goal import Goal, goal_from, provider_request
from engine.hooks import Hook
from pulumi_state.errors import PulumiError, UnsupportedError
from pulumi_state.protocol import engine_pb2, engine_pb2_grpc, provider_pb2, resource_pb2, resource_pb2_grpc
from pulumi_state.provider import ProviderRequest
from pulumi_state.values import from_struct, to_struct

_FEATURES = [
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
]
_LEGACY_FEATURES = {"secrets", "aliasSpecs", "resourceHooks"}
_SEVERITIES = {
    engine_pb2.DEBUG: "debug",
    engine_pb2.INFO: "info",
    engine_pb2.WARNING: "warning",
    engine_pb2.ERROR: "error",
}
_NO_MESSAGE_LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]

Rpc = Any
"""A ``grpc.aio.ServicerContext``; grpcio has no type annotations."""


class ResourceMonitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Receives a program's registrations and responds to each once its resource is up to date."""

    def __init__(self, deployment: Deployment, context: Context) -> None:
        self._deployment = deployment
        self._context = context
        self.program_done = asyncio.Event()
        """Set once the program has registered everything."""
        self.release = asyncio.Event()
        """Set once deletions are complete and the program may exit."""

    async def GetDeploymentInfo(self, request: empty_pb2.Empty, rpc: Rpc) -> resource_pb2.DeploymentInfo:
        return resource_pb2.DeploymentInfo(
            project=self._context.project,
            stack=self._context.stack,
            dryRun=self._context.dry_run,
            parallel=self._context.parallel,
            supportedFeatures=_FEATURES,
        )

    async def SupportsFeature(
        self, request: resource_pb2.SupportsFeatureRequest, rpc: Rpc
    ) -> resource_pb2.SupportsFeatureResponse:
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in _LEGACY_FEATURES)

    async def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, rpc: Rpc
    ) -> resource_pb2.RegisterResourceResponse:
        async with self._reporting_errors(rpc):
            if request.custom:
                self._deployment.require_package(request.type, request.name)
            resource = await self._deployment.register(goal_from(request))
            return resource_pb2.RegisterResourceResponse(
                urn=resource.urn,
                id=resource.id,
                object=to_struct(resource.outputs if resource.custom else {}),
                unknown=self._deployment.is_skipped(resource),
            )
        raise AssertionError("unreachable")

    async def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest, rpc: Rpc
    ) -> empty_pb2.Empty:
        async with self._reporting_errors(rpc):
            await self._deployment.register_outputs(request.urn, from_struct(request.outputs))
        return empty_pb2.Empty()

    async def ReadResource(
        self, request: resource_pb2.ReadResourceRequest, rpc: Rpc
    ) -> resource_pb2.ReadResourceResponse:
        async with self._reporting_errors(rpc):
            if request.provider:
                raise UnsupportedError(f"explicit providers (requested by {request.name})")
            goal = Goal(
                type=request.type,
                name=request.name,
                custom=True,
                inputs=from_struct(request.properties),
                parent=request.parent,
                dependencies=sorted(request.dependencies),
                provider=ProviderRequest(request.type.split(":", 1)[0], request.version, request.pluginDownloadURL),
                additional_secret_outputs=list(request.additionalSecretOutputs),
            )
            resource = await self._deployment.read(goal, request.id)
            response = resource_pb2.ReadResourceResponse(urn=resource.urn, properties=to_struct(resource.outputs))
            if "id" in response.DESCRIPTOR.fields_by_name:  # newer SDKs treat a read without an ID as unknown
                setattr(response, "id", resource.id)  # noqa: B010 - the types are those of the pinned SDK
            return response
        raise AssertionError("unreachable")

    async def Invoke(
        self, request: resource_pb2.ResourceInvokeRequest, rpc: Rpc
    ) -> resource_pb2.ResourceInvokeResponse:
        async with self._reporting_errors(rpc, in_hook=True):
            if request.provider:
                raise UnsupportedError(f"explicit providers (requested by {request.tok})")
            try:
                result = await self._deployment.invoke(
                    provider_request(request.tok, request), request.tok, from_struct(request.args)
                )
            except FailedError:
                raise
            except PulumiError as error:
                failure = provider_pb2.CheckFailure(reason=str(error))
                return resource_pb2.ResourceInvokeResponse(failures=[failure])
            response = resource_pb2.ResourceInvokeResponse()
            getattr(response, "return").CopyFrom(to_struct(result))
            return response
        raise AssertionError("unreachable")

    async def Call(self, request: resource_pb2.ResourceCallRequest, rpc: Rpc) -> Any:
        async with self._reporting_errors(rpc):
            raise UnsupportedError(f"method calls ({request.tok})")

    async def RegisterStackTransform(self, request: Any, rpc: Rpc) -> Any:
        async with self._reporting_errors(rpc):
            raise UnsupportedError("stack transforms")

    async def RegisterStackInvokeTransform(self, request: Any, rpc: Rpc) -> Any:
        async with self._reporting_errors(rpc):
            raise UnsupportedError("invoke transforms")

    async def RegisterResourceHook(
        self, request: resource_pb2.RegisterResourceHookRequest, rpc: Rpc
    ) -> empty_pb2.Empty:
        async with self._reporting_errors(rpc):
            callback = request.callback
            self._context.hooks.register(
                Hook(request.name, callback.target, callback.token, request.on_dry_run, request.ignore_errors)
            )
        return empty_pb2.Empty()

    async def RegisterErrorHook(self, request: Any, rpc: Rpc) -> Any:
        async with self._reporting_errors(rpc):
            raise UnsupportedError("error hooks")

    async def RegisterPackage(self, request: Any, rpc: Rpc) -> Any:
        async with self._reporting_errors(rpc):
            raise UnsupportedError("parameterized packages")

    async def SignalAndWaitForShutdown(self, request: empty_pb2.Empty, rpc: Rpc) -> empty_pb2.Empty:
        self.program_done.set()
        await self.release.wait()
        return empty_pb2.Empty()

    @asynccontextmanager
    async def _reporting_errors(self, rpc: Rpc, *, in_hook: bool = False) -> AsyncIterator[None]:
        """Report errors as diagnostics and abort the call; the program then exits without reporting another error.

        Aborts only once running operations have finished, because the program serves their hooks. Does not wait for
        them if the call may come from a hook (``in_hook``).
        """
        try:
            yield
        except FailedError:
            pass
        except PulumiError as error:
            self._deployment.fail(str(error))
        except Exception as error:  # a bug in the engine; the program has no error to report
            self._deployment.fail(f"the embedded engine could not process a request from the program ({error!r})")
        else:
            return
        if not in_hook:
            await self._deployment.settle()
        await rpc.abort(grpc.StatusCode.UNAVAILABLE, "resource monitor shut down")


class EngineService(engine_pb2_grpc.EngineServicer):
    """Receives a program's log messages and stores the root resource's URN."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._root_urn = ""
        self.errors = 0

    async def Log(self, request: engine_pb2.LogRequest, rpc: Rpc) -> empty_pb2.Empty:
        severity = _SEVERITIES.get(request.severity, "info")
        if severity == "error":
            self.errors += 1
        if severity != "debug":
            self._context.events.diagnostic(severity, request.message, request.urn, ephemeral=request.ephemeral)
        return empty_pb2.Empty()

    async def GetRootResource(
        self, request: engine_pb2.GetRootResourceRequest, rpc: Rpc
    ) -> engine_pb2.GetRootResourceResponse:
        return engine_pb2.GetRootResourceResponse(urn=self._root_urn)

    async def SetRootResource(
        self, request: engine_pb2.SetRootResourceRequest, rpc: Rpc
    ) -> engine_pb2.SetRootResourceResponse:
        self._root_urn = request.urn
        return engine_pb2.SetRootResourceResponse()


@asynccontextmanager
async def serve(monitor: ResourceMonitor, engine: EngineService) -> AsyncIterator[str]:
    """Serve both services on a free port of the loopback interface and yield its address."""
    server = grpc.aio.server(options=_NO_MESSAGE_LIMIT)
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=None)
