"""The component package as Pulumi's language host runs it, spoken to at the level of the protocol."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import yaml
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import (
    errors_pb2,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
    status_pb2,
)

from infra.components.component import PACKAGE
from tests.support.environment import ROOT

if TYPE_CHECKING:
    from pulumi.runtime.proto.language_pb2 import RunRequest

COMPONENTS = ROOT / "infra" / "components"
EXAMPLE = ROOT / "examples" / "components" / "yaml" / "Pulumi.yaml"
_STACK = "pulumi:pulumi:Stack"

_REFERENCE = re.compile(r"\$\{([\w-]+)(?:\.(\w+))?\}")


@contextmanager
def host(engine: str) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """Run the package until the end of the block."""
    process = subprocess.Popen(
        # In any folder: the package does not need this project.
        [sys.executable, "-P", str(COMPONENTS), engine],
        cwd="/",
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
    finally:
        process.terminate()
        process.communicate()


def example() -> dict[str, Any]:
    """The example in YAML, which has every component."""
    content: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    return content


async def construct_example(
    known: Mapping[str, str], run: RunRequest, _on_output: Callable[[str, str], None]
) -> tuple[bool, str]:
    """Registers the components of the example through the host; a program as the embedded engine calls it.

    ``known``: the ids of its other resources, which exist already.
    """
    return await asyncio.to_thread(_construct_example, known, run)


def _construct_example(known: Mapping[str, str], run: RunRequest) -> tuple[bool, str]:
    content = example()
    values: dict[str, Any] = {name: {"": value} for name, value in content["variables"].items()}
    values |= {name: {"id": id} for name, id in known.items()}
    with grpc.insecure_channel(run.monitor_address) as channel, host(run.monitor_address) as stub:
        monitor = resource_pb2_grpc.ResourceMonitorStub(channel)
        stack = resource_pb2.RegisterResourceRequest(type=_STACK, name=f"{run.project}-{run.stack}")
        parent = monitor.RegisterResource(stack).urn
        for name, resource in content["resources"].items():
            if name in known:
                continue
            token = resource["type"].replace("snu:", f"{PACKAGE}:index:")
            request = construct_request(token, name, _resolved(resource["properties"], values))
            request.project, request.stack, request.dryRun = run.project, run.stack, run.dryRun
            request.monitorEndpoint, request.parent = run.monitor_address, parent
            try:
                values[name] = json_format.MessageToDict(stub.Construct(request).state)
            except grpc.RpcError as error:
                return False, f"{name}: {reasons(error)}"
        monitor.SignalAndWaitForShutdown(empty_pb2.Empty())
    return True, ""


def construct_request(token: str, name: str, properties: Mapping[str, Any]) -> provider_pb2.ConstructRequest:
    inputs = json_format.ParseDict(dict(properties), struct_pb2.Struct())
    return provider_pb2.ConstructRequest(
        project="project", stack="stack", parallel=1, type=token, name=name, inputs=inputs
    )


def reasons(error: grpc.RpcError) -> str:
    """The message and each property with its reason."""
    text = str(error.details())
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                problems = errors_pb2.InputPropertiesError()
                detail.Unpack(problems)
                text += "".join(f"\n{each.property_path}: {each.reason}" for each in problems.errors)
    return text


def _resolved(value: Any, values: Mapping[str, Mapping[str, Any]]) -> Any:
    """With values for references and secrets."""
    match value:
        case {"fn::secret": secret}:
            return {rpc._special_sig_key: rpc._special_secret_sig, "value": secret}
        case dict():
            return {key: _resolved(item, values) for key, item in value.items()}
        case list():
            return [_resolved(item, values) for item in value]
        case str():
            whole = _REFERENCE.fullmatch(value)
            if whole:
                return values[whole[1]][whole[2] or ""]
            parts = [values[name][output] for name, output in _REFERENCE.findall(value)]
            if rpc.UNKNOWN in parts:
                return rpc.UNKNOWN
            return _REFERENCE.sub(lambda match: str(values[match[1]][match[2] or ""]), value)
        case _:
            return value
