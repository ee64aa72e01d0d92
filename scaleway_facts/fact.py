"""How a fact is stated."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Source:
    """Where something is stated."""

    title: str
    url: str
    stated: date
    """When the source stated it, or was last validated by its publisher."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A range of whole numbers, both ends included."""

    subject: str
    least: int = 0
    most: int
    unit: str = ""
    default: int | None = None
    """What the platform fills in."""
    source: Source | None
    """None: Scaleway states no figure, and this is the project's own bound."""
    firm: bool = True
    """Whether going past it is refused. False where sources contradict each other or the figure is second-hand:
    going past it is a warning, and the local Scaleway accepts it."""
    note: str = ""

    def allows(self, value: int) -> bool:
        return self.least <= value <= self.most

    @property
    def range(self) -> str:
        """In words: `70 to 6000`."""
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What the platform does."""

    subject: str
    statement: str
    source: Source
    note: str = ""
    """Where sources disagree, or what the project makes of it."""
