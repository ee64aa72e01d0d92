"""How the provider layer reads, writes and compares properties, by kind of field."""

from __future__ import annotations

from typing import Any

import pytest
from argon2 import PasswordHasher

from engine.provider import _TYPES, ScalewayProvider
from engine.provider.client import Client
from engine.provider.fields import (
    from_seconds,
    go_duration,
    parse_duration,
    read_duration,
    same_duration,
    same_id,
    seconds,
    snake_case,
    write_duration,
)
from pulumi_state import schema
from pulumi_state.errors import UnsupportedError
from pulumi_state.values import UNKNOWN, PropertyMap, Secret

CONTAINER = "scaleway:containers/container:Container"
APPLICATION = "scaleway:iam/application:Application"
POLICY = "scaleway:iam/policy:Policy"
JOB = "scaleway:job/definition:Definition"
SECRET = "scaleway:secrets/secret:Secret"
DATABASE = "scaleway:databases/serverlessDatabase:ServerlessDatabase"
ALERTS = "scaleway:observability/alertManager:AlertManager"
NAMESPACE = "scaleway:containers/namespace:Namespace"

HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("s3cret")
PROBE = {"failureThreshold": 3, "interval": "10s", "timeout": "1s", "tcp": True, "http": None}
RULE = {"permissionSetNames": ["B", "A"], "projectIds": ["p"], "condition": "", "organizationId": ""}


@pytest.fixture
def provider() -> ScalewayProvider:
    return ScalewayProvider({"apiUrl": "http://127.0.0.1:1", "secretKey": "key", "projectId": "p"})


# Type, state, program, what differs.
DIFFS: dict[str, tuple[str, PropertyMap, PropertyMap, dict[str, str]]] = {
    "nothing": (APPLICATION, {"name": "a"}, {"name": "a"}, {}),
    "a text": (APPLICATION, {"name": "a"}, {"name": "b"}, {"name": "update"}),
    "a text comes": (APPLICATION, {"name": "a"}, {"name": "a", "description": "d"}, {"description": "add"}),
    "a text goes": (APPLICATION, {"name": "a", "description": "d"}, {"name": "a"}, {"description": "delete"}),
    "an empty text is none": (APPLICATION, {"name": "a", "description": ""}, {"name": "a"}, {}),
    "an unknown": (APPLICATION, {"name": "a"}, {"name": UNKNOWN}, {"name": "update"}),
    "a list grows": (APPLICATION, {"name": "a", "tags": ["x"]}, {"name": "a", "tags": ["x", "y"]}, {"tags[1]": "add"}),
    "a list shrinks": (
        APPLICATION,
        {"name": "a", "tags": ["x", "y"]},
        {"name": "a", "tags": ["x"]},
        {"tags[1]": "delete"},
    ),
    "an item changes": (APPLICATION, {"name": "a", "tags": ["x"]}, {"name": "a", "tags": ["y"]}, {"tags[0]": "update"}),
    "contact points in another order": (
        ALERTS,
        {"contactPoints": [{"email": "a"}, {"email": "b"}], "projectId": "p"},
        {"contactPoints": [{"email": "b"}, {"email": "a"}], "projectId": "p"},
        {"contactPoints[0].email": "update", "contactPoints[1].email": "update"},
    ),
    "what the platform decides": (
        CONTAINER,
        {"name": "c", "namespaceId": "fr-par/n", "minScale": 1, "privacy": "public", "protocol": "http1"},
        {"name": "c", "namespaceId": "fr-par/n"},
        {},
    ),
    "an id with and without region": (
        CONTAINER,
        {"name": "c", "namespaceId": "fr-par/n", "privacy": "public", "protocol": "http1"},
        {"name": "c", "namespaceId": "n"},
        {},
    ),
    "a key of a map": (
        NAMESPACE,
        {"name": "n", "environmentVariables": {"A": "1", "B": "2"}},
        {"name": "n", "environmentVariables": {"A": "3", "C": "4"}},
        {"environmentVariables.A": "update", "environmentVariables.B": "delete", "environmentVariables.C": "add"},
    ),
    "a secret that fits its hash": (
        NAMESPACE,
        {"name": "n", "secretEnvironmentVariables": Secret({"A": HASH})},
        {"name": "n", "secretEnvironmentVariables": {"A": Secret("s3cret")}},
        {},
    ),
    "a secret that changed": (
        NAMESPACE,
        {"name": "n", "secretEnvironmentVariables": Secret({"A": HASH})},
        {"name": "n", "secretEnvironmentVariables": {"A": Secret("other")}},
        {"secretEnvironmentVariables.A": "update"},
    ),
    "a secret comes and one goes": (
        NAMESPACE,
        {"name": "n", "secretEnvironmentVariables": Secret({"A": HASH})},
        {"name": "n", "secretEnvironmentVariables": {"B": Secret("x")}},
        {"secretEnvironmentVariables.A": "delete", "secretEnvironmentVariables.B": "add"},
    ),
    "a secret that is not known yet": (
        NAMESPACE,
        {"name": "n", "secretEnvironmentVariables": Secret({"A": HASH})},
        {"name": "n", "secretEnvironmentVariables": {"A": Secret(UNKNOWN)}},
        {"secretEnvironmentVariables.A": "update"},
    ),
    "a broken hash": (
        NAMESPACE,
        {"name": "n", "secretEnvironmentVariables": Secret({"A": "$argon2id$broken"})},
        {"name": "n", "secretEnvironmentVariables": {"A": Secret("s3cret")}},
        {"secretEnvironmentVariables.A": "update"},
    ),
    "durations of one length": (
        JOB,
        {"name": "j", "cpuLimit": 70, "memoryLimit": 128, "timeout": "1h0m0s"},
        {"name": "j", "cpuLimit": 70, "memoryLimit": 128, "timeout": "60m"},
        {},
    ),
    "durations of two lengths": (
        JOB,
        {"name": "j", "cpuLimit": 70, "memoryLimit": 128, "timeout": "1h0m0s"},
        {"name": "j", "cpuLimit": 70, "memoryLimit": 128, "timeout": "61m"},
        {"timeout": "update"},
    ),
    "permission sets have no order": (
        POLICY,
        {"name": "p", "applicationId": "a", "rules": [RULE]},
        {"name": "p", "applicationId": "a", "rules": [{**RULE, "permissionSetNames": ["A", "B"]}]},
        {},
    ),
    "a set's removed element by its place in the state, an added one by its place in the program": (
        POLICY,
        {"name": "p", "applicationId": "a", "rules": [{**RULE, "permissionSetNames": ["A", "B", "C"]}]},
        {"name": "p", "applicationId": "a", "rules": [{**RULE, "permissionSetNames": ["C", "D", "B", "E"]}]},
        {
            "rules[0].permissionSetNames[0]": "delete",
            "rules[0].permissionSetNames[1]": "add",
            "rules[0].permissionSetNames[3]": "add",
        },
    ),
    "a default of the provider": (DATABASE, {"name": "d", "minCpu": 0, "maxCpu": 15}, {"name": "d"}, {}),
    "back to the default": (DATABASE, {"name": "d", "minCpu": 0, "maxCpu": 4}, {"name": "d"}, {"maxCpu": "update"}),
    "another region": (
        NAMESPACE,
        {"name": "n", "region": "fr-par"},
        {"name": "n", "region": "nl-ams"},
        {"region": "update-replace"},
    ),
    "what cannot be changed": (NAMESPACE, {"name": "n"}, {"name": "m"}, {"name": "update-replace"}),
}


