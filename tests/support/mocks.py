"""Runs the program in this process with a monitor that records whole registration requests."""

import asyncio
import base64
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import rpc, settings
from pulumi.runtime.config import set_all_config
from pulumi.runtime.stack import run_in_stack

from infra.settings import flat_config
from tests.support.environment import ROOT

# As Pulumi's language host does: what a refused registration leaves behind is no news.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)

NOWHERE = ROOT / "tests" / "no-project"
"""A project's folder in which no images were built."""
PROJECT = "snu"


@dataclass(frozen=True)
class Resource:
    """A registration as the program requested it."""

    type: str
    name: str
    urn: str
    parent: str
    inputs: dict[str, Any]
    """With secrets as `Secret`, unknown values as `UNKNOWN`."""
    protect: bool
    dependencies: frozenset[str]
    """Names of the resources that it depends on."""
    aliases: tuple[str, ...]
    ignore_changes: tuple[str, ...]
    custom: bool


@dataclass(frozen=True)
class Secret:
    """A value that was marked secret."""

    value: Any


UNKNOWN = "[unknown]"


@dataclass
class Run:
    """What a run of the program registered and exported."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def of_type(self, type_: str) -> list[Resource]:
        return [resource for resource in self.resources if resource.type == type_]

    def named(self, name: str) -> Resource:
        (found,) = [resource for resource in self.resources if resource.name == name]
        return found

    def children(self, name: str) -> dict[str, str]:
        """The type of each child of a resource, by name."""
        return {child.name: child.type for child in self.resources if child.parent == name}


@dataclass
class Cloud(pulumi_mocks.Mocks):
    """What the platform answers: computed outputs, secret documents, the foundation's outputs."""

    document: Mapping[str, Any] | None = None
    """The secret document; None: it is not known yet (only in a preview)."""
    foundation: Mapping[str, Any] = field(default_factory=dict)
    preview: bool = False
    raw_data: str | None = None
    """The document's data as it stands, instead of `document`."""
    secret_status: str = "enabled"
    """Of the only version of each secret that is looked up."""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    former: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By name, the inputs of resources that exist already; only hooks learn of them."""

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            return args.name, {"name": args.name, "outputs": dict(self.foundation), "secretOutputNames": []}
        outputs = dict(args.inputs)
        if self.preview:
            return None, outputs
        if args.typ in _COMPUTED:
            outputs |= _COMPUTED[args.typ](args.name)
        if args.typ == "scaleway:domain/zone:Zone":
            return f"{args.inputs['subdomain']}.{args.inputs['domain']}", outputs
        return f"id-of-{args.name}", outputs

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        self.calls.append((args.token, dict(args.args)))
        if args.token == "scaleway:observability/getSource:getSource":
            return {**args.args, "url": "https://logs.example.test", "region": "fr-par", "retentionDays": 7}, []
        if args.token == "scaleway:secrets/getSecret:getSecret":
            return {**args.args, "versions": [{"status": self.secret_status}]}, []
        data = self.raw_data
        if data is None:
            data = base64.b64encode(json.dumps(self.document).encode()).decode()
        return {"data": data, "secretId": args.args.get("secretId", ""), "revision": "1"}, []


PUSHED_DIGEST = "sha256:" + "b" * 64

_COMPUTED: dict[str, Callable[[str], dict[str, Any]]] = {
    "scaleway:containers/container:Container": lambda name: {
        "publicEndpoint": f"https://{name}.functions.example.test"
    },
    "docker:index/image:Image": lambda name: {"repoDigest": f"registry.example.test/snu-test/{name}@{PUSHED_DIGEST}"},
    "scaleway:registry/namespace:Namespace": lambda name: {"endpoint": f"registry.example.test/{name}"},
    "scaleway:databases/serverlessDatabase:ServerlessDatabase": lambda name: {
        "endpoint": f"postgres://{name}.example.test/state?sslmode=require"
    },
    "scaleway:databases/instance:Instance": lambda name: {
        "loadBalancer": {"ip": "192.0.2.1", "port": 5432, "endpointId": "e", "hostname": "", "name": ""},
        "privateNetwork": {"pnId": "pn", "ip": "10.0.0.2", "port": 5432, "enableIpam": True},
        "certificate": f"certificate-of-{name}",
    },
    "scaleway:observability/source:Source": lambda name: {"url": "https://logs.example.test"},
    "scaleway:observability/token:Token": lambda name: {"secretKey": f"secret-key-of-{name}"},
}


class Hooks:
    """Takes the place of the SDK's callback server, which mocks do not have: calls hooks as an engine does."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._hooks: dict[str, pulumi.ResourceHook] = {}
        self._context = copy_context()

    def register_resource_hook(self, hook: pulumi.ResourceHook) -> None:
        assert hook.name not in self._hooks, hook.name
        self._hooks[hook.name] = hook

    def before(self, request: Any, former: Mapping[str, Any] | None) -> None:
        """Call hooks before a resource is created, or updated if it has former inputs."""
        inputs = rpc.deserialize_properties(request.object)
        names = request.hooks.before_create if former is None else request.hooks.before_update
        old = None if former is None else dict(former)
        self._call("before", names, pulumi.ResourceHookArgs("", "", request.name, request.type, inputs, old))

    def after(self, request: Any, response: Any) -> None:
        """Call hooks after a resource was created."""
        outputs = rpc.deserialize_properties(response.object)
        arguments = pulumi.ResourceHookArgs(response.urn, response.id, request.name, request.type, new_outputs=outputs)
        self._call("after", request.hooks.after_create, arguments)

    def _call(self, when: str, names: Iterable[str], arguments: pulumi.ResourceHookArgs) -> None:
        """Raises pulumi.RunError if a hook fails."""
        for name in names:

            async def run(hook: pulumi.ResourceHook = self._hooks[name]) -> None:
                result = hook(arguments)
                if result is not None:
                    await result

            try:
                self._context.copy().run(asyncio.run_coroutine_threadsafe, run(), self._loop).result()
            except Exception as error:
                raise pulumi.RunError(f'{when} hook "{name}" failed: {error}') from None


