"""The store interface: objects identified by keys, with conditional writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

ABSENT = ""
"""The expected tag for an object that must not exist."""


class StoreError(Exception):
    """The store cannot be used. The message is displayed to the user and does not contain credentials."""


class MissingError(StoreError):
    """The store itself, such as the bucket, does not exist."""


class ConflictError(StoreError):
    """The object differs from what the writer expected. Nothing was written."""


@dataclass(frozen=True)
class Item:
    """An object's content and tag."""

    content: bytes
    tag: str
    """A value that changes with the content; conditional writes compare it."""


@dataclass(frozen=True)
class Entry:
    """An object in a listing."""

    key: str
    size: int
    """Size in bytes; an estimate if the store is a database."""
    modified: datetime


class Store(Protocol):
    """Objects with keys such as ``.pulumi/stacks/snu/stage.json``. Every method may raise ``StoreError``."""

    address: str
    """The store's address without credentials, for messages and comparisons."""

    def read(self, key: str) -> Item | None:
        """Return the object, or None if it does not exist."""
        ...

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
        """Write an object atomically and durably, and return its new tag.

        ``expected`` is the tag that the object must have, or ``ABSENT``. Raises ``ConflictError`` if the tag differs;
        of several writers with the same expectation, only one succeeds. If the object already has this content, the
        write also succeeds, so a write can be repeated if its response was lost. Writers that must exclude each other
        must therefore write different content.
        """
        ...

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the store; does nothing if ``source`` does not exist."""
        ...

    def delete(self, key: str, expected: str | None = None) -> None:
        """Remove an object; does nothing if it does not exist.

        ``expected`` is the tag that the object must have. Raises ``ConflictError`` if the tag differs. The operation is
        atomic in folders and databases, but not in buckets, which have no conditional delete.
        """
        ...

    def age(self, key: str) -> timedelta | None:
        """Return the time since the last write, as measured by the store's own clock, or None if there is no object."""
        ...

    def entries(self, prefix: str) -> list[Entry]:
        """Return the objects with a key prefix, sorted by key."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
