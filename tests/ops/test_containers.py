"""Looking at containers after an update."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from ops.containers import Api, Container, containers_in, wait_until_settled
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.operation_record import OperationRecord
from ops.readiness import require_ready, run_update
from ops.scaleway.catalogue import CONTAINER, CONTAINER_DOMAIN
from ops.scaleway.client import Client
from ops.session import Options
from ops.stacks import Stack, find_stack
from tests.support.environment import ROOT


def seen(record: OperationRecord, op: str, kind: str, name: str, outputs: dict[str, Any], identity: str) -> None:
    new = None if op == "delete" else {"id": identity, "type": kind, "outputs": outputs, "inputs": {}}
    urn = f"urn:pulumi:local::snu::{kind}::{name}"
    record.add({"resOutputsEvent": {"metadata": {"op": op, "urn": urn, "type": kind, "old": None, "new": new}}})


def test_unchanged_containers_are_looked_at_and_deleted_ones_are_not() -> None:
    record = OperationRecord()
    seen(record, "same", CONTAINER.token, "api", {"name": "local-api", "publicEndpoint": "https://x.y"}, "r/1")
    seen(record, "create", CONTAINER.token, "app", {"name": "local-app", "privacy": "private"}, "r/2")
    seen(record, "delete", CONTAINER.token, "old", {}, "r/3")
    for op in ("refresh", "create"):  # an apply shows both
        seen(record, op, CONTAINER_DOMAIN.token, f"app-domain-{op}", {"containerId": "r/2", "hostname": "app.z"}, "r/4")
    assert containers_in(record) == [
        Container("r/1", "local-api", ("x.y",)),
        Container("r/2", "local-app", ("app.z",), public=False),
    ]


class Cloud:
    """Containers whose statuses follow a script; time passes only while somebody sleeps."""

    def __init__(self, **scripts: list[str]) -> None:
        self.scripts = scripts
        self.time = 0.0
        self.said: list[list[str]] = []

    def look(self, container: Container) -> Container:
        script = self.scripts[container.name]
        return replace(container, status=script.pop(0) if len(script) > 1 else script[0])

    def wait(self, seconds: float = 10) -> dict[str, str]:
        settled = wait_until_settled(
            self.look,
            [Container(name, name) for name in self.scripts],
            seconds=seconds,
            poll_seconds=1,
            progress=lambda waiting: self.said.append([container.name for container in waiting]),
            clock=lambda: self.time,
            sleep=self.sleep,
        )
        return {container.name: container.status for container in settled}

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_waits_for_those_on_their_way_only() -> None:
    cloud = Cloud(a=["creating", "ready"], b=["error"], c=["ready"])
    assert cloud.wait() == {"a": "ready", "b": "error", "c": "ready"}
    assert cloud.said == [["a"]]


def test_gives_up_after_the_time_allowed() -> None:
    cloud = Cloud(a=["creating"])
    assert cloud.wait(seconds=3) == {"a": "creating"}
    assert cloud.time == 3


@pytest.mark.parametrize(
    ("script", "waited"),
    [
        (["no response from Scaleway"], 30),
        (["creating"] * 20 + ["no response from Scaleway"], 49),
        (["no response from Scaleway", "creating"] * 50 + ["ready"], 100),
    ],
)
def test_gives_up_when_scaleway_is_silent(script: list[str], waited: int) -> None:
    cloud = Cloud(a=script)
    cloud.wait(seconds=600)
    assert cloud.time == waited


def api_of_scaleway(answer: httpx.Response) -> Api:
    """``Api`` with a Scaleway that always gives this answer."""
    stack = Stack(Path(), "ci", {}, "passphrase")
    api = Api(stack, {"SCW_SECRET_KEY": "hush-hush"})
    api._client = Client(api._client.profile, transport=httpx.MockTransport(lambda _: answer))
    return api


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (httpx.Response(200, json={"status": "ready", "error_message": None}), "ready", ""),
        (httpx.Response(200, json={"status": "error", "error_message": "no port"}), "error", "no port"),
        (httpx.Response(429), "no response from Scaleway", ""),
        (httpx.Response(503), "no response from Scaleway", ""),
    ],
)
def test_a_container_has_the_status_that_scaleway_gives(answer: httpx.Response, status: str, message: str) -> None:
    found = api_of_scaleway(answer).current(Container("fr-par/1", "api"))
    assert (found.status, found.error_message) == (status, message)


def test_a_container_that_the_key_may_not_see_is_not_checked() -> None:
    refused = httpx.Response(403, json={"message": "insufficient permissions"})
    with pytest.raises(OpsError) as raised:
        api_of_scaleway(refused).current(Container("fr-par/1", "z.fr", kind=CONTAINER_DOMAIN))
    assert str(raised.value) == (
        "z.fr was not checked: Scaleway returned 403 for GET /containers/v1/regions/fr-par/domains/1: "
        "insufficient permissions"
    )
    assert raised.value.code is ExitCode.CONTAINERS


def test_containers_are_not_checked_without_a_key() -> None:
    with pytest.raises(OpsError, match="The containers were not checked: ci: no Scaleway API key") as raised:
        Api(Stack(Path(), "ci", {}, "passphrase"), {})
    assert raised.value.code is ExitCode.CONTAINERS


def api_that_answers(monkeypatch: pytest.MonkeyPatch, answer: httpx.Response | Exception) -> Api:
    def get(*_: object) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Api, "_get", get)
    stack = Stack(Path(), "local", {"scaleway:apiUrl": "http://127.0.0.1:1", "scaleway:secretKey": "k"}, "passphrase")
    return Api(stack, {})


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (httpx.Response(200, json={"version": "4f2a"}), ""),
        (httpx.Response(200, json={"version": "3e19"}), "reports version 3e19, expected 4f2a"),
        (httpx.Response(200, json=["4f2a"]), "reports no version"),
        (httpx.Response(200, text="<html>"), "reports no version"),
        (httpx.Response(404), "answered 404"),
        (httpx.Response(200, text="page", headers={"X-Local-Scaleway": "page"}), ""),
        (httpx.Response(503, text="page", headers={"X-Local-Scaleway": "page"}), "answered 503"),
        (httpx.ConnectError("refused"), "no response (refused)"),
    ],
)
def test_a_container_says_its_version(
    monkeypatch: pytest.MonkeyPatch, answer: httpx.Response | Exception, wrong: str
) -> None:
    found = api_that_answers(monkeypatch, answer).wrong_version("api.test", "/health/version", "4f2a")
    assert found.startswith(wrong)
    assert bool(found) == bool(wrong)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (httpx.Response(200), ""),
        (httpx.Response(404), ""),
        (httpx.Response(502), "answered 502"),
        (httpx.ConnectError("refused"), "no response (refused)"),
    ],
)
def test_an_update_fails_if_a_url_that_it_checks_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: httpx.Response | Exception,
    wrong: str,
) -> None:
    api_that_answers(monkeypatch, answer)
    monkeypatch.setattr(Api, "current", lambda _self, container: replace(container, status="ready"))
    session: Any = SimpleNamespace(stack=find_stack(ROOT, "local"), environ={})
    container = Container("fr-par/1", "some-container", ("some.localhost",))
    require_ready(session, [container], 0, check_urls=False)
    assert "answered" not in capsys.readouterr().out
    if not wrong:
        require_ready(session, [container], 0, check_urls=True)
        assert capsys.readouterr().out.endswith("URLs: 1 of 1 answered\n")
        return
    with pytest.raises(OpsError, match=r"http://some.localhost:\d+ of container some-container: ") as failed:
        require_ready(session, [container], 0, check_urls=True)
    assert wrong in str(failed.value)
    assert failed.value.code is ExitCode.CONTAINERS
    assert capsys.readouterr().out.endswith("URLs: 0 of 1 answered\n")


def test_hosts_of_private_containers_are_not_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api_that_answers(monkeypatch, httpx.Response(200))
    monkeypatch.setattr(Api, "current", lambda _self, container: replace(container, status="ready"))
    session: Any = SimpleNamespace(stack=find_stack(ROOT, "local"), environ={})
    containers = [
        Container("fr-par/1", "api", ("api.localhost", "www.localhost")),
        Container("fr-par/2", "private", ("private.localhost",), public=False),
        Container("fr-par/3", "tasks"),
    ]
    require_ready(session, containers, 0, check_urls=True)
    assert capsys.readouterr().out.endswith("URLs: 2 of 2 answered\n")


def test_a_failed_update_names_failed_containers_and_what_was_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def add(record: OperationRecord, op: str, resource: str, **outputs: str) -> None:
        kind = CONTAINER.token if resource.endswith("-container") else CONTAINER_DOMAIN.token
        parent = f"urn:pulumi:stage::snu::snu:index:ContainerApp::{resource.partition('-')[0]}"
        new = {"id": f"r/{resource}", "type": kind, "outputs": outputs, "parent": parent, "custom": True}
        urn = f"urn:pulumi:stage::snu::{kind}::{resource}"
        body = {"metadata": {"op": op, "urn": urn, "type": kind, "old": None, "new": new}}
        record.add({"resourcePreEvent": body})
        record.add({"resOutputsEvent": body})

    planned, record = OperationRecord(), OperationRecord()
    for op, resource in (("create", "api-container"), ("create", "api-domain"), ("same", "app-container")):
        add(planned, op, resource)
    add(record, "create", "api-container", name="staging-api", status="error", errorMessage="no port")
    add(record, "same", "app-container", name="staging-app", status="ready")
    stack = find_stack(ROOT, "stage")
    monkeypatch.setitem(stack.config, "snu:promoteFrom", "ci")

    def fail(*_arguments: object) -> None:
        raise OpsError("stage: failed.", code)

    session = SimpleNamespace(stack=stack, environ={}, engine=SimpleNamespace(up=None), run=fail)
    display = SimpleNamespace(record=record)
    code = ExitCode.FAILED
    with pytest.raises(OpsError) as failed:
        run_update(session, Options(), display, planned)  # type: ignore[arg-type]  # stand-ins
    assert failed.value.code is ExitCode.CONTAINERS
    assert str(failed.value).splitlines() == [
        "stage: failed.",
        "Container staging-api is in error: no port",
        "Not started:",
        "  create api-domain",
        "To redeploy the same images: scripts/snu redeploy stage api",
        "To return to the previous release: scripts/snu rollback stage",
    ]

    code = ExitCode.CANCELLED
    with pytest.raises(OpsError, match=r"^stage: failed\.$") as cancelled:
        run_update(session, Options(), display, planned)  # type: ignore[arg-type]  # stand-ins
    assert cancelled.value.code is ExitCode.CANCELLED
