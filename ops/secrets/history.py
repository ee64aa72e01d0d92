"""The versions of a secret document, and the keys that each one changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.secret_document import parse
from ops.secrets.change import KeyChanges
from ops.secrets.store import DocumentStore

_IDENTIFIER = re.compile(r" \([0-9a-f]{8}\)$")


@dataclass(frozen=True)
class Revision:
    """A version of a document without its values."""

    revision: int
    created: datetime
    description: str
    is_readable: bool
    """Whether its content can be read and is a JSON object."""
    is_enabled: bool
    changes: KeyChanges | None
    """The keys that differ from the previous readable version; None if unknown."""

    @property
    def purpose(self) -> str:
        """The description without the identifier that `DocumentStore.write` adds."""
        return _IDENTIFIER.sub("", self.description)


@dataclass(frozen=True)
class KeyAge:
    """The version that last changed a key's value."""

    revision: int
    changed: datetime
    or_earlier: bool
    """Whether it may have last changed in an older version, which was not read."""


class History:
    """The newest versions of a document. Raises OpsError like ``DocumentStore``."""

    def __init__(self, store: DocumentStore, most: int) -> None:
        """``most``: the number of versions to read, each with one request."""
        self._versions = store.versions()
        # One more, because the oldest one is compared with the one before.
        read = [each.revision for each in self._versions if each.is_enabled][: most + 1]
        self._values: dict[int, Mapping[str, Any]] = {
            revision: values
            for revision, content in store.contents(read).items()
            if (values := parse(content)) is not None
        }
        self._most = most

    @property
    def is_complete(self) -> bool:
        """Whether it contains all versions."""
        return len(self._versions) <= self._most

    @property
    def latest(self) -> Mapping[str, Any]:
        """The values of the latest readable version; empty if there is none."""
        return next(iter(self._values.values()), {})

    def revisions(self) -> list[Revision]:
        """The newest versions, newest first."""
        return [
            Revision(
                each.revision,
                each.created,
                each.description,
                each.revision in self._values,
                each.is_enabled,
                self._changes(each.revision),
            )
            for each in self._versions[: self._most]
        ]

    def ages(self) -> dict[str, KeyAge]:
        """The age of each key of the latest readable version."""
        created = {each.revision: each.created for each in self._versions}
        ages = {}
        for key, value in self.latest.items():
            last = next(iter(self._values))
            for revision, values in self._values.items():
                if key not in values or values[key] != value:
                    break
                last = revision
            is_oldest = last == next(reversed(self._values))
            ages[key] = KeyAge(last, created[last], is_oldest and last != self._versions[-1].revision)
        return ages

    def _changes(self, revision: int) -> KeyChanges | None:
        if revision not in self._values:
            return None
        older = next((each for each in self._values if each < revision), None)
        if older is None and revision != self._versions[-1].revision:
            return None
        return KeyChanges.between(self._values[older] if older else {}, self._values[revision])
