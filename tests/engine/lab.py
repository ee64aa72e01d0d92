"""A test bench for the deployment: an in-memory cloud, programs as lists of resources, and a state file."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.builtin import BuiltinProvider
from engine.deployment import Context, Deployment, FailedError
from engine.errors import ProviderError
from engine.events import EngineEvent, Events
from engine.goal import Goal
from engine.journal import Journal
from engine.plugin import ADD, DELETE, REPLACE_SUFFIX, UPDATE, Diff, PartialFailureError
from pulumi_state import urn as urns
from pulumi_state.aliases import Alias
from pulumi_state.errors import PulumiError
from pulumi_state.passphrase import Crypter
from pulumi_state.provider import ProviderRequest
from pulumi_state.snapshot import ResourceState, Snapshot, SnapshotEncoder
from pulumi_state.state_file import StateFile
from pulumi_state.values import UNKNOWN, PropertyMap, unwrap

STACK, PROJECT = "dev", "lab"
THING = "fake:index:Thing"
EXCLUSIVE = "fake:index:Exclusive"
"""A type with unique names, which is deleted before its replacement is created."""
GROUP = "lab:index:Group"
"""A component's type."""
FAKE = ProviderRequest("fake")
SALT = "v1:AAAAAAAAAAA=:v1:AAAA:AAAA"


def _replaces(key: str) -> bool:
    return key.startswith("r") and not key.startswith("ref")


