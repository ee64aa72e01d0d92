"""What every benchmark shares: measurements of one thing, and rows that set two of them against each other.

Absolute times depend on the machine and on what else it does; ratios of what was measured in turns do not.
"""

from __future__ import annotations

import math
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.programs import PULUMI

_NAME_WIDTH = 58
_SIDE_WIDTH = 10


class Skipped(Exception):
    """Raised by a benchmark that cannot run at all on this machine; its text is the reason."""


@dataclass
class Session:
    """How one benchmark is to run, and which of its parts the machine could not run."""

    rounds: int = 3
    smoke: bool = False
    """The shortest round, which shows that the benchmark works: smallest sizes, nothing runs once before."""
    repository: Path | None = None
    sources: Sequence[Path] = ()
    boot: float = 30.0
    """Seconds that the api of `restart` takes to boot."""
    left_out: list[str] = field(default_factory=list)

    def size(self, usual: int, smallest: int) -> int:
        """One of two sizes."""
        return smallest if self.smoke else usual

    def turns(self) -> Iterator[bool]:
        """One for each measurement: whether it counts. The first one, which warms up, does not."""
        if not self.smoke:
            yield False
        for _ in range(self.rounds):
            yield True

    def has(self, part: str, programs: Iterable[str]) -> bool:
        """Whether all programs are on PATH; if not, the part that needs them is left out."""
        missing = [program for program in programs if shutil.which(program) is None]
        if missing:
            self.leave_out(part, f"not on PATH: {', '.join(missing)}")
        return not missing

    def engines(self) -> list[str]:
        """The values of ``--engine`` that the machine has the programs for."""
        return ["embedded", *(["pulumi"] if self.has("Pulumi CLI", PULUMI) else [])]

    def leave_out(self, part: str, reason: object) -> None:
        """Report and remember a part that does not run."""
        self.left_out.append(f"{part} ({reason})")
        print(f"Without {part}: {reason}", flush=True)


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
        """Infinite, or no number, where the lower side is too short to be measured."""
        upper, lower = self.upper.median, self.lower.median
        if lower == 0:
            return math.inf if upper else math.nan
        return upper / lower

    def row(self) -> str:
        sides = "  ".join(f"{self._side(side):>{_SIDE_WIDTH}}" for side in (self.upper, self.lower))
        verdict = self.target.verdict(self.value) if self.target is not None else ""
        return f"{self.name:<{_NAME_WIDTH}}  {sides}  {self.value:6.2f}  {verdict}".rstrip()

    def _side(self, samples: Samples) -> str:
        return f"{samples.median:.{self.digits}f} {self.unit}"


def print_table(ratios: Iterable[Ratio], upper: str, lower: str) -> None:
    """``upper`` and ``lower`` are the headings of the two columns of medians."""
    print(f"\n{'':<{_NAME_WIDTH}}  {upper:>{_SIDE_WIDTH}}  {lower:>{_SIDE_WIDTH}}  {'ratio':>6}  target")
    for ratio in ratios:
        print(ratio.row())


def machine() -> str:
    """The machine, as far as a figure needs it."""
    return f"{os.cpu_count()} cores"
