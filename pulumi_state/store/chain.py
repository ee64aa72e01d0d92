"""Successive conditional writes to one object by one writer."""

from __future__ import annotations

from pulumi_state.store.store import Store


class Chain:
    """Writes an object repeatedly, each time only if it has not changed since the previous write.

    A write that got no response may or may not have been carried out, so it is repeated before the next write.
    """

    def __init__(self, store: Store, key: str, tag: str) -> None:
        """Expect the object to have ``tag`` at the first write, or not to exist if ``tag`` is ``ABSENT``."""
        self._store = store
        self._key = key
        self.tag = tag
        self._unanswered: bytes | None = None

    def write(self, content: bytes) -> None:
        """Write the object.

        Raises StoreError. Raises ConflictError, in this and all later calls, if another writer changed the object.
        """
        if self._unanswered is not None:
            self._write(self._unanswered)
        self._write(content)

    def _write(self, content: bytes) -> None:
        self._unanswered = content
        self.tag = self._store.write(self._key, content, self.tag)
        self._unanswered = None
