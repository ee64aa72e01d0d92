"""``snu cost``: estimates the monthly cost of stacks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ops.cost.prices import FILE, MONTH_HOURS, Prices, load_prices
from ops.cost.usage import CostAmount, Usage, total, usage_of
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.program.evaluate import Evaluated, evaluate
from ops.report.document import print_document
from ops.report.factory import printer_for
from ops.report.text import Line
from ops.stacks import find_stack, project_dir, settings_of, stack_names

_LEFT_OUT = "egress, Secret Manager and DNS requests, custom logs, logs kept longer than 7 days, buckets, support"
_INDENT = "  "
_TOTAL, _FREE, _NET = "total", "free tier, once per account", "to pay"

Stacks = Mapping[str, Mapping[str, Usage]]
"""Usage by stack and component."""


def cost(directory: Path | None, names: Sequence[str], *, as_json: bool) -> ExitCode:
    """Print the cost of the named stacks, or of all stacks on the real Scaleway.

    Raises OpsError for invalid settings.
    """
    project = project_dir(directory)
    found = [find_stack(project, name) for name in names or stack_names(project)]
    prices = load_prices()
    chosen = [stack for stack in found if names or not stack.is_local]
    for stack in chosen:
        settings_of(stack)
    evaluated = evaluate(project)
    stacks = {stack.name: usages(_accepted(stack.name, evaluated), prices) for stack in chosen}
    notes = list(_notes(stacks, prices))
    warnings = list(prices.warnings(datetime.now().astimezone().date()))
    if as_json:
        print_document("cost", _document(stacks, prices, notes, warnings))
        return ExitCode.OK
    lines = [*_table(stacks, prices), *(Line.of((note, "dim")) for note in notes)]
    printer_for(sys.stdout).print([*lines, *(Line.of(("warning", "yellow"), f": {text}") for text in warnings)])
    return ExitCode.OK


def _accepted(name: str, stacks: Mapping[str, Evaluated]) -> Evaluated:
    """Raises OpsError if the program rejects the stack's settings."""
    stack = stacks[name]
    if stack.refused is not None:
        raise OpsError(f"{name}: {stack.refused}", ExitCode.SETTINGS)
    return stack


def usages(stack: Evaluated, prices: Prices) -> dict[str, Usage]:
    """Usage by component, or by resource for resources outside a component. Excludes free resources."""
    components = {each.urn: each.name for each in stack.resources if not each.custom}
    found: dict[str, Usage] = {}
    for resource in stack.resources:
        usage = usage_of(resource.type, resource.inputs, prices)
        if usage != Usage():
            name = components.get(resource.parent, resource.name)
            found[name] = found.get(name, Usage()) + usage
    return found


def _all(stacks: Stacks) -> Usage:
    return total(usage for parts in stacks.values() for usage in parts.values())


def _notes(stacks: Stacks, prices: Prices) -> Iterator[str]:
    assumed = prices.assumptions
    yield f"Euros per month of {MONTH_HOURS} hours, excluding VAT. Prices as of {prices.date}; sources: {FILE.name}."
    used = _all(stacks)
    doubtful = [name for name in used.units if not prices.prices[name].verified]
    if doubtful:
        yield f"Prices from secondary sources, not from Scaleway's own page: {', '.join(doubtful)}."
    for name in sorted(used.unpriced):
        yield f"Not priced: {name}."
    yield (
        "Idle: every app at minScale, every database at minCpu, each scheduled run for "
        f"{assumed.job_run_seconds} s or its timeout, whichever is shorter. Full: every app at maxScale all month, "
        "every database at maxCpu, each scheduled run until its timeout. Jobs without a schedule are not counted."
    )
    yield (
        f"Assumed: {assumed.sql_gigabytes} GB per Serverless SQL database, {assumed.registry_gigabytes} GB per "
        f"registry, {assumed.secret_versions} versions per secret."
    )
    yield f"Not included: {_LEFT_OUT}."


# --- text -----------------------------------------------------------------------------------------------------------


def _table(stacks: Stacks, prices: Prices) -> Iterator[Line]:
    rows = [name for parts in stacks.values() for name in parts]
    width = max((len(name) for name in [*stacks, *(_INDENT + name for name in rows), _FREE]), default=0)
    yield Line.of((f"{'':<{width}}{'idle':>12}{'full':>12}", "dim"))
    for stack, parts in stacks.items():
        yield _row(stack, total(parts.values()).cost(prices), width, "bold")
        for name, usage in parts.items():
            yield _row(f"{_INDENT}{name}", usage.cost(prices), width)
    used = _all(stacks)
    gross, free = used.cost(prices), used.free(prices)
    yield _row(_TOTAL, gross, width, "bold")
    yield _row(_FREE, CostAmount() - free, width)
    yield _row(_NET, gross - free, width, "bold")


def _row(name: str, amount: CostAmount, width: int, style: str = "") -> Line:
    return Line.of((f"{name:<{width}}", style), f"{amount.idle:>12.2f}{amount.full:>12.2f}")


# --- JSON -----------------------------------------------------------------------------------------------------------


def _document(stacks: Stacks, prices: Prices, notes: list[str], warnings: list[str]) -> dict[str, Any]:
    used = _all(stacks)
    gross, free = used.cost(prices), used.free(prices)
    return {
        "date": str(prices.date),
        "currency": prices.currency,
        "vat": prices.vat,
        "stacks": {
            stack: _amounts(total(parts.values()).cost(prices))
            | {"parts": {name: _amounts(usage.cost(prices)) for name, usage in parts.items()}}
            for stack, parts in stacks.items()
        },
        "total": _amounts(gross),
        "free": _amounts(free),
        "net": _amounts(gross - free),
        "unpriced": sorted(used.unpriced),
        "notes": notes,
        "warnings": warnings,
    }


def _amounts(amount: CostAmount) -> dict[str, float]:
    return {"idle": float(round(amount.idle, 2)), "full": float(round(amount.full, 2))}
