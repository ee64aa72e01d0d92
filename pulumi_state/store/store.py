"""What every store can do: keep objects under keys, and write them only if they still are what one thinks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

ABSENT = ""
"""As an expected tag: the object must not be there."""


class StoreError(Exception):
    """The store cannot be used; the text is for the user and holds no credential."""


class MissingError(StoreError):
    """The store itself is not there: nobody has made the bucket."""


class ConflictError(StoreError):
    """The object is not what the writer expected; nothing was written."""


@dataclass(frozen=True)
class Item:
    """An object as it was read."""

    content: bytes
    tag: str
    """Changes with the content: what a conditional write expects."""


@dataclass(frozen=True)
class Entry:
    """An object as it is listed."""

    key: str
    size: int
    """Bytes; for a database an estimate."""
    modified: datetime


class Store(Protocol):
    """Objects under keys such as ``.pulumi/stacks/snu/stage.json``. Every method raises ``StoreError``."""

    address: str
    """Where it is, without credentials: for messages and comparisons."""

    def read(self, key: str) -> Item | None:
        """The object, or None where there is none."""
        ...

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
        """Write the whole object at once and durably; returns its new tag.

        ``expected``: the tag that the object must still have, or ``ABSENT``. Raises ``ConflictError`` where it has
        another one, atomically: of several writers with the same expectation one succeeds. An object that already is
        ``content`` counts as written, so a write whose answer was lost can be repeated; content that must have one
        writer has to name it.
        """
        ...

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the store; nothing happens when ``source`` is not there."""
        ...

    def delete(self, key: str, expected: str | None = None) -> None:
        """Remove an object; fine when it is not there.

        ``expected``: the tag that it must still have. Raises ``ConflictError`` where it has another one. A folder and
        a database compare and remove in one step; a bucket, which has no conditional delete, in two.
        """
        ...

    def age(self, key: str) -> timedelta | None:
        """Time since the object was last written, by the store's own clock; None where there is none."""
        ...

    def entries(self, prefix: str) -> list[Entry]:
        """The objects below a prefix, by key."""
        ...

    def close(self) -> None: ...