class FakeCloud:
    """A provider with objects in memory. Inputs ``r``, ``r0``, … force a replacement; ``ref0``, … are IDs of others."""

    def __init__(self) -> None:
        self.objects: dict[str, PropertyMap] = {}
        self.calls: list[str] = []
        """``create a``, ``delete b``, …, as they began."""
        self.failing: dict[str, Exception] = {}
        """By call, as in ``calls``."""
        self.partial: set[str] = set()
        """Calls that do their work and then fail."""
        self.gates: dict[str, asyncio.Event] = {}
        """Calls that wait for an event."""
        self.on_call: Callable[[str], None] = lambda _call: None
        self._made = 0

    async def _call(self, verb: str, properties: PropertyMap) -> None:
        call = f"{verb} {properties.get('label')}"
        self.calls.append(call)
        self.on_call(call)
        await asyncio.sleep(0)
        if call in self.gates:
            await self.gates[call].wait()
        if call in self.failing:
            raise self.failing[call]

    def _partly(self, verb: str, resource_id: str) -> None:
        if f"{verb} {self.objects[resource_id].get('label')}" in self.partial:
            raise PartialFailureError("it does not become ready", resource_id, {**self.objects[resource_id]})

    def _check_references(self, properties: PropertyMap) -> None:
        for key, value in properties.items():
            if key.startswith("ref") and value not in self.objects:
                raise ProviderError(f"{key} names {value}, which does not exist")

    def check(self, type_: str, news: PropertyMap) -> tuple[PropertyMap, list[str]]:
        return news, ["bad is never allowed"] if "bad" in news else []

    def diff(self, type_: str, olds: PropertyMap, news: PropertyMap, ignore: list[str]) -> Diff:
        old, new = unwrap(olds), unwrap(news)
        detailed = {}
        for key in sorted((old.keys() | new.keys()) - {"id", *ignore}):
            if old.get(key) == new.get(key):
                continue
            kind = ADD if key not in old else DELETE if key not in new else UPDATE
            detailed[key] = kind + (REPLACE_SUFFIX if _replaces(key) else "")
        replaces = any(kind.endswith(REPLACE_SUFFIX) for kind in detailed.values())
        return Diff(detailed, delete_before_replace=replaces and type_ == EXCLUSIVE)

    def planned(self, type_: str, olds: PropertyMap | None, news: PropertyMap) -> PropertyMap:
        return {"id": UNKNOWN if olds is None else olds["id"], **news}

    async def create(self, type_: str, news: PropertyMap) -> tuple[str, PropertyMap]:
        await self._call("create", news)
        plain = unwrap(news)
        self._check_references(plain)
        if type_ == EXCLUSIVE and any(
            found.get("label") == plain["label"] and found["type"] == type_ for found in self.objects.values()
        ):
            raise ProviderError(f"the name {plain['label']} is taken")
        self._made += 1
        resource_id = f"id-{self._made}"
        self.objects[resource_id] = {**plain, "type": type_}
        self._partly("create", resource_id)
        return resource_id, {"id": resource_id, **plain}

    async def update(self, type_: str, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        await self._call("update", news)
        plain = unwrap(news)
        self._check_references(plain)
        self.objects[resource_id] = {**plain, "type": type_}
        self._partly("update", resource_id)
        return {"id": resource_id, **plain}

    async def delete(self, type_: str, resource_id: str, outputs: PropertyMap) -> None:
        await self._call("delete", outputs)
        for properties in self.objects.values():
            if resource_id in [value for key, value in properties.items() if key.startswith("ref")]:
                raise ProviderError(f"{resource_id} is in use by {properties['label']}")
        self.objects.pop(resource_id)

    async def read(
        self, type_: str, resource_id: str, inputs: PropertyMap, outputs: PropertyMap
    ) -> tuple[PropertyMap, PropertyMap] | None:
        await self._call("read", outputs or {"label": resource_id})
        found = self.objects.get(resource_id)
        if found is None:
            return None
        plain = {key: value for key, value in found.items() if key != "type"}
        return {**inputs, **plain}, {"id": resource_id, **plain}

    async def invoke(self, token: str, arguments: PropertyMap) -> PropertyMap:
        return {"token": token, **arguments}

    async def close(self) -> None:
        return None


@dataclass(frozen=True)
class Res:
    """A resource of a program; it refers to other resources by name."""

    name: str
    inputs: PropertyMap = field(default_factory=dict)
    refs: Sequence[str] = ()
    """Resources whose IDs become the inputs ``ref0``, ``ref1``, …"""
    after: Sequence[str] = ()
    """The option depends_on."""
    parent: str = ""
    type: str = THING
    outputs: PropertyMap | None = None
    """The outputs that a component registers."""
    protect: bool | None = None
    aliases: Sequence[Alias] = ()
    ignore_changes: Sequence[str] = ()
    delete_before_replace: bool | None = None
    additional_secret_outputs: Sequence[str] = ()
    replaced_by_refs: bool = False
    """Whether references force a replacement: they become the inputs ``r0``, ``r1``, …"""


@dataclass
class Run:
    """The result of one run."""

    events: list[EngineEvent]
    changes: Counter[str]
    ok: bool
    registered: dict[str, ResourceState]

    def steps(self, kind: str = "resourcePreEvent") -> list[str]:
        """``create a``, … in the order of the events, without unchanged resources."""
        steps = [event[kind]["metadata"] for event in self.events if kind in event]
        return [f"{step['op']} {urns.name_of(step['urn'])}" for step in steps if step["op"] != "same"]

    def errors(self) -> list[str]:
        return [
            event["diagnosticEvent"]["message"]
            for event in self.events
            if event.get("diagnosticEvent", {}).get("severity") == "error"
        ]

    def diff(self, name: str) -> dict[str, str]:
        for event in self.events:
            metadata = event.get("resourcePreEvent", {}).get("metadata", {})
            if metadata and urns.name_of(metadata["urn"]) == name:
                return {path: item["diffKind"] for path, item in (metadata["detailedDiff"] or {}).items()}
        raise AssertionError(f"no step of {name}")


class CheckedFile(StateFile):
    """A state file that checks every version that is written."""

    check: Callable[[str], None] = staticmethod(lambda _text: None)
    writes = 0

    @property
    def path(self) -> Path:
        """The checkpoint, as the backend is a folder."""
        return Path(self.location(self.key))

    def write(self, text: str) -> None:
        self.writes += 1
        self.check(text)
        super().write(text)


class Lab:
    """One stack and one cloud over several runs."""

    def __init__(self, folder: Path, cloud: FakeCloud | None = None) -> None:
        self.cloud = cloud or FakeCloud()
        self.crypter = Crypter(bytes(32), SALT)
        self.file = CheckedFile(f"file://{folder}", PROJECT, STACK)
        self.deployment: Deployment | None = None
        """The one that runs."""

    def snapshot(self) -> Snapshot:
        checkpoint = self.file.read()
        return checkpoint.snapshot(self.crypter) if checkpoint else Snapshot()

    def document(self) -> dict[str, Any]:
        latest: dict[str, Any] = json.loads(self.file.path.read_text())["checkpoint"]["latest"]
        return latest

    def state(self) -> dict[str, ResourceState]:
        """The current resources by name, without providers."""
        return {
            resource.name: resource
            for resource in self.snapshot().resources
            if not resource.delete and not resource.type.startswith("pulumi:")
        }

    def up(self, *program: Res, dry_run: bool = False, parallel: int = 8, targets: Sequence[str] = ()) -> Run:
        """``targets``: URNs of the only resources to change."""
        return asyncio.run(self.run(program, dry_run=dry_run, parallel=parallel, targets=targets))

    def preview(self, *program: Res, targets: Sequence[str] = ()) -> Run:
        return self.up(*program, dry_run=True, targets=targets)

    def context(
        self,
        events: Events,
        previous: Snapshot,
        *,
        dry_run: bool = False,
        parallel: int = 8,
        targets: Sequence[str] = (),
    ) -> Context:
        file = None if dry_run else self.file
        return Context(
            project=PROJECT,
            stack=STACK,
            config={},
            providers={"pulumi": BuiltinProvider(lambda _name: {"url": "http://a"}, {}), "fake": self.cloud},
            events=events,
            journal=Journal(previous, file, SnapshotEncoder(self.crypter), keeps_references=bool(targets)),
            dry_run=dry_run,
            parallel=parallel,
            targets=frozenset(targets),
        )

    async def run(
        self, program: Sequence[Res], *, dry_run: bool = False, parallel: int = 8, targets: Sequence[str] = ()
    ) -> Run:
        collected: list[EngineEvent] = []
        previous = self.snapshot()
        events = Events(collected.append, preview=dry_run)
        context = self.context(events, previous, dry_run=dry_run, parallel=parallel, targets=targets)
        deployment = self.deployment = Deployment(context, previous)
        registered: dict[str, asyncio.Task[ResourceState]] = {}
        for res in program:
            registered[res.name] = asyncio.create_task(_register(deployment, res, dict(registered)))
        results = await asyncio.gather(*registered.values(), return_exceptions=True)
        ok = not deployment.failed
        try:
            if ok:
                await deployment.finish()
        except PulumiError:
            ok = False
        await deployment.settle()
        await context.journal.flush()
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, PulumiError):
                raise result
        states = {
            name: result for name, result in zip(registered, results, strict=True) if isinstance(result, ResourceState)
        }
        return Run(collected, deployment.changes, ok and not deployment.failed, states)


