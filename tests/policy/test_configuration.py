"""The policy pack's configuration: what is accepted, and how the rest is reported."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from infra.settings import SettingsError
from infra.settings.models import PolicyExemption, PolicyRule
from policy.configuration import configured_requirements, schema_of
from policy.requirements import Requirements
from tests.support.environment import ROOT

REASON = "The shop prints it on every page that it serves."


def test_nothing_is_required() -> None:
    for rule in get_args(PolicyRule):
        assert configured_requirements(rule, {}) == Requirements(exemptions=[])


def test_an_exemption_is_of_its_rule() -> None:
    found = configured_requirements("limits", {"exemptions": [{"resource": "shop", "reason": REASON}]})
    assert found.exemptions == [PolicyExemption(rule="limits", resource="shop", reason=REASON)]


@pytest.mark.parametrize(
    ("rule", "configuration", "message"),
    [
        ("limits", {"exemptions": [{"resource": "shop"}]}, "exemptions[0].reason: missing"),
        (
            "limits",
            {"exemptions": [{"resource": "shop", "reason": "short"}]},
            "exemptions[0].reason: found `short`; allowed: a sentence of 20 to 120 characters",
        ),
        (
            "limits",
            {"exemptions": [{"rule": "protection", "resource": "shop", "reason": REASON}]},
            "exemptions[0].rule: found an unknown key; allowed: the keys `resource`, `property`, `reason`",
        ),
        ("limits", {"protect": True}, "protect: found an unknown key; allowed: the keys `exemptions`"),
        (
            "private-registry",
            {"namespace": ["acme"]},
            "namespace: found an unknown key; did you mean `namespaces`?",
        ),
        ("private-registry", {"namespaces": []}, "namespaces: found a list of 0 items; allowed: a list of at least"),
        (
            "least-privilege",
            {"permissionSets": {"deploy": "IAMManager"}},
            "permissionSets.deploy: found `IAMManager`; allowed: a list of at least one name",
        ),
    ],
)
def test_invalid_configurations_are_reported(rule: PolicyRule, configuration: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"configuration of {rule}: {message}")):
        configured_requirements(rule, configuration)


def test_the_reference_documents_every_key_and_its_example_is_valid() -> None:
    page = (ROOT / "docs/reference/policies.md").read_text()
    documented = set(re.findall(r"^\| `([a-z-]+)\.(\w+)` \|", page, re.MULTILINE))
    keys = {(rule, key) for rule in get_args(PolicyRule) for key in schema_of(rule)}
    assert documented == {(rule, key) for rule, key in keys if key != "exemptions"}
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    for rule, configuration in json.loads(example).items():
        if not isinstance(configuration, str):  # an enforcement level
            configured_requirements(rule, configuration)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*/policies.json")), ids=lambda path: path.parent.name)
def test_the_examples_are_valid(path: Path) -> None:
    for rule, configuration in json.loads(path.read_text()).items():
        configured_requirements(rule, configuration)
