"""The interface of a store: objects under keys, with conditional writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

ABSENT = ""
"""Expected tag of an object that must not exist."""


class StoreError(Exception):
    """The store cannot be used. The message is shown to the user and contains no credentials."""


class MissingError(StoreError):
    """The store itself, such as the bucket, does not exist."""


class ConflictError(StoreError):
    """The object is not what the writer expected. Nothing was written."""


@dataclass(frozen=True)
class Item:
    """An object with its content."""

    content: bytes
    tag: str
    """Changes with the content; conditional writes expect it."""


@dataclass(frozen=True)
class Entry:
    """An object in a listing."""

    key: str
    size: int
    """Size in bytes; an estimate if the store is a database."""
    modified: datetime


class Store(Protocol):
    """Objects under keys such as ``.pulumi/stacks/snu/stage.json``. Every method may raise ``StoreError``."""

    address: str
    """The store's address without credentials, for messages and comparisons."""

    def read(self, key: str) -> Item | None:
        """Return the object, None if it does not exist."""
        ...

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
        """Write an object atomically and durably, and return its new tag.

        ``expected`` is the tag that the object must have, or ``ABSENT``. Raises ``ConflictError`` if it has another
        one; only one of several writers with the same expectation succeeds. An object whose content already is
        ``content`` counts as written, so that a write whose response was lost can be repeated. Writers that must
        exclude each other therefore have to write different content.
        """
        ...

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the store; does nothing if ``source`` does not exist."""
        ...

    def delete(self, key: str, expected: str | None = None) -> None:
        """Remove an object; does nothing if it does not exist.

        ``expected`` is the tag that it must have. Raises ``ConflictError`` if it has another one. Atomic in a folder
        and a database, but not in a bucket, which has no conditional delete.
        """
        ...

    def age(self, key: str) -> timedelta | None:
        """Return the time since the object was last written, by the store's own clock; None if it does not exist."""
        ...

    def entries(self, prefix: str) -> list[Entry]:
        """Return the objects whose keys have a prefix, sorted by key."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
