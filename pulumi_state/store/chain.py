"""Successive writes of one object by one writer."""

from __future__ import annotations

from pulumi_state.store.store import Store


class Chain:
    """Writes an object again and again, each time only if it still is what the write before made of it.

    A write that got no answer may have been carried out or not: it is repeated before the next one.
    """

    def __init__(self, store: Store, key: str, tag: str) -> None:
        """``tag``: what the object must have at the first write, or ``ABSENT``."""
        self._store = store
        self._key = key
        self.tag = tag
        self._unanswered: bytes | None = None

    def write(self, content: bytes) -> None:
        """Raises ConflictError, now and ever after, where somebody else has written; StoreError."""
        if self._unanswered is not None:
            self._write(self._unanswered)
        self._write(content)

    def _write(self, content: bytes) -> None:
        self._unanswered = content
        self.tag = self._store.write(self._key, content, self.tag)
        self._unanswered = None
