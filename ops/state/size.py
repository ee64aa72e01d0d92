"""How large a stack's state is, beside what its backend takes in one request."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from pulumi_state.store import Store, checkpoints

SERVERLESS_LIMIT = 700_000
"""Bytes of a checkpoint that a Serverless SQL database takes: 1,024 KB a request, in which it stands in base64."""
WARN_FROM = 0.6
_SERVERLESS_HOST = ".pg.sdb."


@dataclass(frozen=True)
class StateSize:
    """Of a state; bytes."""

    bytes: int
    limit: int | None
    """None where the backend has none that matters."""

    @property
    def share(self) -> float:
        return self.bytes / self.limit if self.limit else 0.0

    @property
    def near(self) -> bool:
        return self.share >= WARN_FROM

    @property
    def too_large(self) -> bool:
        return self.share >= 1

    def __str__(self) -> str:
        size = f"{self.bytes / 1000:,.0f} KB"
        return f"{size} of {self.limit / 1000:,.0f} KB ({self.share:.0%})" if self.limit else size


def size_of(store: Store, project: str, stack: str) -> StateSize:
    """The size as stored: what is compressed takes less. Raises StoreError."""
    stored = checkpoints.find(store, project, stack)
    return StateSize(len(stored.raw) if stored else 0, limit_of(store.address))


def limit_of(address: str) -> int | None:
    """Of a backend, by its address."""
    return SERVERLESS_LIMIT if _SERVERLESS_HOST in (urlsplit(address).hostname or "") else None


def way_out(stack: str) -> str:
    """What to do about a state that is too large."""
    return (
        f"Move it to a backend without that limit: give the environment a database of kind `bucket` or `instance` in "
        f"the foundation's settings, and run `scripts/snu state move {stack} --to …`; see docs/how-to/state.md."
    )
