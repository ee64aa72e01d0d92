"""An engine of a few lines that runs a program through a LanguageRuntime service, as the Pulumi CLI does."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    language_pb2,
    language_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

from pulumi_state.values import from_struct

_TIMEOUT_SECONDS = 120
_FEATURES = [resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS, resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS]


@dataclass
class FakeEngine(resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer):
    """Takes every registration as it is."""

    registered: list[str] = field(default_factory=list)
    """Types of the registered resources."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """The stack's outputs."""
    errors: list[str] = field(default_factory=list)
    """What the program logged as errors."""

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:
        return resource_pb2.DeploymentInfo(
            project="small", stack="dev", dryRun=True, parallel=4, supportedFeatures=_FEATURES
        )

    def RegisterResource(self, request: Any, context: Any) -> Any:
        self.registered.append(request.type)
        return resource_pb2.RegisterResourceResponse(urn=f"urn:pulumi:dev::small::{request.type}::{request.name}")

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        if "::pulumi:pulumi:Stack::" in request.urn:
            self.outputs = dict(from_struct(request.outputs))
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Log(self, request: Any, context: Any) -> Any:
        if request.severity == engine_pb2.ERROR:
            self.errors.append(request.message)
        return empty_pb2.Empty()

    def GetRootResource(self, request: Any, context: Any) -> Any:
        return engine_pb2.GetRootResourceResponse()

    def SetRootResource(self, request: Any, context: Any) -> Any:
        return engine_pb2.SetRootResourceResponse()

    @contextmanager
    def served(self) -> Iterator[str]:
        """Address of both services."""
        server = grpc.server(ThreadPoolExecutor(16))
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(self, server)
        engine_pb2_grpc.add_EngineServicer_to_server(self, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None)

    def run(self, directory: Path, runtime: str, *, main: str = ".", **config: str) -> language_pb2.RunResponse:
        """Run the program in the folder through the LanguageRuntime service at an address. Raises grpc.RpcError."""
        info = language_pb2.ProgramInfo(
            root_directory=str(directory), program_directory=str(directory), entry_point=main
        )
        with self.served() as address, grpc.insecure_channel(runtime) as channel:
            stub = language_pb2_grpc.LanguageRuntimeStub(channel)
            stub.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest(info=info), timeout=_TIMEOUT_SECONDS)
            response: language_pb2.RunResponse = stub.Run(
                language_pb2.RunRequest(
                    project="small",
                    stack="dev",
                    organization="organization",
                    pwd=str(directory),
                    info=info,
                    args=[address],
                    monitor_address=address,
                    config={f"small:{key}": value for key, value in config.items()},
                    configSecretKeys=[f"small:{key}" for key in config],
                    dryRun=True,
                    parallel=4,
                ),
                timeout=_TIMEOUT_SECONDS,
            )
        return response


def main(arguments: list[str]) -> int:
    """The Pulumi CLI as far as the command sees it: options, event log, exit status."""
    given = dict(pairwise(arguments))
    log = Path(given["--event-log"])

    def write(**event: Any) -> None:
        with log.open("a") as file:
            file.write(json.dumps(event) + "\n")

    write(preludeEvent={"config": {}})
    engine = FakeEngine()
    try:
        response = engine.run(Path.cwd(), given["--client"])
        unhandled = [] if not response.error else [f"an unhandled error occurred: {response.error}"]
        ok = not response.bail and not response.error
    except grpc.RpcError:
        unhandled, ok = ["error reading from server: EOF"], False
        time.sleep(0.1)
    for message in [*engine.errors, *unhandled]:
        write(diagnosticEvent={"severity": "error", "message": message})
    write(summaryEvent={"resourceChanges": {"create": len(engine.registered)}})
    if "--json" in arguments:
        print(json.dumps({"outputs": engine.outputs, "diagnostics": [{"message": "mine", "severity": "info"}]}))
    return 0 if ok else 255


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
