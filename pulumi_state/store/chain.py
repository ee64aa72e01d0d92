"""Successive conditional writes of one object by one writer."""

from __future__ import annotations

from pulumi_state.store.store import Store


class Chain:
    """Writes an object repeatedly, each time only if it is still what the previous write left.

    A write without a response may or may not have been carried out: it is repeated before the next one.
    """

    def __init__(self, store: Store, key: str, tag: str) -> None:
        """Expect the object to have ``tag`` at the first write, or not to exist if it is ``ABSENT``."""
        self._store = store
        self._key = key
        self.tag = tag
        self._unanswered: bytes | None = None

    def write(self, content: bytes) -> None:
        """Write the object. Raises ConflictError, from then on always, if another writer has changed it; StoreError."""
        if self._unanswered is not None:
            self._write(self._unanswered)
        self._write(content)

    def _write(self, content: bytes) -> None:
        self._unanswered = content
        self.tag = self._store.write(self._key, content, self.tag)
        self._unanswered = None
