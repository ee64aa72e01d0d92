"""A store in memory with a clock that the test sets, and a connection that it can lose."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum

from pulumi_state.store import ABSENT, ConflictError, Entry, Item, StoreError


class Fault(Enum):
    """What becomes of the next request that changes something."""

    NONE = "answered"
    REQUEST_LOST = "not carried out"
    ANSWER_LOST = "carried out, and not answered"


@dataclass
class MemoryStore:
    """Satisfies ``pulumi_state.store.Store``."""

    address: str = "memory"
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    fault: Fault = Fault.NONE
    objects: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)

    def read(self, key: str) -> Item | None:
        found = self.objects.get(key)
        return None if found is None else Item(found[0], _tag(found[0]))

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
        fault, self.fault = self.fault, Fault.NONE
        if fault is Fault.REQUEST_LOST:
            raise StoreError("no connection")
        found = self.read(key)
        if expected is not None and (found.tag if found else ABSENT) != expected:
            if found is None or found.content != content:
                raise ConflictError(f"{key} was changed by another run")
        else:
            self.objects[key] = (content, self.now)
        if fault is Fault.ANSWER_LOST:
            raise StoreError("no answer")
        return _tag(content)

    def copy(self, source: str, target: str) -> None:
        if source in self.objects:
            self.objects[target] = (self.objects[source][0], self.now)

    def delete(self, key: str, expected: str | None = None) -> None:
        found = self.read(key)
        if found is not None and expected is not None and found.tag != expected:
            raise ConflictError(f"{key} was changed by another run")
        self.objects.pop(key, None)

    def age(self, key: str) -> timedelta | None:
        return self.now - self.objects[key][1] if key in self.objects else None

    def entries(self, prefix: str) -> list[Entry]:
        return [
            Entry(key, len(content), written)
            for key, (content, written) in sorted(self.objects.items())
            if key.startswith(prefix)
        ]

    def close(self) -> None: ...


def _tag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
