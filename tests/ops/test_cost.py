"""The monthly cost of stacks, and its change by a preview."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ops.commands import cost as command
from ops.commands.cost import usages
from ops.cost import prices as price_file
from ops.cost.change import cost_text
from ops.cost.prices import MONTH_HOURS, Prices, load_prices
from ops.cost.usage import CostAmount, Usage, runs_a_month, total, usage_of
from ops.diff.report import Effect, StackEffect, effect_lines
from ops.diff.revisions import RevisionSide
from ops.exit_codes import ExitCode
from ops.operation_record import OperationRecord
from ops.program.evaluate import Evaluated, Resource
from ops.steps import Step
from tests.lab.project import Project
from tests.support.environment import ROOT

CONTAINER = "scaleway:containers/container:Container"
JOB = "scaleway:job/definition:Definition"
SERVERLESS = "scaleway:databases/serverlessDatabase:ServerlessDatabase"
INSTANCE = "scaleway:databases/instance:Instance"
PRICES = load_prices()
SECONDS = MONTH_HOURS * 3600


def container(cpu: int = 1000, memory: int = 1024, least: int = 1, most: int = 1) -> dict[str, Any]:
    return {"cpuLimit": cpu, "memoryLimitBytes": memory * 1_000_000, "minScale": least, "maxScale": most}


def cost_of(type_: str, inputs: Mapping[str, Any]) -> CostAmount:
    return usage_of(type_, inputs, PRICES).cost(PRICES)


# --- what a resource uses -----------------------------------------------------------------------


def test_a_container_is_billed_by_vcpu_and_memory() -> None:
    used = usage_of(CONTAINER, container(70, 128, 1, 3), PRICES).units
    assert used["vcpu-second"] == CostAmount(Decimal("0.07") * SECONDS, Decimal("0.21") * SECONDS)
    assert used["gigabyte-second"] == CostAmount(Decimal("0.125") * SECONDS, Decimal("0.375") * SECONDS)


scales = st.tuples(st.integers(0, 50), st.integers(1, 50)).map(lambda pair: (min(pair), max(pair)))
sizes = st.tuples(st.integers(70, 6000), st.integers(128, 12_228))


# the machine may be busy
@given(sizes, sizes, scales, scales)
def test_more_of_anything_costs_no_less(
    one: tuple[int, int], other: tuple[int, int], scale: tuple[int, int], wider: tuple[int, int]
) -> None:
    less = [min(pair) for pair in zip(one + scale, other + wider, strict=True)]
    more = [max(pair) for pair in zip(one + scale, other + wider, strict=True)]
    small, large = cost_of(CONTAINER, container(*less)), cost_of(CONTAINER, container(*more))
    assert small.idle <= large.idle
    assert small.full <= large.full
    for amount in (small, large):
        assert 0 <= amount.idle <= amount.full


# the machine may be busy
@given(st.integers(0, 15), st.integers(0, 15))
def test_a_serverless_database_sleeps_or_works(one: int, other: int) -> None:
    amount = cost_of(SERVERLESS, {"minCpu": min(one, other), "maxCpu": max(one, other)})
    assert 0 < amount.idle <= amount.full


# the machine may be busy
@given(st.integers(1, 86_400), sizes, st.sampled_from(["*/5 * * * *", "0 4 * * *", "0 0 1 * *", "0 0 30 2 *"]))
def test_a_job_is_billed_while_it_runs(timeout: int, size: tuple[int, int], schedule: str) -> None:
    inputs = {"cpuLimit": size[0], "memoryLimit": size[1], "timeout": f"{timeout}s"}
    assert cost_of(JOB, inputs) == CostAmount()
    amount = cost_of(JOB, inputs | {"cron": {"schedule": schedule}})
    assert 0 <= amount.idle <= amount.full
    assert (amount.idle == amount.full) == (timeout <= PRICES.assumptions.job_run_seconds or amount.full == 0)


@pytest.mark.parametrize(
    ("schedule", "a_year"),
    [
        ("0 4 * * *", 365),
        ("*/5 * * * *", 365 * 288),
        ("0,30 8-18 * * 1-5", 261 * 22),
        ("15 3 1 * *", 12),
        ("0 0 29 2 *", 0),
        ("0 0 1 1 0", 1 + 4),
    ],
)
def test_how_often_a_schedule_starts(schedule: str, a_year: int) -> None:
    """In 2025: no 29th of February, 261 weekdays, a January whose 1st is none of its four Sundays."""
    assert round(runs_a_month(schedule) * 12, 6) == a_year


def test_an_instance_is_billed_by_size_and_volume() -> None:
    amount = cost_of(INSTANCE, {"nodeType": "db-dev-s", "volumeSizeInGb": 10})
    assert amount.idle == amount.full == Decimal("0.0156") * MONTH_HOURS + Decimal("0.993")


@pytest.mark.parametrize(
    ("type_", "inputs", "says"),
    [
        (INSTANCE, {"nodeType": "DB-HUGE"}, "a size that is not in the price file"),
        (INSTANCE, {"nodeType": "DB-DEV-S", "isHaCluster": True}, "two nodes"),
        (CONTAINER, container() | {"cpuLimit": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}, "an unknown cpuLimit"),
        (JOB, {"cron": {"schedule": "0 4 * * *"}, "timeout": "[secret]"}, "an unknown timeout"),
        (
            JOB,
            {"cron": {"schedule": "now"}, "timeout": "1m", "cpuLimit": 70, "memoryLimit": 128},
            "a schedule that is invalid",
        ),
    ],
)
def test_unpriced_resources_are_reported(type_: str, inputs: dict[str, Any], says: str) -> None:
    (reason,) = usage_of(type_, inputs, PRICES).unpriced
    assert says in reason


def test_free_resources() -> None:
    assert usage_of("scaleway:iam/policy:Policy", {"name": "x"}, PRICES) == Usage()


# the machine may be busy
@given(st.lists(st.tuples(sizes, scales), max_size=5))
def test_an_account_gets_its_free_units_once(apps: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    used = total(usage_of(CONTAINER, container(*size, *scale), PRICES) for size, scale in apps)
    free = used.free(PRICES)
    most = sum(price.free * price.amount for price in PRICES.prices.values())
    assert 0 <= free.idle <= min(used.cost(PRICES).idle, most)
    assert free.full <= most


# --- a plan's difference ------------------------------------------------------------------------


def step(op: str, old: dict[str, Any] | None, new: dict[str, Any] | None, name: str = "api-container") -> Step:
    def state(inputs: dict[str, Any] | None) -> dict[str, Any]:
        return {} if inputs is None else {"inputs": inputs, "custom": True}

    urn = f"urn:pulumi:test::snu::{CONTAINER}::{name}"
    return Step(op, urn, CONTAINER, state(old), state(new), (), (), None)


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([step("create", None, container(least=1, most=2))], "Cost: +31.54 € a month idle, +63.07 € at full scale"),
        ([step("delete", container(), None)], "Cost: -31.54 € a month idle, -31.54 € at full scale"),
        ([step("update", container(), container(most=2))], "Cost: 0.00 € a month idle, +31.54 € at full scale"),
        (
            [
                step("create-replacement", container(), container(2000)),
                step("replace", container(), container(2000)),
                step("delete-replaced", container(), None),
            ],
            "Cost: +26.28 € a month idle, +26.28 € at full scale",
        ),
        ([step("same", container(), container())], ""),
        ([step("create", None, container(), "a"), step("delete", container(), None, "b")], ""),
        ([step("create", None, {"cpuLimit": 70})], "not priced: a resource with an unknown maxScale"),
    ],
)
def test_a_plan_reports_the_change_of_cost(steps: list[Step], says: str) -> None:
    text = cost_text(OperationRecord.of(steps))
    assert says in text
    assert bool(text) == bool(says)
    assert not says or f"prices as of {PRICES.date}" in text


def test_a_diff_reports_the_change_of_cost_by_stack() -> None:
    record = OperationRecord.of([step("delete", container(), None)])
    stacks = [StackEffect("ci", record), StackEffect("stage", OperationRecord.of([]))]
    effect = Effect(RevisionSide("main", "1" * 40, "2" * 40), RevisionSide("working tree", None, "3" * 40), stacks)
    shown = [line.plain for line in effect_lines(effect, details=False)]
    assert shown[shown.index("To do: 1 to delete") + 1].startswith("Cost: -31.54 € a month idle, ")


# the machine may be busy
@given(sizes, scales)
def test_no_difference_between_equals(size: tuple[int, int], scale: tuple[int, int]) -> None:
    inputs = container(*size, *scale)
    assert cost_text(OperationRecord.of([step("update", inputs, dict(inputs))])) == ""


# --- stacks -------------------------------------------------------------------------------------


def resource(name: str, type_: str, parent: str = "", **inputs: Any) -> Resource:
    custom = type_.startswith("scaleway:")
    return Resource(f"urn:{name}", type_, name, parent, custom=custom, protect=False, inputs=inputs)


def test_cost_is_grouped_by_component() -> None:
    """Resources outside of components have their own line; free ones have none."""
    stack = Evaluated(
        urn="urn:root",
        resources=[
            resource("api", "snu:index:ContainerApp", "urn:root"),
            resource("api-container", CONTAINER, "urn:api", **container()),
            resource("api-key", "scaleway:iam/apiKey:ApiKey", "urn:api"),
            resource("zone", "scaleway:domain/zone:Zone", "urn:root"),
        ],
    )
    assert usages(stack, PRICES) == {
        "api": usage_of(CONTAINER, container(), PRICES),
        "zone": usage_of("scaleway:domain/zone:Zone", {}, PRICES),
    }


def test_the_command_shows_stacks_apps_and_the_total(project: Project) -> None:
    ended = project.snu("cost", "stage", "foundation-production")
    assert ended.returncode == ExitCode.OK, ended.stderr
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert ["api", "37.42", "37.42"] in rows
    assert ["production-state", "0.20", "198.35"] in rows
    assert f"Prices as of {PRICES.date}" in ended.stdout
    assumed = PRICES.assumptions
    for words in (
        *("Not included: egress", "excluding VAT", "Idle: every app at minScale", "sql-vcpu-hour"),
        f"Assumed: {assumed.sql_gigabytes} GB per Serverless SQL database, {assumed.registry_gigabytes} GB per",
        "Prices from secondary sources",
    ):
        assert words in ended.stdout

    whole = json.loads(project.snu("cost", "--json").stdout)
    assert whole["stacks"].keys() == {
        *("ci", "stage", "production"),
        *("foundation-ci", "foundation-stage", "foundation-production"),
    }
    for stack in whole["stacks"].values():
        for key in ("idle", "full"):
            assert sum(part[key] for part in stack["parts"].values()) == pytest.approx(stack[key], abs=0.05)
    assert sum(stack["full"] for stack in whole["stacks"].values()) == pytest.approx(whole["total"]["full"], abs=0.05)
    assert whole["net"]["full"] == pytest.approx(whole["total"]["full"] - 2.80, abs=0.01)
    assert whole["date"] == str(PRICES.date)
    assert whole["warnings"] == []

    assert project.snu("cost", "nope").returncode == ExitCode.USAGE
    project.edit("stage", "host: admin.beta-snu.dev", "host: admin.beta-snu.dev\n      colour: red")
    refused = project.snu("cost")
    assert refused.returncode == ExitCode.SETTINGS
    assert "colour" in refused.stderr


# --- the price file -----------------------------------------------------------------------------


def test_old_prices_give_a_warning(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    old = PRICES.prices["zone-hour"].model_copy(
        update={"seen": datetime.now().astimezone().date() - timedelta(days=366)}
    )
    aged = PRICES.model_copy(update={"prices": {**PRICES.prices, "zone-hour": old}})
    monkeypatch.setattr(command, "load_prices", lambda: aged)
    assert command.cost(ROOT, ["foundation-ci"], as_json=False) is ExitCode.OK
    assert "warning: these prices are older than 12 months: zone-hour. Update prices.yaml" in capsys.readouterr().out


def test_each_price_is_used_and_has_its_source() -> None:
    used = {
        *usage_of(CONTAINER, container(), PRICES).units,
        *usage_of(SERVERLESS, {"minCpu": 0, "maxCpu": 1}, PRICES).units,
        *usage_of(INSTANCE, {"nodeType": "DB-DEV-S", "volumeSizeInGb": 5}, PRICES).units,
        *usage_of("scaleway:registry/namespace:Namespace", {}, PRICES).units,
        *usage_of("scaleway:secrets/secret:Secret", {}, PRICES).units,
        *usage_of("scaleway:domain/zone:Zone", {}, PRICES).units,
    }
    assert {name for name in PRICES.prices if not name.startswith("node-hour ")} <= used <= PRICES.prices.keys()
    assert all(price.seen <= PRICES.date for price in PRICES.prices.values())


def test_a_price_without_source_or_with_another_unit_of_money_is_refused(tmp_path: Path) -> None:
    content = price_file.FILE.read_text(encoding="utf-8")
    for wrong, right in (("currency: USD", "currency: EUR"), ("amount: -1", "amount: 0.027"), ("saw:", "seen:")):
        with pytest.raises(ValueError):
            Prices.model_validate(yaml.safe_load(content.replace(right, wrong)))
