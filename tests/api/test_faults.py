"""Fault injection through the control API."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from localcloud.api.faults.kinds import FAULTS
from localcloud.api.faults.reference import tables
from tests.support.local_scaleway import HTTP, Client, Server
from tests.support.seed import OWNER_SECRET_KEY

FAULT_RULES = "/_local/faults"
NAMESPACES = "/containers/v1/regions/fr-par/namespaces"
CONTAINERS = "/containers/v1/regions/fr-par/containers"
KEY = {"X-Auth-Token": OWNER_SECRET_KEY}
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "faults.md"


@pytest.fixture
def faults(api: Client) -> Iterator[Callable[..., Any]]:
    """Adds a rule; all rules are cleared after the test."""
    yield lambda fault, **rule: api.create(FAULT_RULES, fault=fault, **rule)
    api("DELETE", FAULT_RULES)


@pytest.fixture
def namespace(api: Client) -> str:
    return str(api.create(NAMESPACES, name="n")["id"])


Add = Callable[..., Any]


def test_rules_are_added_listed_and_cleared(api: Client, faults: Add) -> None:
    first = faults("latency", milliseconds=0)
    second = faults("server_error", match={"path": "*/nowhere"}, nth=[2, 3], times=1)
    assert [rule["id"] for rule in api("GET", FAULT_RULES)["faults"]] == [first["id"], second["id"]]
    api("GET", "/account/v3/projects")
    assert api("GET", FAULT_RULES)["faults"][0]["struck"] == 1
    api("DELETE", f"{FAULT_RULES}/{first['id']}")
    api("DELETE", f"{FAULT_RULES}/{first['id']}", status=404)
    assert [rule["id"] for rule in api("GET", FAULT_RULES)["faults"]] == [second["id"]]
    api("POST", "/_local/reset")
    assert api("GET", FAULT_RULES)["faults"] == []


@pytest.mark.parametrize(
    ("rule", "argument", "says"),
    [
        ({}, "fault", "must be one of container_error, certificate_failure"),
        ({"fault": "fire"}, "fault", "must be one of"),
        ({"fault": "latency", "colour": 1}, "colour", "is unknown; latency accepts fault, match, nth"),
        ({"fault": "latency", "milliseconds": -1}, "milliseconds", "must be a number from 0 to 600,000"),
        ({"fault": "latency", "milliseconds": True}, "milliseconds", "must be a number"),
        ({"fault": "server_error", "status": 501}, "status", "must be 500, 502, 503 or 504"),
        ({"fault": "dropped_connection", "when": "now"}, "when", "must be before or after"),
        ({"fault": "slow_transition"}, "seconds", "exactly one of seconds and factor is required"),
        ({"fault": "slow_transition", "seconds": 1, "factor": 2}, "seconds", "exactly one"),
        ({"fault": "container_error", "message": ""}, "message", "must be a string of 1 to"),
        ({"fault": "container_error", "match": {"resource": "domain"}}, "match.resource", "must be one of container"),
        ({"fault": "quota_reached", "match": {"method": "GET"}}, "match.method", "must be one of POST"),
        ({"fault": "quota_reached", "quota": 1.5}, "quota", "must be an integer"),
        ({"fault": "latency", "match": {"product": "ec2"}}, "match.product", "must be one of account, cockpit"),
        ({"fault": "latency", "match": {"product": "iam", "resource": "zone"}}, "match.resource", "api_key"),
        ({"fault": "latency", "match": {"host": "x"}}, "match.host", "expected: method, path"),
        ({"fault": "latency", "match": "GET"}, "match", "must be an object"),
        ({"fault": "latency", "nth": 0}, "nth", "at least 1"),
        ({"fault": "latency", "nth": []}, "nth", "at least 1"),
        ({"fault": "latency", "probability": 0}, "probability", "above 0 and at most 1"),
        ({"fault": "latency", "probability": 0.5, "seed": "x"}, "seed", "must be an integer"),
        ({"fault": "latency", "seed": 1}, "seed", "requires probability"),
        ({"fault": "latency", "times": 0}, "times", "at least 1"),
        ({"fault": "latency", "skip": -1}, "skip", "at least 0"),
        ({"fault": "hold", "when": "now"}, "when", "must be before or after"),
    ],
)
def test_an_invalid_rule_is_rejected(api: Client, rule: dict[str, Any], argument: str, says: str) -> None:
    assert says in api.refused("POST", FAULT_RULES, rule, argument)
    assert api("GET", FAULT_RULES)["faults"] == []


def test_container_error(api: Client, faults: Add, namespace: str) -> None:
    faults("container_error", message="port 8080 is silent", match={"name": "b"}, times=2)
    good = api.create(CONTAINERS, namespace_id=namespace, name="a", image="x")
    bad = api.create(CONTAINERS, namespace_id=namespace, name="b", image="x")
    assert (good["status"], bad["status"]) == ("ready", "error")
    assert bad["error_message"] == "port 8080 is silent"
    api("PATCH", f"{CONTAINERS}/{bad['id']}", {"port": 81})
    assert api("GET", f"{CONTAINERS}/{bad['id']}")["status"] == "error"
    mended = api("PATCH", f"{CONTAINERS}/{bad['id']}", {"port": 82})
    assert (mended["status"], mended["error_message"]) == ("ready", "")


def test_a_container_shows_its_error_only_after_the_transition(api: Client, faults: Add, namespace: str) -> None:
    api("POST", "/_local/transitions", {"seconds": 60})
    faults("container_error")
    container = api.create(CONTAINERS, namespace_id=namespace, name="a", image="x")
    assert (container["status"], container["error_message"]) == ("creating", "")


def test_certificate_failure(api: Client, faults: Add, namespace: str) -> None:
    faults("certificate_failure")
    container = api.create(CONTAINERS, namespace_id=namespace, name="a", image="x")
    domain = api.create(
        "/containers/v1/regions/fr-par/domains", container_id=container["id"], hostname="a.elsewhere.test"
    )
    assert domain["status"] == "error"
    assert "HTTP-01" in domain["error_message"]


def test_slow_transitions_of_one_kind(api: Client, faults: Add, namespace: str) -> None:
    faults("slow_transition", seconds=60, match={"resource": "container"})
    assert api.create(CONTAINERS, namespace_id=namespace, name="a", image="x")["status"] == "creating"
    assert api.create(NAMESPACES, name="other")["status"] == "ready"
    api("DELETE", FAULT_RULES)
    api("POST", "/_local/transitions", {"seconds": 0.001})
    faults("slow_transition", factor=1_000)
    slow = api.create(NAMESPACES, name="slow")
    assert api("GET", f"{NAMESPACES}/{slow['id']}")["status"] == "creating"


@pytest.mark.parametrize(
    ("rule", "status", "type_"),
    [
        ({"fault": "transient_state"}, 409, "transient_state"),
        ({"fault": "too_many_requests", "retry_after": 2.5}, 429, None),
        *[({"fault": "server_error", "status": status}, status, None) for status in (500, 502, 503, 504)],
        ({"fault": "quota_reached"}, 403, "quotas_exceeded"),
    ],
)
def test_an_injected_error_changes_nothing(
    api: Client, faults: Add, rule: dict[str, Any], status: int, type_: str | None
) -> None:
    faults(**rule, times=1)
    answer = api("POST", NAMESPACES, {"name": "n"}, status=status)
    assert answer.get("type") == type_
    assert api("GET", NAMESPACES)["namespaces"] == []
    api.create(NAMESPACES, name="n")


def test_retry_after_is_a_header(server: Server, faults: Add) -> None:
    faults("too_many_requests", retry_after=2.5)
    assert HTTP.get(f"{server.url}/account/v3/projects", headers=KEY).headers["Retry-After"] == "2.5"


@pytest.mark.parametrize(("when", "left"), [("before", 0), ("after", 1)])
def test_dropped_connection_before_or_after_execution(
    server: Server, api: Client, faults: Add, when: str, left: int
) -> None:
    faults("dropped_connection", when=when, match={"method": "POST"}, times=1)
    with pytest.raises(httpx.TransportError):
        HTTP.post(server.url + NAMESPACES, json={"name": "n"}, headers=KEY)
    assert len(api("GET", NAMESPACES)["namespaces"]) == left
    assert "499" in server.log
    assert "Traceback" not in server.log


def test_server_error_after_execution(api: Client, faults: Add) -> None:
    faults("server_error", status=504, when="after", match={"method": "POST"})
    api("POST", NAMESPACES, {"name": "n"}, status=504)
    assert len(api("GET", NAMESPACES)["namespaces"]) == 1


def test_latency_affects_matching_requests_only(server: Server, api: Client, faults: Add) -> None:
    faults("latency", milliseconds=150, match={"product": "iam"})
    assert HTTP.get(f"{server.url}/iam/v1alpha1/users", headers=KEY).elapsed.total_seconds() >= 0.15
    assert HTTP.get(f"{server.url}/account/v3/projects", headers=KEY).elapsed.total_seconds() < 0.15


def test_the_first_response_wins_and_latencies_add_up(server: Server, api: Client, faults: Add) -> None:
    """Rules apply before authentication, and the log names those that apply."""
    rules = [faults("latency", milliseconds=60, match={"product": "iam"}) for _ in range(2)]
    rules += [faults("server_error", status=status, match={"product": "iam"}) for status in (503, 502)]
    answer = HTTP.get(f"{server.url}/iam/v1alpha1/users", headers={"X-Auth-Token": "no key"})
    assert answer.status_code == 503
    assert answer.elapsed.total_seconds() >= 0.12
    assert server.says(" ".join(f"[{rule['id']} {rule['fault']}]" for rule in rules[:3]))


def test_nth_and_times(api: Client, faults: Add) -> None:
    faults("server_error", nth=[2, 3, 4], times=2)
    statuses = [api_status(api) for _ in range(5)]
    assert statuses == [200, 500, 500, 200, 200]


def test_skip(api: Client, faults: Add) -> None:
    faults("server_error", skip=2)
    assert [api_status(api) for _ in range(4)] == [200, 200, 500, 500]


@pytest.mark.parametrize(("when", "left"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("clear", [FAULT_RULES, "one"])
def test_a_request_is_held_until_its_rule_is_cleared(
    api: Client, faults: Add, when: str, left: int, clear: str
) -> None:
    rule = faults("hold", when=when, match={"method": "POST", "product": "containers"})
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(HTTP.post, api.url + NAMESPACES, json={"name": "n"}, headers=KEY)
        wait_until_struck(api)
        assert len(api("GET", NAMESPACES)["namespaces"]) == left
        assert not answer.done()
        api("DELETE", clear if clear == FAULT_RULES else f"{FAULT_RULES}/{rule['id']}")
        assert answer.result(10).status_code == 200
    assert len(api("GET", NAMESPACES)["namespaces"]) == 1


@pytest.mark.parametrize(("when", "carried_out"), [("before", False), ("after", True)])
def test_a_held_request_ends_with_its_client(
    server: Server, api: Client, faults: Add, when: str, carried_out: bool
) -> None:
    faults("hold", when=when, match={"method": "POST", "product": "containers"})
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port or 0)) as client:
        create_namespace(client, f"held-{when}")
        wait_until_struck(api)
    (rule,) = api("GET", FAULT_RULES)["faults"]
    assert server.says(f"connection closed [{rule['id']} hold]")
    api("DELETE", FAULT_RULES)
    made = {each["name"] for each in api("GET", NAMESPACES)["namespaces"]}
    assert (f"held-{when}" in made) is carried_out
    assert "Traceback" not in server.log


def test_a_held_request_is_dropped_when_its_client_ends_just_before_the_rule_is_cleared(
    server: Server, api: Client, faults: Add
) -> None:
    """The server wakes up to both."""
    faults("hold", match={"method": "POST", "product": "containers"})
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port or 0)) as client:
        create_namespace(client, "held")
        wait_until_struck(api)
        os.kill(server.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        cleared = pool.submit(api, "DELETE", FAULT_RULES)
        time.sleep(0.05)  # the request has reached the stopped server's socket
        os.kill(server.pid, signal.SIGCONT)
        cleared.result(10)
    assert api("GET", NAMESPACES)["namespaces"] == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_registry_is_held(api: Client, faults: Add, when: str) -> None:
    faults("hold", when=when, match={"path": "/v2/"})
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(HTTP.get, f"{api.url}/v2/")
        wait_until_struck(api)
        assert not answer.done()
        api("DELETE", FAULT_RULES)
        assert answer.result(10).status_code == 401


def test_a_server_stops_while_it_holds_a_request(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server, ThreadPoolExecutor(1) as pool:
        server.client().create(FAULT_RULES, fault="hold")
        answer = pool.submit(HTTP.get, f"{server.url}/account/v3/projects", headers=KEY)
        wait_until_struck(server.client())
        server.stop()
        with pytest.raises(httpx.TransportError):
            answer.result(10)
        assert "Traceback" not in server.log


def create_namespace(client: socket.socket, name: str) -> None:
    """Send the request, and do not wait for its response."""
    body = json.dumps({"name": name}).encode()
    head = f"POST {NAMESPACES} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {OWNER_SECRET_KEY}"
    client.sendall(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def wait_until_struck(api: Client) -> None:
    while not api("GET", FAULT_RULES)["faults"][0]["struck"]:
        time.sleep(0.005)


def api_status(api: Client) -> int:
    return HTTP.get(api.url + "/account/v3/projects", headers=KEY).status_code


def test_the_same_seed_affects_the_same_requests_in_any_order(api: Client, faults: Add) -> None:
    def struck(seed: int, names: list[str]) -> set[str]:
        api("DELETE", FAULT_RULES)
        faults("server_error", probability=0.5, seed=seed, match={"method": "POST", "product": "account"})
        answers = {
            name: HTTP.post(f"{api.url}/account/v3/projects", json={"name": name}, headers=KEY).status_code
            for name in names
        }
        return {name for name, status in answers.items() if status == 500}

    names = [f"p-{number}" for number in range(20)]
    first = struck(1, names)
    assert 3 < len(first) < 17
    assert struck(1, names[::-1]) == first
    assert struck(2, names) != first


def test_faults_apply_to_the_registry_but_not_to_the_control_api(server: Server, faults: Add, api: Client) -> None:
    faults("server_error", status=503)
    assert api("GET", "/_local/health")["version"]
    assert HTTP.get(f"{server.url}/v2/").status_code == 503


def test_a_restart_clears_faults(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        server.client().create(FAULT_RULES, fault="latency")
        server.stop()
        server.start()
        assert server.client()("GET", FAULT_RULES)["faults"] == []


def test_reference_and_documentation_cover_all_faults(api: Client) -> None:
    reference = api("GET", f"{FAULT_RULES}/reference")
    assert [entry["fault"] for entry in reference["faults"]] == list(FAULTS)
    assert tables() in DOCUMENT.read_text(), "run: python -m localcloud.api.faults.document"
