"""The size of a stack's state, compared with the largest request that its backend accepts."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from pulumi_state.store import Store, checkpoints

SERVERLESS_LIMIT = 700_000
"""Bytes of a checkpoint that a Serverless SQL database accepts: 1,024 KB a request, which contains it in base64."""
WARN_FROM = 0.6
"""Share of the limit from which commands warn."""
_SERVERLESS_HOST = ".pg.sdb."


@dataclass(frozen=True)
class StateSize:
    """The size of a state and the backend's limit, in bytes."""

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
    """The size as stored, which may be compressed. Raises StoreError."""
    stored = checkpoints.find(store, project, stack)
    return StateSize(len(stored.raw) if stored else 0, limit_of(store.address))


def limit_of(address: str) -> int | None:
    """The limit of the backend at an address."""
    return SERVERLESS_LIMIT if _SERVERLESS_HOST in (urlsplit(address).hostname or "") else None


def size_remedy(stack: str) -> str:
    """What to do about a state that is too large."""
    return (
        "Move it to a backend without that limit: in the foundation's settings, set the environment's database to kind "
        f"`bucket` or `instance`, and run `scripts/snu state move {stack} --to …`; see docs/how-to/state.md."
    )
