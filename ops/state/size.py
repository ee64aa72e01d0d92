"""The size of a stack's state compared with the largest request that its backend accepts."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from pulumi_state.store import Store, checkpoints

SERVERLESS_LIMIT = 700_000
"""Largest checkpoint, in bytes, that fits in a Serverless SQL database request (1,024 KB, in base64)."""
WARN_FROM = 0.6
"""Fraction of the limit at which commands start to warn."""
_SERVERLESS_HOST = ".pg.sdb."


@dataclass(frozen=True)
class StateSize:
    """A state's size and the backend's limit, in bytes."""

    bytes: int
    limit: int | None
    """None if the backend has no relevant limit."""

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
    """The size of the state as stored, which may be compressed. Raises StoreError."""
    stored = checkpoints.find(store, project, stack)
    return StateSize(len(stored.raw) if stored else 0, limit_of(store.address))


def limit_of(address: str) -> int | None:
    """The size limit of the backend at an address."""
    return SERVERLESS_LIMIT if _SERVERLESS_HOST in (urlsplit(address).hostname or "") else None


def size_remedy(stack: str) -> str:
    """Instructions for a state that is too large."""
    return (
        "Move it to a backend without this limit: in the foundation's settings, set the environment's database to "
        f"kind `bucket` or `instance`, then run `scripts/snu state move {stack} --to …`. See docs/how-to/state.md."
    )