async def _register(deployment: Deployment, res: Res, others: dict[str, asyncio.Task[ResourceState]]) -> ResourceState:
    known = {name: await others[name] for name in (*res.refs, *res.after, *([res.parent] if res.parent else []))}
    prefix = "r" if res.replaced_by_refs else "ref"
    references = {f"{prefix}{index}": known[name].id or UNKNOWN for index, name in enumerate(res.refs)}
    custom = res.type != GROUP
    goal = Goal(
        type=res.type,
        name=res.name,
        custom=custom,
        inputs={**({"label": res.name} if custom else {}), **references, **res.inputs},
        parent=known[res.parent].urn if res.parent else "",
        protect=res.protect,
        dependencies=sorted({known[name].urn for name in (*res.refs, *res.after)}),
        property_dependencies={f"{prefix}{index}": [known[name].urn] for index, name in enumerate(res.refs)},
        provider=ProviderRequest(res.type.split(":")[0]) if custom else None,
        delete_before_replace=res.delete_before_replace,
        ignore_changes=list(res.ignore_changes),
        additional_secret_outputs=list(res.additional_secret_outputs),
        aliases=list(res.aliases),
    )
    try:
        state = await deployment.register(goal)
    except FailedError:
        raise
    except PulumiError as error:
        raise deployment.fail(str(error)) from error  # as the resource monitor does
    if res.outputs is not None:
        await deployment.register_outputs(state.urn, res.outputs)
    return state


def group(name: str, **options: Any) -> Res:
    return Res(name, type=GROUP, **options)


def exclusive(name: str, inputs: PropertyMap | None = None, **options: Any) -> Res:
    return Res(name, inputs or {}, type=EXCLUSIVE, **options)
