"""The types of facts: limits and behaviour, each with its source."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Source:
    """The source of a fact."""

    title: str
    url: str
    stated: date
    """When the source was published or last validated by its publisher."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """An inclusive range of integers."""

    subject: str
    least: int = 0
    most: int
    unit: str = ""
    default: int | None = None
    """The platform's default."""
    source: Source | None
    """None if Scaleway documents no figure and this is the project's own limit."""
    firm: bool = True
    """Whether values outside the range are rejected.

    False if sources contradict each other or the figure is second-hand. Values outside the range then cause only a
    warning, and the local Scaleway accepts them.
    """
    note: str = ""

    def allows(self, value: int) -> bool:
        """Return whether a value is within the range."""
        return self.least <= value <= self.most

    @property
    def range(self) -> str:
        """The range in words: `70 to 6000`."""
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """The platform's behaviour in a specific case."""

    subject: str
    statement: str
    source: Source
    note: str = ""
    """Contradictions between sources, or assumptions that this project makes."""
