"""Which resources of an operation are held to the policies, and how the verdict reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.operation_record import OperationRecord
from ops.policies import evaluate_policies, refuse_violations
from ops.report.policies import policy_lines, policy_markdown
from ops.stacks import Stack
from policy.rules import PolicyResult
from tests.ops.events import CONTAINER, UNKNOWN, step
from tests.support.policy_resources import CONTAINER as INPUTS
from tests.support.stack_yaml import stack_yaml

BAD = INPUTS | {"image": "registry.example.test/api:latest"}


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    config = {
        "snu:blueprint": "environment",
        "snu:environment": {"name": "test", "foundation": "foundation-test"},
        "snu:images": {},
    }
    (tmp_path / "Pulumi.test.yaml").write_text(stack_yaml({"config": config}))
    return Stack(tmp_path, "test", config, "passphrase")


def verdict(stack: Stack, *steps: list[Any]) -> PolicyResult:
    record = OperationRecord()
    for events in steps:
        for event in events:
            record.add(event)
    return evaluate_policies(record, stack)


def plain(inputs: dict[str, Any]) -> dict[str, Any]:
    """As events have it."""
    return inputs | {"secretEnvironmentVariables": "[secret]", "__defaults": ["timeout"]}


def rules_of(found: PolicyResult) -> list[str]:
    return [violation.rule.name for violation in found.violations]


def test_all_that_the_stack_will_have_is_judged_changed_or_not(stack: Stack) -> None:
    for op in ("same", "create", "update", "replace", "import"):
        assert rules_of(verdict(stack, step(op, CONTAINER, None, plain(BAD)))) == [
            "image-by-digest",
            "private-registry",
        ]
        assert rules_of(verdict(stack, step(op, CONTAINER, plain(BAD), plain(INPUTS)))) == []


def test_what_goes_and_what_a_refresh_has_found_is_not(stack: Stack) -> None:
    assert rules_of(verdict(stack, step("delete", CONTAINER, plain(BAD), None))) == []
    refreshed = step("refresh", CONTAINER, plain(BAD), plain(BAD))
    assert rules_of(verdict(stack, refreshed, step("update", CONTAINER, plain(BAD), plain(INPUTS)))) == []
    assert rules_of(verdict(stack, refreshed, step("same", CONTAINER, plain(INPUTS), plain(INPUTS)))) == []


def test_numbers_unknown_values_and_secrets_of_events(stack: Stack) -> None:
    """The CLI writes every number with a fraction."""
    inputs = {key: float(value) if isinstance(value, int) else value for key, value in INPUTS.items()}
    hidden = {"API_TOKEN": "[secret]", "OTHER": UNKNOWN}
    found = verdict(stack, step("create", CONTAINER, None, inputs | {"image": UNKNOWN, "environmentVariables": hidden}))
    assert [violation.property for violation in found.violations] == ["environmentVariables.API_TOKEN"]


def test_refusing_lists_everything_and_says_where_exemptions_belong(stack: Stack) -> None:
    found = verdict(stack, step("create", CONTAINER, None, plain(BAD)))
    with pytest.raises(OpsError) as raised:
        refuse_violations(stack, found)
    assert raised.value.code is ExitCode.POLICY
    for words in (
        "api-container: image",
        "(image-by-digest)",
        "(private-registry)",
        "snu:policies in Pulumi.test.yaml",
    ):
        assert words in str(raised.value)
    refuse_violations(stack, verdict(stack, step("create", CONTAINER, None, plain(INPUTS))))


def test_nothing_is_said_where_all_is_well(stack: Stack) -> None:
    well = verdict(stack, step("create", CONTAINER, None, plain(INPUTS)))
    assert list(policy_lines(well)) == []
    assert policy_markdown(well) == []


@pytest.mark.parametrize("image", ["`x` @everyone", "a\n# heading", "<img src=x>", "|a|", "\u202egnp"])
def test_nothing_of_a_resource_breaks_the_comment(stack: Stack, image: str) -> None:
    found = verdict(stack, step("create", CONTAINER, None, plain(INPUTS | {"image": image})))
    title, _, *lines, last = policy_markdown(found)
    assert title == "**Policies: 2 violations**"
    assert (len(lines), last) == (2, "")
    for line in lines:
        assert "\n" not in line
        assert "\u202e" not in line
        ticks = "``" if "`" in image else "`"
        assert f"`api-container`: {ticks}" in line
    assert not any("\n" in line.plain for line in policy_lines(found))


def test_a_comment_is_cut_with_a_count(stack: Stack) -> None:
    found = verdict(stack, step("create", CONTAINER, None, plain(BAD)))
    many = replace(found, violations=[*found.violations] * 200)
    lines = policy_markdown(many, 2_000)
    assert sum(len(line) + 1 for line in lines) < 2_200
    assert lines[0] == "**Policies: 400 violations**"
    assert lines[-2].startswith("- … and ")


def test_new_resources_that_are_not_targets_are_left_out(stack: Stack) -> None:
    """Both engines report them as empty resources, which no rule would accept."""
    assert not verdict(stack, step("same", CONTAINER, {}, {})).violations
