"""Small programs: what the engine supports beyond the project's own program, what it refuses, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import operations
from engine.request import Outcome, Request
from pulumi_state import snapshot, stack_reader, state_file
from pulumi_state.errors import PulumiError
from pulumi_state.state_file import StateFile
from tests.lab.small import PASSPHRASE, Small
from tests.support import embedded
from tests.support.environment import ROOT


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path / "small")


REFUSED = {
    "an explicit provider": ('scaleway.Provider("mine")', "explicit providers"),
    "import": (
        'scaleway.iam.Application("a", name="a", opts=pulumi.ResourceOptions(import_="x"))',
        "the import_ resource option",
    ),
    "retain on delete": (
        'scaleway.iam.Application("a", name="a", opts=pulumi.ResourceOptions(retain_on_delete=True))',
        "the retain_on_delete resource option",
    ),
    "a package, before what is asked for its resources": (
        "import pulumi_docker\n"
        'pulumi_docker.Image("a", image_name="x/y:1", opts=pulumi.ResourceOptions(retain_on_delete=True))',
        "the docker package (resource a)",
    ),
    "a type that the program does not use": (
        'scaleway.kubernetes.Cluster("a", version="1", cni="cilium", delete_additional_resources=True)',
        "kubernetes",
    ),
    "another function": ("scaleway.iam.get_user(email='a@b.c')", "the function scaleway:iam/getUser:getUser"),
    "a property that is not supported": (
        'scaleway.domain.Record("r", dns_zone="z", name="n", type="A", data="1.1.1.1", geo_ip={"matches": []})',
        "geoIp",
    ),
    "a name of its own": ('scaleway.iam.Application("a")', "set `name`"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_supported_is_refused_by_name(small: Small, case: str) -> None:
    program, named = REFUSED[case]
    ran = small.do(embedded.preview, program)
    assert not ran.ok
    assert any(named in said for said in ran.errors()), ran.errors()
    assert not small.state.exists()


def test_a_program_that_fails_shows_its_own_lines_only(small: Small) -> None:
    ran = small.do(embedded.preview, "def wrong():\n    raise ValueError('so it is')\nwrong()\n")
    assert not ran.ok
    (said,) = ran.errors()
    assert "ValueError: so it is" in said
    assert "__main__.py" in said
    assert "launch.py" not in said


def test_another_program_s_modules_are_imported_when_it_runs(small: Small) -> None:
    """Once, and not ahead, as they may need the configuration."""
    small.module("infra/__init__.py", "")
    small.module("infra/program.py", "import pulumi\nprint('imported for', pulumi.get_stack())\n")
    ran = small.do(embedded.preview, "import infra.program\n")
    assert ran.ok, ran.errors()
    assert [message for message in ran.messages() if "imported" in message] == ["imported for dev"]


def test_an_error_in_a_module_that_is_imported_ahead_is_shown_as_the_program_s(small: Small) -> None:
    for name in ("__init__", "program"):
        small.module(f"infra/{name}.py", (ROOT / f"infra/{name}.py").read_text())
    small.module("gitrepo.py", "GitError = OSError\n")
    small.module("infra/environment.py", "raise ValueError('so it is')\n")
    ran = small.do(embedded.preview, "import infra.program\n")
    assert not ran.ok
    (said,) = ran.errors()
    assert "ValueError: so it is" in said
    assert "infra/environment.py" in said
    assert "launch.py" not in said


def test_a_program_that_ends_the_process(small: Small) -> None:
    ran = small.do(embedded.preview, "import os\nos._exit(7)\n")
    assert not ran.ok
    assert ran.errors() == ["the program exited with status 7"]


def test_aliases_ignored_changes_reads_and_logs(small: Small) -> None:
    small.write("")
    small.cloud.start_cloud()
    try:
        first = small.do(
            embedded.up,
            """
            print("printed")
            pulumi.log.warn("logged")
            app = scaleway.iam.Application("old", name="app", description="one")
            pulumi.export("id", app.id)
            pulumi.export("hidden", pulumi.Output.secret("h1dden"))
            """,
        )
        assert first.ok, first.errors()
        assert "h1dden" not in small.state.read_text() + json.dumps(first.events)
        assert {"printed", "logged"} <= set(first.messages())

        second = small.do(
            embedded.up,
            """
            me = pulumi.StackReference("dev")
            app = scaleway.iam.Application("new", name="app", description="two", opts=pulumi.ResourceOptions(
                aliases=[pulumi.Alias(name="old")], ignore_changes=["description"]))
            pulumi.export("was", me.require_output("id"))
            pulumi.export("hidden", me.require_output("hidden"))
            """,
        )
        assert second.ok, second.errors()
        assert second.outcome.changes["same"] == 2
        assert "create" not in second.outcome.changes
        found = stack_reader.outputs(StateFile(f"file://{small.folder}", "small", "dev"), PASSPHRASE)
        assert found["was"]
        assert "h1dden" not in small.state.read_text()

        gone = small.do(operations.destroy, "")
        assert gone.ok, gone.errors()
        assert small.names() == set()
    finally:
        small.cloud.stop_cloud()


def test_a_stack_with_a_protected_resource_is_not_destroyed_at_all(small: Small) -> None:
    """Pulumi would delete the rest before it fails."""
    program = """
        scaleway.iam.Application("open", name="open")
        scaleway.iam.Application("kept", name="kept", opts=pulumi.ResourceOptions(protect=True))
        """
    small.write("")
    small.cloud.start_cloud()
    try:
        assert small.do(embedded.up, program).ok
        before = small.latest()["resources"]
        for operation in (operations.preview_destroy, operations.destroy):
            refused = small.do(operation, program)
            assert not refused.ok
            assert [said for said in refused.errors() if "kept" in said and "protected" in said]
            assert refused.outcome.changes == {}
        assert small.latest()["resources"] == before
    finally:
        small.cloud.stop_cloud()


@pytest.mark.parametrize(
    "operation", [embedded.up, operations.refresh, operations.destroy, embedded.preview, operations.preview_destroy]
)
def test_a_state_with_resources_of_another_package_is_left_alone(
    small: Small, operation: Callable[[Request], Outcome]
) -> None:
    program = 'pulumi.export("a", 1)'
    assert small.do(embedded.up, program).ok
    state = json.loads(small.state.read_text())
    root = state["checkpoint"]["latest"]["resources"][0]
    image = {"urn": "urn:pulumi:dev::small::docker:index/image:Image::front", "type": "docker:index/image:Image"}
    state["checkpoint"]["latest"]["resources"].append({**image, "custom": True, "id": "x", "parent": root["urn"]})
    written = json.dumps(state)
    small.state.write_text(written)
    with pytest.raises(PulumiError, match=r"the docker package \(used in the state by front\); use the Pulumi CLI"):
        small.do(operation, program)
    assert small.state.read_text() == written


def test_a_lock_that_is_held_is_named(small: Small) -> None:
    small.write("")
    folder = small.folder / ".pulumi" / "locks" / "organization" / "small" / "dev"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps({"pid": 1, "username": "ann", "hostname": "there", "timestamp": "t"}))
    with pytest.raises(PulumiError, match="locked by ann@there"):
        small.do(embedded.up, "")


_SLOW = """
space = scaleway.containers.Namespace("space", name="space")
scaleway.iam.Application("later", name="later", opts=pulumi.ResourceOptions(depends_on=[space]))
"""


def _in_the_middle(small: Small, transitions: float = 3.0) -> subprocess.Popen[str]:
    """An update whose first resource is being created."""
    small.write(_SLOW)
    small.cloud.start_cloud(transitions)
    process = small.start("up")
    deadline = time.monotonic() + 60
    while not _creating(small):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def _creating(small: Small) -> bool:
    if not small.state.exists():
        return False
    pending = small.latest().get("pending_operations", [])
    return any(item["resource"]["urn"].endswith("::space") for item in pending)


@pytest.fixture
def slow(small: Small) -> Any:
    yield small
    small.cloud.stop_cloud()


def test_the_first_ctrl_c_lets_running_operations_end(slow: Small) -> None:
    process = _in_the_middle(slow)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert "OUTCOME False" in output
    assert process.returncode == 0
    assert "pending_operations" not in slow.latest()
    assert "space" in slow.names()
    assert "later" not in slow.names()
    assert slow.locks() == []

    again = slow.do(embedded.up, _SLOW)
    assert again.ok, again.errors()
    assert {"space", "later"} <= slow.names()


def test_the_second_ctrl_c_ends_at_once_with_the_operation_on_record(slow: Small) -> None:
    process = _in_the_middle(slow, transitions=120.0)
    process.send_signal(signal.SIGINT)
    assert process.stdout
    assert any(line.startswith("DIAGNOSTIC cancelled: ") for line in process.stdout), "the first one was not noticed"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)  # far less than the namespace needs to become ready
    assert process.returncode != 0
    assert "OUTCOME" not in output
    assert [item["type"] for item in slow.latest()["pending_operations"]] == ["creating"]
    assert slow.locks() == []


def test_a_killed_update_leaves_its_operation_on_record(slow: Small) -> None:
    process = _in_the_middle(slow)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert [item["type"] for item in slow.latest()["pending_operations"]] == ["creating"]
    assert len(slow.locks()) == 1

    # The lock of a dead process is no obstacle, and the next run says what is not known.
    ran = slow.do(operations.refresh, _SLOW)
    assert ran.ok, ran.errors()
    warnings = [event["diagnosticEvent"]["message"] for event in ran.events if "diagnosticEvent" in event]
    assert any(
        "creating urn:pulumi:dev::small::scaleway:containers/namespace:Namespace::space" in said for said in warnings
    )
    assert slow.locks() == []


def test_many_containers_take_linear_work(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events, requests, writes and encoded resources grow with the number of resources, not with its square.

    How many operations one write serves depends on the machine: of writes and encodings only the most is known.
    """
    done: Counter[str] = Counter()
    _count_calls(monkeypatch, done, "writes", state_file.StateFile, "write")
    _count_calls(monkeypatch, done, "encodings", snapshot, "resource_to_json")
    small.write("")
    small.cloud.start_cloud()
    program = """
    space = scaleway.containers.Namespace("space", name="space")
    for index in range(COUNT):
        scaleway.containers.Container(f"c{index}", name=f"c{index}", namespace_id=space.id, image="nginx:latest")
    """
    try:
        events: dict[int, int] = {}
        requests: dict[int, int] = {}
        for count in (10, 100):
            done.clear()
            earlier = small.requests()
            ran = small.do(embedded.up, program.replace("COUNT", str(count)))
            assert ran.ok, ran.errors()
            events[count] = len([event for event in ran.events if "resourcePreEvent" in event])
            requests[count] = small.requests() - earlier
            resources = len(small.names())
            assert resources <= done["encodings"] <= 3 * resources, done
            assert 0 < done["writes"] <= 3 * resources, done
            assert small.do(operations.destroy, "").ok
        assert events[100] - events[10] == 90
        assert requests[100] <= 10 * requests[10]
    finally:
        small.cloud.stop_cloud()


def _count_calls(monkeypatch: pytest.MonkeyPatch, done: Counter[str], key: str, owner: Any, name: str) -> None:
    original = getattr(owner, name)

    def counted(*arguments: Any, **named: Any) -> Any:
        done[key] += 1
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, counted)
