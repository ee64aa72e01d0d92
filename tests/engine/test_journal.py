"""Whatever happens, the state contains every existing resource, in an order that Pulumi accepts."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ProviderError
from pulumi_state.aliases import Alias
from pulumi_state.snapshot import ResourceState
from tests.engine.lab import EXCLUSIVE, GROUP, THING, Lab, Res, group

NAMES = ("n0", "n1", "n2", "n3", "n4", "n5")
VERBS = ("create", "update", "delete")


@dataclass
class Plan:
    """One run: a program and its failures."""

    program: list[Res]
    failing: set[str] = field(default_factory=set)
    partial: set[str] = field(default_factory=set)
    stop_at: int | None = None
    """The call during which the user presses Ctrl-C."""
    parallel: int = 4


@st.composite
def programs(draw: st.DrawFn) -> list[Res]:
    program: list[Res] = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        type_ = draw(st.sampled_from((THING, THING, EXCLUSIVE, GROUP)))
        custom = [res.name for res in program if res.type != GROUP]
        groups = [res.name for res in program if res.type == GROUP]
        some = st.lists(st.sampled_from(custom), unique=True, max_size=2) if custom else st.just([])
        program.append(
            Res(
                name,
                inputs={"x": draw(st.integers(1, 2)), "r": draw(st.integers(1, 2))} if type_ != GROUP else {},
                refs=draw(some) if type_ != GROUP else [],
                after=draw(some),
                parent=draw(st.sampled_from(["", *groups])),
                type=type_,
                replaced_by_refs=draw(st.booleans()),
                outputs={"u": draw(st.integers(1, 2))} if type_ == GROUP else None,
            )
        )
    return program


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    calls = st.sets(st.builds(lambda verb, name: f"{verb} {name}", st.sampled_from(VERBS), st.sampled_from(NAMES)))
    return Plan(
        program=draw(programs()),
        failing=draw(calls) if draw(st.booleans()) else set(),
        partial=draw(calls) if draw(st.booleans()) else set(),
        stop_at=draw(st.one_of(st.none(), st.integers(1, 6))),
        parallel=draw(st.integers(1, 4)),
    )


def check_order(resources: list[ResourceState]) -> None:
    """Check that references point to earlier resources, and that each current resource is listed once."""
    seen: set[str] = set()
    for resource in resources:
        missing = resource.references() - seen
        assert not missing, f"{resource.urn} refers to {missing}, which do not stand before it"
        seen.add(resource.urn)
    current = [resource.urn for resource in resources if not resource.delete]
    assert len(current) == len(set(current)), "a resource stands twice"


def check_write(lab: Lab, text: str) -> None:
    """Check that if the process were killed now, every existing resource could be found."""
    latest = json.loads(text)["checkpoint"]["latest"]
    listed = latest.get("resources", [])
    pending = latest.get("pending_operations", [])
    known = {item.get("id") for item in listed} | {item["resource"].get("id") for item in pending}
    being_made = {item["resource"].get("inputs", {}).get("label") for item in pending if item["type"] == "creating"}
    lost = {
        resource_id: properties["label"]
        for resource_id, properties in lab.cloud.objects.items()
        if resource_id not in known and properties["label"] not in being_made
    }
    assert not lost, f"in the cloud and not in the state: {lost}"


def run(lab: Lab, plan: Plan) -> bool:
    lab.cloud.failing = {call: ProviderError("injected") for call in plan.failing}
    lab.cloud.partial = set(plan.partial)
    before = len(lab.cloud.calls)

    def on_call(_call: str) -> None:
        if plan.stop_at is not None and len(lab.cloud.calls) - before >= plan.stop_at and lab.deployment is not None:
            lab.deployment.fail("canceled")

    lab.cloud.on_call = on_call
    done = lab.up(*plan.program, parallel=plan.parallel)
    snapshot = lab.snapshot()
    check_order(snapshot.resources)
    assert snapshot.pending_operations == []
    in_state = [
        resource.id
        for resource in snapshot.resources
        if resource.type in (THING, EXCLUSIVE) and not resource.pending_replacement
    ]
    assert sorted(in_state) == sorted(lab.cloud.objects), "state and cloud differ"
    return done.ok


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(st.lists(plans(), min_size=1, max_size=4), programs())
def test_state_and_cloud_stay_together(history: list[Plan], last: list[Res]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        lab.file.check = lambda text: check_write(lab, text)
        for plan in history:
            run(lab, plan)
        for _ in range(3):  # names that are taken may need another run, as in the cloud
            if run(lab, Plan(last)):
                break
        else:
            assert run(lab, Plan([])), "a destroy without faults succeeds"
            assert run(lab, Plan(last))
        assert {res.name for res in last} == set(lab.state())
        custom = [res for res in last if res.type != GROUP]
        assert sorted(found["label"] for found in lab.cloud.objects.values()) == sorted(res.name for res in custom)
        calls = len(lab.cloud.calls)
        again = lab.up(*last)
        assert again.ok
        assert again.changes.keys() <= {"same"}
        assert len(lab.cloud.calls) == calls
        preview = lab.preview()
        assert preview.changes.get("delete", 0) == len(last)
        assert run(lab, Plan([]))
        assert lab.cloud.objects == {}
        assert lab.snapshot().resources == []


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(programs(), st.data())
def test_renames_keep_everything(program: list[Res], data: st.DataObject) -> None:
    """All resources are renamed with aliases while some updates fail: none is created again."""
    failing = data.draw(st.sets(st.sampled_from([f"update {name}" for name in NAMES])))
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        # Labels stay, as they are names in the cloud; so names in the program may change.
        if not run(lab, Plan(program)):
            return
        objects = dict(lab.cloud.objects)

        def renamed(res: Res) -> Res:
            return Res(
                f"new-{res.name}",
                inputs={**res.inputs, **({"label": res.name} if res.type != GROUP else {})},
                refs=[f"new-{name}" for name in res.refs],
                after=[f"new-{name}" for name in res.after],
                parent=f"new-{res.parent}" if res.parent else "",
                type=res.type,
                outputs=res.outputs,
                replaced_by_refs=res.replaced_by_refs,
                aliases=[Alias(name=res.name)],
            )

        changed = [renamed(res) for res in program]
        for res in changed:
            if data.draw(st.booleans()) and res.type != GROUP:
                res.inputs["x"] = 9
        run(lab, Plan(changed, failing=failing))
        assert run(lab, Plan(changed))
        assert set(lab.state()) == {res.name for res in changed}
        assert set(lab.cloud.objects) == set(objects)


def test_component_outputs_are_on_disk_at_the_end(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.up(group("g", outputs={"a": 1}))
    assert lab.document()["resources"][0]["outputs"] == {"a": 1}