@pytest.mark.parametrize("case", DIFFS)
def test_diffs(provider: ScalewayProvider, case: str) -> None:
    token, olds, news, wanted = DIFFS[case]
    assert provider.diff(token, olds, news, []).detailed == wanted


def test_ignored_properties_do_not_differ(provider: ScalewayProvider) -> None:
    assert provider.diff(APPLICATION, {"name": "a"}, {"name": "b"}, ["name"]).detailed == {}
    olds = {"name": "n", "secretEnvironmentVariables": Secret({"A": HASH})}
    assert provider.diff(NAMESPACE, olds, {"name": "n"}, ["secretEnvironmentVariables"]).detailed == {}


def test_what_is_replaced_because_of_its_name_is_deleted_first(provider: ScalewayProvider) -> None:
    assert provider.diff(NAMESPACE, {"name": "n"}, {"name": "m"}, []).delete_before_replace
    assert not provider.diff("scaleway:iam/apiKey:ApiKey", {}, {}, []).delete_before_replace


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"name": "a", "colour": "red"}, "colour is not a property of"),
        ({}, "set `name`"),
    ],
)
def test_checks(provider: ScalewayProvider, inputs: PropertyMap, said: str) -> None:
    _, failures = provider.check(APPLICATION, inputs)
    assert any(said in failure for failure in failures)


def test_required_properties(provider: ScalewayProvider) -> None:
    _, failures = provider.check(CONTAINER, {"name": "c"})
    assert failures == ["missing required property 'namespaceId'"]


def test_checked_inputs_name_their_defaults(provider: ScalewayProvider) -> None:
    checked, failures = provider.check(SECRET, {"name": "s"})
    assert failures == []
    assert checked == {"__defaults": ["path"], "path": "/", "name": "s"}


