"""The check of a container's status: by a hook after a change, and by the program if nothing changes."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks as pulumi_mocks

from infra.components import health
from infra.components.containers import ContainerApp, ContainerAppArgs
from tests.support.mocks import Cloud, run

ERROR = {"status": "error", "errorMessage": "port 8080 is silent"}
SAYS = "container ci-api is in error: port 8080 is silent\nTo show its log: logs api"


class Containers(Cloud):
    """A platform with one container, whose status is reported after its creation and for each later look-up."""

    def __init__(self, created: dict[str, str], *later: dict[str, str]) -> None:
        super().__init__()
        self.created = created
        self.later = [*later]

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        identity, outputs = super().new_resource(args)
        is_container = args.typ == "scaleway:containers/container:Container"
        return identity, outputs | (self.created if is_container else {})

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        assert args.token == "scaleway:containers/getContainer:getContainer"
        self.calls.append((args.token, dict(args.args)))
        return {**args.args, **self.later.pop(0)}, []


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_POLL_SECONDS", 0.0)


def api(cloud: Cloud, **options: Any) -> list[tuple[str, dict[str, Any]]]:
    """Runs a program with one app, and returns its look-ups."""

    def program() -> None:
        arguments = ContainerAppArgs(
            container_name="ci-api", namespace_id="n", image="i", cpu=256, memory=512, hint="To show its log: logs api"
        )
        pulumi.export("status", ContainerApp("api", arguments).status)

    return run(program, cloud=cloud, **options).calls


BOTH = pytest.mark.parametrize("hooks", [True, False], ids=["by the hook", "by the program"])


@BOTH
def test_a_container_that_is_ready_is_not_looked_up(hooks: bool) -> None:
    assert api(Containers({"status": "ready"}), hooks=hooks) == []


@BOTH
def test_a_container_in_error_fails_the_update_with_its_message(hooks: bool) -> None:
    with pytest.raises(pulumi.RunError) as raised:
        api(Containers(ERROR, ERROR), hooks=hooks)
    assert str(raised.value) == ('after hook "api-ready" failed: ' if hooks else "") + SAYS


@BOTH
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"status": "error", "errorMessage": ""}, "is in error: Scaleway gave no reason"),
        ({"status": "locked", "errorMessage": "unpaid"}, "is locked: unpaid"),
    ],
)
def test_other_problems(answer: dict[str, str], says: str, hooks: bool) -> None:
    with pytest.raises(pulumi.RunError, match=f"container ci-api {says}"):
        api(Containers(answer, answer), hooks=hooks)


@BOTH
def test_a_status_from_an_old_state_is_read_again(hooks: bool) -> None:
    (call,) = api(Containers(ERROR, {"status": "ready"}), hooks=hooks)
    assert call[1] == {"containerId": "id-of-api-container", "namespaceId": "n"}


@BOTH
def test_a_change_in_progress_is_waited_for(hooks: bool) -> None:
    updating = {"status": "updating"}
    assert len(api(Containers(updating, updating, updating, {"status": "ready"}), hooks=hooks)) == 3
    with pytest.raises(pulumi.RunError, match="port 8080 is silent"):
        api(Containers(updating, updating, ERROR), hooks=hooks)


@BOTH
def test_a_wait_ends(monkeypatch: pytest.MonkeyPatch, hooks: bool) -> None:
    monkeypatch.setattr(health, "_WAIT_SECONDS", -60.0)
    monkeypatch.setattr(health, "_POLL_SECONDS", 3600.0)
    with pytest.raises(pulumi.RunError, match="container ci-api is still updating after"):
        api(Containers({"status": "updating"}, {"status": "updating"}), hooks=hooks)


def test_a_preview_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda message, _resource: said.append(message))
    cloud = Containers(ERROR)
    assert api(cloud, preview=True) == []
    assert said == []  # it does not exist yet

    monkeypatch.setattr(Cloud, "new_resource", lambda _self, args: ("id", dict(args.inputs)))
    assert api(cloud, preview=True) == []
    assert said == [SAYS]
