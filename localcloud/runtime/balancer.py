"""Chooses the instance for the next request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Backend:
    """The address of an instance, and its load."""

    address: str
    """``127.0.0.1:<port>``."""
    in_flight: int = 0
    """Requests being processed."""
    _turn: int = field(default=0, repr=False)


class Balancer:
    """Picks the least busy instance; among equally busy ones, the least recently picked."""

    def __init__(self) -> None:
        self._turns = 0

    def pick(self, backends: Iterable[Backend]) -> Backend | None:
        chosen = min(backends, key=lambda backend: (backend.in_flight, backend._turn), default=None)
        if chosen is not None:
            self._turns += 1
            chosen._turn = self._turns
        return chosen


@contextmanager
def busy(backend: Backend) -> Iterator[None]:
    """Count a request while the instance processes it."""
    backend.in_flight += 1
    try:
        yield
    finally:
        backend.in_flight -= 1