class RecordingMonitor(pulumi_mocks.MockMonitor):
    """Pulumi's mock monitor, which also keeps every request."""

    def __init__(self, mocks: pulumi_mocks.Mocks) -> None:
        super().__init__(mocks)
        self.run = Run()
        self.hooks: Hooks | None = None
        self.former: Mapping[str, Mapping[str, Any]] = {}
        """By name, the inputs of resources that exist already; used only for hooks."""

    def RegisterResource(self, request: Any) -> Any:
        if self.hooks is not None:
            self.hooks.before(request, self.former.get(request.name))
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # Pulumi's
        if self.hooks is not None:
            self.hooks.after(request, response)
        if request.type != "pulumi:pulumi:Stack":
            self.run.resources.append(
                Resource(
                    type=request.type,
                    name=request.name,
                    urn=response.urn,
                    parent=_name(request.parent),
                    inputs=_readable(request.object),
                    protect=request.protect,
                    dependencies=frozenset(_name(urn) for urn in request.dependencies),
                    aliases=tuple(request.aliasURNs),
                    ignore_changes=tuple(request.ignoreChanges),
                    custom=request.custom,
                )
            )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if "::pulumi:pulumi:Stack::" in request.urn:
            self.run.outputs = _readable(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]  # Pulumi's


def _name(urn: str) -> str:
    """The last part of a URN; a resource without a parent of its own has the stack's name, shown as empty."""
    name = urn.rpartition("::")[2]
    return "" if "::pulumi:pulumi:Stack::" in urn else name


def _readable(properties: Struct) -> dict[str, Any]:
    """The properties as they were sent. Pulumi's own reader would spread a secret over the map around it."""
    return {name: _value(entry) for name, entry in MessageToDict(properties).items()}


def _value(sent: Any) -> Any:
    if isinstance(sent, dict):
        if sent.get(rpc._special_sig_key) == rpc._special_secret_sig:
            return Secret(_value(sent["value"]))
        return {key: _value(entry) for key, entry in sent.items()}
    if isinstance(sent, list):
        return [_value(entry) for entry in sent]
    if sent == rpc.UNKNOWN:
        return UNKNOWN
    if isinstance(sent, float) and sent.is_integer():
        return int(sent)
    return sent


class _ThreadsWithLoops(ThreadPoolExecutor):
    """Pulumi's mock monitor would give each thread an event loop itself, and close none."""

    def __init__(self) -> None:
        super().__init__(initializer=self._give_loop)
        self._loops: list[asyncio.AbstractEventLoop] = []

    def _give_loop(self) -> None:
        self._loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(self._loops[-1])

    def close_loops(self) -> None:
        for loop in self._loops:
            loop.close()


def run(
    program: Callable[[], None],
    *,
    cloud: Cloud | None = None,
    stack: str = "test",
    config: Mapping[str, str] | None = None,
    preview: bool = False,
    hooks: bool = False,
) -> Run:
    """Runs a program in a stack of its own and returns what it registered. `hooks`: whether resource hooks are called.

    Raises what the program raises, from inside an output as well.
    """
    cloud = cloud or Cloud()
    cloud.preview = preview
    monitor = RecordingMonitor(cloud)
    cloud.calls = monitor.run.calls
    monitor.former = cloud.former
    set_all_config(dict(config or {}))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = _ThreadsWithLoops()
    loop.set_default_executor(executor)
    pulumi_mocks.set_mocks(cloud, project=PROJECT, stack=stack, preview=preview, monitor=monitor)
    monitor.hooks = Hooks(loop) if hooks else None
    settings.SETTINGS.callbacks = monitor.hooks
    settings.ROOT.set(None)
    settings.SETTINGS.rpc_manager.clear()
    settings.SETTINGS.outputs.clear()
    try:
        loop.run_until_complete(run_in_stack(program))
    finally:
        for task in asyncio.all_tasks(loop):  # what waited for a refused registration
            task.cancel()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        executor.close_loops()
        set_all_config({})
    return monitor.run


def stack_config(stack: str) -> dict[str, str]:
    """The configuration of a stack, from its committed file."""
    return flat_config(ROOT / f"Pulumi.{stack}.yaml")


FOUNDATION_OUTPUTS: dict[str, Any] = {
    "projectId": "id-of-project",
    "registryEndpoints": {
        name: f"registry.example.test/snu-{name}" for name in ("ci", "local", "production", "staging")
    },
    "secretIds": {name: f"id-of-snu-{name}" for name in ("ci", "local", "production", "staging")},
    "releaseSecretIds": {name: f"id-of-snu-{name}-release" for name in ("ci", "local", "production", "staging")},
    "alertsSecretIds": {name: f"id-of-snu-{name}-alerts" for name in ("ci", "local", "production", "staging")},
    "previewNamespaceId": "id-of-preview-namespace",
}
