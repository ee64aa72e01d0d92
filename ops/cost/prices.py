"""The price file: Scaleway's prices, with their sources and dates."""

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
    """A Scaleway page."""

    title: str
    url: str = Field(pattern=r"^https://www\.scaleway\.com/")


class Price(_Model):
    """The price of one unit, without VAT."""

    amount: Decimal = Field(gt=0)
    unit: str
    free: Decimal = Field(default=Decimal(0), ge=0, description="Free units per account and month.")
    source: Source
    seen: datetime.date
    verified: bool = Field(description="Whether the price is from Scaleway's own page.")
    note: str


class Assumptions(_Model):
    """Assumptions about usage that settings do not determine."""

    job_run_seconds: int = Field(description="Duration of a scheduled run, limited by its timeout.")
    sql_gigabytes: int = Field(description="Size of a Serverless SQL database.")
    registry_gigabytes: int = Field(description="Size of a registry namespace.")
    secret_versions: int = Field(description="Number of versions per secret.")


class Prices(_Model):
    """The price file."""

    date: datetime.date
    currency: Literal["EUR"]
    vat: Literal["excluded"]
    prices: Mapping[str, Price]
    assumptions: Assumptions

    def warnings(self, today: datetime.date) -> Iterator[str]:
        """Warnings about prices that may be out of date."""
        old = [name for name, price in self.prices.items() if today - price.seen > MAX_AGE]
        if old:
            yield f"these prices are older than 12 months: {', '.join(old)}. Update {FILE.name}"


@cache
def load_prices() -> Prices:
    return Prices.model_validate(yaml.safe_load(FILE.read_text(encoding="utf-8")))
