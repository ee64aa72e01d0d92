"""What every benchmark shares: measurements of one thing, and rows that set two of them against each other.

Absolute times depend on the machine and on what else it does; ratios of what was measured in turns do not.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

_NAME_WIDTH = 58
_SIDE_WIDTH = 10


@dataclass
class Samples:
    """Values of one thing, measured several times."""

    values: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        self.values.append(value)

    def time(self, work: Callable[..., object], *arguments: object) -> None:
        """Add the seconds that the work takes."""
        started = time.perf_counter()
        work(*arguments)
        self.add(time.perf_counter() - started)

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True)
class Target:
    """A bound of a ratio: at most, or at least."""

    bound: float
    at_least: bool = False

    def verdict(self, ratio: float) -> str:
        met = ratio >= self.bound if self.at_least else ratio <= self.bound
        return f"{'>=' if self.at_least else '<='} {self.bound:<4g} {'ok' if met else 'MISSED'}"


@dataclass(frozen=True)
class Ratio:
    """One row: two medians in the same unit, their ratio, and its target where there is one."""

    name: str
    upper: Samples
    lower: Samples
    target: Target | None = None
    unit: str = "s"
    digits: int = 2

    @property
    def value(self) -> float:
        return self.upper.median / self.lower.median

    def row(self) -> str:
        sides = "  ".join(f"{self._side(side):>{_SIDE_WIDTH}}" for side in (self.upper, self.lower))
        verdict = self.target.verdict(self.value) if self.target is not None else ""
        return f"{self.name:<{_NAME_WIDTH}}  {sides}  {self.value:6.2f}  {verdict}".rstrip()

    def _side(self, samples: Samples) -> str:
        return f"{samples.median:.{self.digits}f} {self.unit}"


def print_table(ratios: Iterable[Ratio], upper: str, lower: str) -> None:
    """``upper`` and ``lower`` say whose medians stand in the two columns."""
    print(f"\n{'':<{_NAME_WIDTH}}  {upper:>{_SIDE_WIDTH}}  {lower:>{_SIDE_WIDTH}}  {'ratio':>6}  target")
    for ratio in ratios:
        print(ratio.row())


def machine() -> str:
    """The machine, as far as a figure needs it."""
    return f"{os.cpu_count()} cores"
