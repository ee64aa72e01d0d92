"""The price file: what Scaleway takes for what, seen where and when."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

FILE = Path(__file__).with_name("prices.yaml")
MONTH_HOURS = 730
MAX_AGE = datetime.timedelta(days=365)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda name: name.replace("_", "-"))


class Source(_Model):
    """A document of Scaleway's."""

    title: str
    url: str = Field(pattern=r"^https://www\.scaleway\.com/")


class Price(_Model):
    """What one unit costs, without VAT."""

    amount: Decimal = Field(gt=0)
    unit: str
    free: Decimal = Field(default=Decimal(0), ge=0, description="Units a month that an account has for nothing.")
    source: Source
    seen: datetime.date
    verified: bool = Field(description="Whether it was read in Scaleway's own text.")
    note: str


class Assumptions(_Model):
    """What the settings do not say and a bill depends on."""

    job_run_seconds: int = Field(description="How long a scheduled run takes, at most its timeout.")
    sql_gigabytes: int = Field(description="What a Serverless SQL database holds.")
    registry_gigabytes: int = Field(description="What a registry namespace holds.")
    secret_versions: int = Field(description="Versions of a secret that are kept.")


class Prices(_Model):
    """The file."""

    date: datetime.date
    currency: Literal["EUR"]
    vat: Literal["excluded"]
    prices: Mapping[str, Price]
    assumptions: Assumptions

    def warnings(self, today: datetime.date) -> Iterator[str]:
        """Of prices that may have changed meanwhile."""
        old = [name for name, price in self.prices.items() if today - price.seen > MAX_AGE]
        if old:
            yield f"these prices were seen more than 12 months ago: {', '.join(old)}; look them up again"


@cache
def load_prices() -> Prices:
    return Prices.model_validate(yaml.safe_load(FILE.read_text(encoding="utf-8")))
