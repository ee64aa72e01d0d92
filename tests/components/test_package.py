"""The component package at the level of the protocol: its schema, and each component constructed by the host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime import rpc
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc, resource_pb2_grpc

from engine import operations
from infra.component_reference import reference
from infra.components.provider import COMPONENTS
from tests.lab.component_host import construct_example, construct_request, example, host, reasons
from tests.lab.lab import Lab
from tests.lab.small import Small
from tests.support.environment import ROOT
from tests.support.seed import ORGANIZATION

_NAMESPACES = "/containers/v1/regions/fr-par/namespaces"
_MADE_ELSEWHERE = {"AppImage"}
"""Needs Docker: see ``tests/components/test_examples.py``."""


@pytest.fixture(scope="module")
def monitor() -> Iterator[str]:
    """The address of an engine that supports nothing: enough for arguments that are refused."""
    server = grpc.server(ThreadPoolExecutor(2))
    engine_pb2_grpc.add_EngineServicer_to_server(engine_pb2_grpc.EngineServicer(), server)
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(resource_pb2_grpc.ResourceMonitorServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture(scope="module")
def package(monitor: str) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    with host(monitor) as stub:
        yield stub


@pytest.fixture(scope="module")
def schema(package: provider_pb2_grpc.ResourceProviderStub) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(package.GetSchema(provider_pb2.GetSchemaRequest()).schema)
    return content


def test_the_schema_describes_everything(schema: dict[str, Any]) -> None:
    assert {token.rpartition(":")[2] for token in schema["resources"]} == {each.__name__ for each in COMPONENTS}
    for kind in ("resources", "types"):
        for token, described in schema[kind].items():
            assert described["description"], token
            for name, each in {**described.get("inputProperties", {}), **described["properties"]}.items():
                assert each.get("description", "").strip(), f"{token}.{name}"
                assert "\n  " not in each["description"], f"{token}.{name} is indented"


def test_the_example_has_every_component() -> None:
    types = {each["type"].removeprefix("snu:") for each in example()["resources"].values()}
    assert {each.__name__ for each in COMPONENTS} - types == _MADE_ELSEWHERE


def test_every_component_is_constructed(tmp_path: Path) -> None:
    small = Small(tmp_path / "small")
    small.write("")
    small.cloud.start_cloud()
    try:
        namespace = Lab(small.cloud).ask("POST", _NAMESPACES, {"name": "acme-test", "project_id": ORGANIZATION})
        program = partial(construct_example, {"project": ORGANIZATION, "namespace": f"fr-par/{namespace['id']}"})
        for operation in (operations.preview, operations.up):
            ran = small.run(partial(operation, run_program=program))
            assert ran.ok, ran.errors()
        resources = small.latest()["resources"]
        constructed = {each["type"] for each in resources if each["type"].startswith("snu:")}
        assert {f"snu:index:{each.__name__}" for each in COMPONENTS} - constructed == {
            f"snu:index:{name}" for name in _MADE_ELSEWHERE
        }
        text = json.dumps(resources)
        assert "not-A-real-passw0rd" not in text
        assert "not-a-real-token" not in text
        again = small.run(partial(operations.preview, run_program=program))
        assert (again.ok, again.steps()) == (True, {})
        _break_container(Lab(small.cloud), "it listens on no port")
        failed = small.run(lambda request: operations.up(replace(request, refresh=True), program))
        assert not failed.ok
        assert any("container api is in error: it listens on no port" in each for each in failed.errors()), (
            failed.errors()
        )
    finally:
        small.cloud.stop_cloud()


def _break_container(lab: Lab, message: str) -> None:
    (container,) = lab.resources("containers.container")
    status = {"kind": "containers.container", "id": container["id"], "status": "error", "error_message": message}
    lab.ask("POST", "/_local/status", status)


_APP = {
    "containerName": "api",
    "namespaceId": "n",
    "image": "i",
    "cpu": 256,
    "memory": 512,
}
_OUTPUT = {rpc._special_sig_key: rpc._special_secret_sig, "value": "x"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"memory": None}, "memory: required, but missing"),
        ({"minscale": 1}, "minscale: unknown argument; did you mean minScale?"),
        ({"cpu": "many"}, "cpu: must be an integer, not 'many'"),
        ({"cpu": 1.5}, "cpu: must be an integer, not 1.5"),
        ({"cpu": True}, "cpu: must be an integer, not True"),
        ({"variables": "A=1"}, "variables: must be an object, not 'A=1'"),
        ({"variables": {"A": 1}}, "variables.A: must be a string, not 1"),
        ({"host": _OUTPUT}, "host: must be a plain value, not an output: it decides which resources exist"),
        ({"livenessProbe": {"path": "/", "every": 5}}, "livenessProbe.every: unknown argument"),
        ({"livenessProbe": {**_OUTPUT, "value": {"path": "/"}}}, "livenessProbe: must be a plain value, not an output"),
        ({"livenessProbe": {"interval": "5s"}}, "livenessProbe.interval: must be an integer"),
        ({"zone": "ci.example.org", "host": "a"}, "zone and record must be set together"),
    ],
)
def test_wrong_arguments_are_refused(
    package: provider_pb2_grpc.ResourceProviderStub, monitor: str, changed: dict[str, Any], reason: str
) -> None:
    arguments = {key: value for key, value in (_APP | changed).items() if value is not None}
    request = construct_request("snu:index:ContainerApp", "api", arguments)
    request.monitorEndpoint = monitor
    with pytest.raises(grpc.RpcError) as refused:
        package.Construct(request)
    said = reasons(refused.value)
    assert reason in said
    assert "Traceback" not in said
    assert "File " not in said


def test_the_reference_is_up_to_date() -> None:
    written = (ROOT / "docs" / "reference" / "components.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python -m infra.component_reference > docs/reference/components.md"
