"""Resource hooks, called through the SDK of a real program. The Pulumi CLI 3.259 reports and keeps the same."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from engine import operations
from engine.hooks import Hook, HookError, Hooks
from pulumi_state.snapshot import ResourceState
from tests.lab.small import Ran, Small
from tests.support import embedded

_PROGRAM = """
    def hook(name, **options):
        def call(args):
            print("HOOK", name, args.name, bool(args.id), *(bool(each) for each in (
                args.old_inputs, args.new_inputs, args.old_outputs, args.new_outputs)))
            if name in {failing!r}:
                raise pulumi.RunError("no, thanks")
        return pulumi.ResourceHook(name, call, pulumi.ResourceHookOptions(**options))

    class Group(pulumi.ComponentResource):
        def __init__(self, name, opts=None):
            super().__init__("lab:index:Group", name, None, opts)
            self.register_outputs({{}})

    binding = pulumi.ResourceHookBinding(
        before_create=[hook("before-create", on_dry_run=True)],
        after_create=[hook("after-create"), hook("after-create-too", ignore_errors=True)],
        before_update=[hook("before-update")],
        after_update=[hook("after-update")],
        before_delete=[hook("before-delete")],
        after_delete=[hook("after-delete")],
    )
    group = Group("group", pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(after_create=[hook("group")])))
    if {registered!r}:
        app = scaleway.iam.Application(
            "app", name="app", description="{description}", opts=pulumi.ResourceOptions(hooks=binding))
        scaleway.iam.Application("next", name="next", description=app.name)
"""


def _run(small: Small, operation: Any, *failing: str, description: str = "one", registered: bool = True) -> Ran:
    return small.do(operation, _PROGRAM.format(failing=set(failing), description=description, registered=registered))


def _calls(ran: Ran) -> list[str]:
    messages = [event["diagnosticEvent"]["message"] for event in ran.events if "diagnosticEvent" in event]
    return [message.removeprefix("HOOK ") for message in messages if message.startswith("HOOK ")]


def _descriptions(small: Small) -> dict[str, str]:
    """By name, as in the state."""
    return {
        each["inputs"]["name"]: each["inputs"]["description"]
        for each in small.latest()["resources"]
        if each["type"].startswith("scaleway:iam")
    }


def test_hooks_are_called_around_operations(tmp_path: Path) -> None:
    small = Small(tmp_path / "small")
    small.write("")
    small.cloud.start_cloud()
    try:
        preview = _run(small, embedded.preview)
        assert preview.ok, preview.errors()
        assert _calls(preview) == ["before-create app False False True False False"]

        refused = _run(small, embedded.up, "before-create")
        assert refused.errors() == ['before hook "before-create" failed: no, thanks']
        assert _descriptions(small) == {}

        failed = _run(small, embedded.up, "after-create", "after-create-too")
        assert failed.errors() == ['after hook "after-create" failed: no, thanks']
        assert _descriptions(small) == {"app": "one"}  # kept, and what depends on it was not started
        assert failed.outcome.changes["create"] == 1
        document = json.loads(small.state.read_text())
        assert (document["version"], document["features"]) == (4, ["hooks"])
        (app,) = [each for each in document["checkpoint"]["latest"]["resources"] if each["urn"].endswith("::app")]
        assert app["resourceHooks"]["AfterCreate"] == ["after-create", "after-create-too"]

        unchanged = _run(small, embedded.up)
        assert unchanged.ok, unchanged.errors()
        assert _calls(unchanged) == []
        assert _descriptions(small) == {"app": "one", "next": "app"}

        refused = _run(small, embedded.up, "before-update", description="two")
        assert refused.errors() == ['before hook "before-update" failed: no, thanks']
        assert _descriptions(small)["app"] == "one"
        failed = _run(small, embedded.up, "after-update", description="two")
        assert failed.errors() == ['after hook "after-update" failed: no, thanks']
        assert _descriptions(small)["app"] == "two"
        assert _calls(failed) == [
            "before-update app True True True True False",
            "after-update app True True True True True",
        ]

        refused = _run(small, embedded.up, "before-delete", registered=False)
        assert refused.errors() == ['before hook "before-delete" failed: no, thanks']
        deleted = _run(small, embedded.up, registered=False)
        assert deleted.ok, deleted.errors()
        assert _calls(deleted) == [
            "before-delete app True True False True False",
            "after-delete app True True False True False",
        ]

        again = _run(small, embedded.up, "after-create-too", description="three")
        assert again.ok, again.errors()
        warnings = [
            event["diagnosticEvent"]["message"]
            for event in again.events
            if event.get("diagnosticEvent", {}).get("severity") == "warning"
        ]
        assert warnings == ['AfterCreate hook "after-create-too" failed: no, thanks']

        gone = small.do(operations.destroy, "")  # the program, which has the hooks, does not run
        assert gone.errors() == ['hook "before-delete" was not registered']
    finally:
        small.cloud.stop_cloud()


def test_the_hook_of_a_component_is_called_for_its_outputs(tmp_path: Path) -> None:
    small = Small(tmp_path / "small")
    failed = _run(small, embedded.up, "group", registered=False)
    assert failed.errors() == ['after hook "group" failed: no, thanks']


def test_names_are_unique() -> None:
    hooks = Hooks()
    hooks.register(Hook("a", "127.0.0.1:1", "t"))
    with pytest.raises(HookError, match='resource hook already registered for name "a"'):
        hooks.register(Hook("a", "127.0.0.1:1", "t"))
    with pytest.raises(HookError, match="resource hook name cannot be empty"):
        hooks.register(Hook("", "127.0.0.1:1", "t"))
    with pytest.raises(HookError, match='hook "b" was not registered'):
        hooks.find("b")


def test_a_program_that_no_longer_runs() -> None:
    async def call() -> None:
        await Hooks().call(Hook("a", "127.0.0.1:1", "t"), ResourceState("urn:pulumi:a::b::c::d", "c", True))

    with pytest.raises(HookError, match="connect"):
        asyncio.run(call())