def test_a_preview_of_a_new_resource_knows_its_inputs(provider: ScalewayProvider) -> None:
    planned = provider.planned(APPLICATION, None, {"name": "a"})
    assert (planned["name"], planned["id"], planned["createdAt"]) == ("a", UNKNOWN, UNKNOWN)
    assert provider.planned(APPLICATION, {"id": "1", "name": "a"}, {"name": "b"}) == {"id": "1", "name": "b"}


@pytest.mark.parametrize("method", ["check", "planned", "diff"])
def test_other_types_are_refused_by_name(provider: ScalewayProvider, method: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {"check": ({},), "planned": (None, {}), "diff": ({}, {}, [])}
    with pytest.raises(UnsupportedError, match="scaleway:k8s/cluster:Cluster"):
        getattr(provider, method)("scaleway:k8s/cluster:Cluster", *arguments[method])


@pytest.mark.parametrize("token", sorted(_TYPES))
def test_every_field_that_can_be_set_is_one_of_the_providers(token: str) -> None:
    type_ = _TYPES[token]
    assert type_.token == token
    inputs = schema.inputs_of(token)
    assert inputs
    names = [field.name for field in type_.fields]
    assert len(names) == len(set(names))
    required = {name for name, facts in inputs.items() if facts.get("required")}
    assert required <= set(names) | {"region"}


async def test_only_what_changed_is_sent() -> None:
    container = _TYPES[CONTAINER]
    olds: PropertyMap = {
        "name": "c",
        "namespaceId": "fr-par/n",
        "minScale": 0,
        "timeout": 60,
        "secretEnvironmentVariables": Secret({"KEEP": HASH, "GONE": HASH}),
        "privacy": "public",
        "protocol": "http1",
    }
    news = {
        **olds,
        "minScale": 2,
        "timeout": 90,
        "secretEnvironmentVariables": {"KEEP": Secret("s3cret"), "NEW": Secret("n")},
    }
    assert container.changes(olds, news) == {
        "min_scale": 2,
        "timeout": "90.000000000s",
        "secret_environment_variables": {"KEEP": "", "NEW": "n"},
    }
    client = Client({"apiUrl": "http://127.0.0.1:1", "secretKey": "key", "projectId": "p"})
    body = container.body(client, {"name": "c", "namespaceId": "fr-par/n", "timeout": 60})
    await client.close()
    assert body["namespace_id"] == "n"
    assert body["timeout"] == "60.000000000s"
    assert body["privacy"] == "public"
    assert "min_scale" not in body


async def test_a_new_job_says_that_it_is_not_retried() -> None:
    client = Client({"apiUrl": "http://127.0.0.1:1", "secretKey": "key", "projectId": "p"})
    body = _TYPES[JOB].body(client, {"name": "j", "cpuLimit": 140, "memoryLimit": 256})
    await client.close()
    assert body["retry_policy"] == {"max_retries": 0}


@pytest.mark.parametrize(("kind", "tcp"), [("http", False), ("tcp", True)])
async def test_a_probe_in_the_state_always_says_whether_it_is_one_of_tcp(kind: str, tcp: bool) -> None:
    """Without it the real engine would plan to add it when the container is replaced."""
    client = Client({"apiUrl": "http://127.0.0.1:1", "secretKey": "key", "projectId": "p"})
    probe = {"failure_threshold": 3, "interval": "10s", "timeout": "1s", kind: {"path": "/"} if kind == "http" else {}}
    found = {"namespace_id": "n", "liveness_probe": probe}
    outputs = _TYPES[CONTAINER].outputs(client, "fr-par/c", found, {})
    await client.close()
    assert outputs["livenessProbe"]["tcp"] is tcp


@pytest.mark.parametrize(
    ("text", "total", "printed"),
    [
        ("10s", 10.0, "10s"),
        ("1m30s", 90.0, "1m30s"),
        ("90s", 90.0, "1m30s"),
        ("2h", 7200.0, "2h0m0s"),
        ("1h1s", 3601.0, "1h0m1s"),
        ("0s", 0.0, "0s"),
        ("1.5m", 90.0, "1m30s"),
    ],
)
def test_durations(text: str, total: float, printed: str) -> None:
    assert parse_duration(text) == total
    assert go_duration(total) == printed
    assert same_duration(text, printed)
    assert read_duration(write_duration(text)) == printed


@pytest.mark.parametrize("text", ["", "10", "s", "10x", "1m 2s", "-5s"])
def test_invalid_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_small_conversions() -> None:
    assert (seconds(60), from_seconds("60.000000000s"), from_seconds(60)) == ("60.000000000s", 60, 60)
    assert snake_case("httpsConnectionsOnly") == "https_connections_only"
    assert same_id("fr-par/1", "1")
    assert not same_id("fr-par/1", "2")
    assert not same_duration(None, "10s")
