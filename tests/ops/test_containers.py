"""Looking at containers after an update."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.containers import CONTAINER_TYPE, DOMAIN_TYPE, Api, Container, containers_in, wait_until_settled
from ops.display.record import Record
from ops.stacks import Stack


def seen(record: Record, op: str, kind: str, name: str, outputs: dict[str, Any], identity: str) -> None:
    new = None if op == "delete" else {"id": identity, "outputs": outputs, "inputs": {}}
    urn = f"urn:pulumi:local::snu::{kind}::{name}"
    record.add({"resOutputsEvent": {"metadata": {"op": op, "urn": urn, "type": kind, "old": None, "new": new}}})


def test_unchanged_containers_are_looked_at_and_deleted_ones_are_not() -> None:
    record = Record()
    seen(record, "same", CONTAINER_TYPE, "api-container", {"name": "local-api", "publicEndpoint": "https://x.y"}, "r/1")
    seen(record, "create", CONTAINER_TYPE, "app-container", {"name": "local-app", "privacy": "private"}, "r/2")
    seen(record, "delete", CONTAINER_TYPE, "old-container", {}, "r/3")
    for op in ("refresh", "create"):  # an apply shows both
        seen(record, op, DOMAIN_TYPE, f"app-domain-{op}", {"containerId": "r/2", "hostname": "app.z"}, "r/4")
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
        (["no answer from Scaleway"], 30),
        (["creating"] * 20 + ["no answer from Scaleway"], 49),
        (["no answer from Scaleway", "creating"] * 50 + ["ready"], 100),
    ],
)
def test_gives_up_when_scaleway_is_silent(script: list[str], waited: int) -> None:
    cloud = Cloud(a=script)
    cloud.wait(seconds=600)
    assert cloud.time == waited


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
        (httpx.Response(200, json={"version": "3e19"}), "says that it is version 3e19, not 4f2a"),
        (httpx.Response(200, json=["4f2a"]), "says no version"),
        (httpx.Response(200, text="<html>"), "says no version"),
        (httpx.Response(404), "answers 404"),
        (httpx.Response(200, text="page", headers={"X-Local-Scaleway": "page"}), ""),
        (httpx.Response(503, text="page", headers={"X-Local-Scaleway": "page"}), "answers 503"),
        (httpx.ConnectError("refused"), "no answer (refused)"),
    ],
)
def test_a_container_says_its_version(
    monkeypatch: pytest.MonkeyPatch, answer: httpx.Response | Exception, wrong: str
) -> None:
    found = api_that_answers(monkeypatch, answer).wrong_version("api.test", "/health/version", "4f2a")
    assert found.startswith(wrong)
    assert bool(found) == bool(wrong)
