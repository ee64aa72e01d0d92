"""How the changes in a preview affect a stack's monthly cost."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ops.cost.prices import Prices
    from ops.cost.usage import CostAmount, Usage
    from ops.operation_record import OperationRecord


def cost_text(record: OperationRecord) -> str:
    """One line with the cost difference; empty if the cost does not change."""
    from ops.cost.prices import load_prices

    prices = load_prices()
    before, after = _usages(record, prices)
    difference = after.cost(prices) - before.cost(prices)
    unpriced = sorted(after.unpriced ^ before.unpriced)
    if not unpriced and not any(map(_cents, (difference.idle, difference.full))):
        return ""
    text = f"Cost: {signed(difference)}, at Scaleway's prices as of {prices.date}"
    return f"{text}; not priced: {', '.join(unpriced)}" if unpriced else text


def signed(amount: CostAmount) -> str:
    """``+12.30 € a month idle, +98.00 € at full scale``."""
    return f"{_signed(amount.idle)} € a month idle, {_signed(amount.full)} € at full scale"


def _signed(euros: Decimal) -> str:
    cents = _cents(euros)
    return f"{cents:+.2f}" if cents else "0.00"


def _cents(euros: Decimal) -> Decimal:
    return round(euros, 2)


def _usages(record: OperationRecord, prices: Prices) -> tuple[Usage, Usage]:
    """Usage of the changed resources before and after the changes."""
    from ops.cost.usage import total, usage_of

    changed = (progress.step for progress in record.by_resource() if progress.step.is_change)
    # One part of a renamed resource's replacement has its former name.
    steps = [step for step in changed if not step.is_replacement_part]
    before = (usage_of(step.type, step.old.get("inputs") or {}, prices) for step in steps if step.old)
    after = (usage_of(step.type, step.new.get("inputs") or {}, prices) for step in steps if step.new)
    return total(before), total(after)
