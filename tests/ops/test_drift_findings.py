"""Findings from refresh steps, and the masking of secrets."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.drift.findings import in_order
from ops.findings import Finding, FindingKind, findings_of
from ops.steps import Step

_CIPHER = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}
"""A secret as the Pulumi CLI shows it; the embedded engine shows the text alone."""
_LEAK = "what nobody may see"


def step(op: str, old: dict[str, Any], new: dict[str, Any] | None, detailed: dict[str, str] | None) -> Step:
    def state(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"id": "fr-par/1", "custom": True, "inputs": inputs, "outputs": {**inputs, "region": "fr-par"}}

    kinds = {path: {"diffKind": kind, "inputDiff": False} for path, kind in (detailed or {}).items()}
    urn = "urn:pulumi:local::snu::scaleway:containers/container:Container::api-container"
    return Step(
        op,
        urn,
        "scaleway:containers/container:Container",
        state(old),
        state(new) if new is not None else {},
        (),
        (),
        kinds or None,
    )


@pytest.mark.parametrize("op", ["refresh", "same"])
def test_changes_by_the_platform_are_not_drift(op: str) -> None:
    assert list(findings_of([step(op, {"port": 1}, {"port": 1}, None)])) == []


@pytest.mark.parametrize("op", ["refresh", "update"])
def test_a_change_reported_by_either_engine(op: str) -> None:
    (found,) = findings_of([step(op, {"port": 1}, {"port": 2}, {"port": "update"})])
    assert (found.kind, found.name, found.id, found.region) == (
        FindingKind.CHANGED,
        "api-container",
        "fr-par/1",
        "fr-par",
    )
    assert [(each.path, each.old, each.new) for each in found.changes] == [("port", 1, 2)]


@pytest.mark.parametrize("op", ["refresh", "delete"])
def test_a_deletion_reported_by_either_engine(op: str) -> None:
    (found,) = findings_of([step(op, {"port": 1}, None, None)])
    assert (found.kind, found.changes) == (FindingKind.DELETED, ())


@pytest.mark.parametrize(
    ("added", "count"),
    [
        ("snu run, until 2999-01-01T00:00Z", 0),
        ("snu run, until 2020-01-01T00:00Z", 1),
        ("somebody", 1),
    ],
)
def test_addresses_allowed_by_runs_are_not_drift_until_they_expire(added: str, count: int) -> None:
    rules = [{"ip": "203.0.113.7/32", "description": "office"}]
    more = [*rules, {"ip": "198.51.100.1/32", "description": added}]
    changed = step("refresh", {"aclRules": rules}, {"aclRules": more}, {"aclRules[1]": "add"})
    acl = replace(changed, type="scaleway:databases/acl:Acl")
    assert len(list(findings_of([acl]))) == count
    deleted = replace(step("refresh", {"aclRules": rules}, {"aclRules": []}, {"aclRules[0]": "delete"}), type=acl.type)
    assert len(list(findings_of([deleted]))) == 1


@pytest.mark.parametrize("kind", ["add", "update", "delete"])
@pytest.mark.parametrize("secret", [_CIPHER, "[secret]"], ids=["pulumi", "embedded"])
@pytest.mark.parametrize("whole", [True, False], ids=["the map", "its key"])
@pytest.mark.parametrize(
    ("key", "path"), [("A", "variables.A"), ("A-B", 'variables["A-B"]'), ("A.B", 'variables["A.B"]')]
)
def test_secrets_in_the_state_stay_masked(kind: str, secret: Any, whole: bool, key: str, path: str) -> None:
    hidden = {"variables": secret if whole else {key: secret}}
    shown = {"variables": {key: _LEAK}}
    for old, new in ((hidden, shown), (shown, hidden)):
        (found,) = findings_of([step("update", old, new, {path: kind})])
        assert _LEAK not in json.dumps(asdict(found))
        (change,) = found.changes
        assert {change.old, change.new} <= {None, "[secret]"}
        assert change.old or change.new


@pytest.mark.parametrize("path", ["environmentVariables.NEW", "environmentVariables", "env.NEW", 'env["N-W"]'])
def test_the_value_of_an_added_variable_is_masked(path: str) -> None:
    variables = {"NEW": _LEAK, "N-W": _LEAK}
    new = {"environmentVariables": variables, "env": variables}
    (found,) = findings_of([step("update", {}, new, {path: "add"})])
    assert [(each.old, each.new) for each in found.changes] == [(None, "[secret]")]


_SOME = st.builds(Finding, st.sampled_from(FindingKind), *[st.sampled_from("abc")] * 4)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(_SOME, max_size=8, unique_by=lambda each: (each.kind, each.name, each.type, each.id)), st.randoms())
def test_the_same_drift_always_reads_the_same(found: list[Finding], random: Any) -> None:
    shuffled = [*found]
    random.shuffle(shuffled)
    assert in_order(shuffled) == in_order(found)
