"""Billable usage of resources, computed from their inputs, for an idle month and for a month at full scale."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from cronsim import CronSim, CronSimError

from ops.cost.prices import MONTH_HOURS, Prices
from ops.durations import seconds_of
from ops.scaleway.catalogue import Billing, kind_of

_MONTH_SECONDS = MONTH_HOURS * 3600
_BYTES_PER_GIGABYTE = 1_000_000 * 1024
_MEGABYTES_PER_GIGABYTE = 1024
_YEAR = datetime(2025, 1, 1, tzinfo=UTC)
_MONTHS = 12


@dataclass(frozen=True)
class CostAmount:
    """An amount when idle and at full scale."""

    idle: Decimal = Decimal(0)
    full: Decimal = Decimal(0)

    def __add__(self, other: CostAmount) -> CostAmount:
        return CostAmount(self.idle + other.idle, self.full + other.full)

    def __sub__(self, other: CostAmount) -> CostAmount:
        return CostAmount(self.idle - other.idle, self.full - other.full)

    def __mul__(self, factor: Decimal) -> CostAmount:
        return CostAmount(self.idle * factor, self.full * factor)

    def at_most(self, most: Decimal) -> CostAmount:
        return CostAmount(min(self.idle, most), min(self.full, most))


@dataclass(frozen=True)
class Usage:
    """Billable units by price."""

    units: Mapping[str, CostAmount] = field(default_factory=dict)
    unpriced: frozenset[str] = frozenset()
    """Billable resources that could not be priced, each with its reason."""

    def __add__(self, other: Usage) -> Usage:
        names = [*self.units, *(name for name in other.units if name not in self.units)]
        units = {name: self.units.get(name, CostAmount()) + other.units.get(name, CostAmount()) for name in names}
        return Usage(units, self.unpriced | other.unpriced)

    def cost(self, prices: Prices) -> CostAmount:
        """Cost in the price file's currency, before deducting the free tier."""
        return sum((units * prices.prices[name].amount for name, units in self.units.items()), CostAmount())

    def free(self, prices: Prices) -> CostAmount:
        """The part of the cost that the free tier covers, if the account uses nothing else."""
        return sum(
            (
                units.at_most(prices.prices[name].free) * prices.prices[name].amount
                for name, units in self.units.items()
            ),
            CostAmount(),
        )


def total(usages: Iterable[Usage]) -> Usage:
    return sum(usages, Usage())


def usage_of(type_: str, inputs: Mapping[str, Any], prices: Prices) -> Usage:
    """Usage of one resource; empty for types that are not billed separately."""
    kind = kind_of(type_)
    reader = _READERS.get(kind.billing) if kind else None
    if reader is None:
        return Usage()
    try:
        return Usage(dict(reader(inputs, prices)))
    except _NotPricedError as error:
        return Usage(unpriced=frozenset({str(error)}))


class _NotPricedError(Exception):
    """Why a resource has no price. Contains no strings from the program, because it may be posted in a comment."""


Units = Iterator[tuple[str, CostAmount]]


def _container(inputs: Mapping[str, Any], _prices: Prices) -> Units:
    seconds = CostAmount(_number(inputs, "minScale", 0), _number(inputs, "maxScale")) * Decimal(_MONTH_SECONDS)
    yield "vcpu-second", seconds * (_number(inputs, "cpuLimit") / 1000)
    yield "gigabyte-second", seconds * (_number(inputs, "memoryLimitBytes") / _BYTES_PER_GIGABYTE)


def _job(inputs: Mapping[str, Any], prices: Prices) -> Units:
    cron = inputs.get("cron")
    if not isinstance(cron, Mapping):
        return
    try:
        longest = Decimal(seconds_of(inputs.get("timeout")))
    except ValueError as error:
        raise _NotPricedError("a job with an unknown timeout") from error
    expected = min(longest, Decimal(prices.assumptions.job_run_seconds))
    seconds = CostAmount(expected, longest) * runs_a_month(str(cron.get("schedule")))
    yield "vcpu-second", seconds * (_number(inputs, "cpuLimit") / 1000)
    yield "gigabyte-second", seconds * (_number(inputs, "memoryLimit") / _MEGABYTES_PER_GIGABYTE)


def _serverless(inputs: Mapping[str, Any], prices: Prices) -> Units:
    vcpus = CostAmount(_number(inputs, "minCpu", 0), _number(inputs, "maxCpu"))
    yield "sql-vcpu-hour", vcpus * Decimal(MONTH_HOURS)
    yield "sql-gigabyte-hour", _always(prices.assumptions.sql_gigabytes * MONTH_HOURS)


def _instance(inputs: Mapping[str, Any], prices: Prices) -> Units:
    node = f"node-hour {str(inputs.get('nodeType')).upper()}"
    if node not in prices.prices:
        raise _NotPricedError("a database instance of a size that is not in the price file")
    if inputs.get("isHaCluster"):
        raise _NotPricedError("a database instance with two nodes")
    yield node, _always(MONTH_HOURS)
    yield "block-gigabyte-month", _always(_number(inputs, "volumeSizeInGb", 0))


def _registry(_inputs: Mapping[str, Any], prices: Prices) -> Units:
    yield "registry-gigabyte-month", _always(prices.assumptions.registry_gigabytes)


def _secret(_inputs: Mapping[str, Any], prices: Prices) -> Units:
    yield "secret-version-month", _always(prices.assumptions.secret_versions)


def _zone(_inputs: Mapping[str, Any], _prices: Prices) -> Units:
    yield "zone-hour", _always(MONTH_HOURS)


_READERS: Mapping[Billing, Callable[[Mapping[str, Any], Prices], Units]] = {
    Billing.CONTAINER_SCALE: _container,
    Billing.JOB_RUNS: _job,
    Billing.SERVERLESS_VCPUS: _serverless,
    Billing.NODE_HOURS: _instance,
    Billing.REGISTRY_STORAGE: _registry,
    Billing.SECRET_VERSIONS: _secret,
    Billing.ZONE_HOURS: _zone,
}


def _always(units: int | Decimal) -> CostAmount:
    return CostAmount(Decimal(units), Decimal(units))


def _number(inputs: Mapping[str, Any], key: str, default: int | None = None) -> Decimal:
    value = inputs.get(key, default)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    raise _NotPricedError(f"a resource with an unknown {key}")


@cache
def runs_a_month(schedule: str) -> Decimal:
    """A cron schedule's mean number of runs per month over a year, ignoring daylight saving time."""
    try:
        parsed = CronSim(schedule, _YEAR)
        days = CronSim(" ".join(["0 0", *schedule.split()[2:]]), _YEAR - timedelta(minutes=1))
        count = 0
        while next(days).year == _YEAR.year:
            count += 1
    except (CronSimError, StopIteration) as error:
        raise _NotPricedError("a job with a schedule that is invalid or never triggers") from error
    return Decimal(len(parsed.minutes) * len(parsed.hours) * count) / _MONTHS
