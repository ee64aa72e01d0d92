"""Metadata of preview environments, stored alongside the state because names do not contain the branch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pulumi_state.store import Store, layout

_KIND = "previews"
_SUFFIX = ".json"


@dataclass(frozen=True)
class PreviewMetadata:
    """An environment's branch or pull request, and the time when it was last brought up."""

    branch: str
    pull_request: int | None
    repository: str
    """``owner/name`` on GitHub; empty if it was created without GitHub."""
    updated: str
    """Start of the last ``env up``, ISO 8601 in UTC."""

    @classmethod
    def now(cls, branch: str, pull_request: int | None, repository: str) -> PreviewMetadata:
        return cls(branch, pull_request, repository, datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.updated)


def known(store: Store, project: str) -> list[str]:
    """Names of the environments that have metadata. Raises StoreError."""
    prefix = layout.snu_prefix(_KIND, project, "")
    keys = [entry.key for entry in store.entries(prefix) if entry.key.endswith(_SUFFIX)]
    return [key.removeprefix(prefix).removesuffix(_SUFFIX) for key in keys]


def read(store: Store, project: str, name: str) -> PreviewMetadata | None:
    """The metadata, or None if it is missing or unreadable. Raises StoreError."""
    item = store.read(_key(project, name))
    if item is None:
        return None
    try:
        metadata = PreviewMetadata(**json.loads(item.content))
        return metadata if metadata.time.tzinfo else None
    except (ValueError, TypeError):
        return None


def write(store: Store, project: str, name: str, metadata: PreviewMetadata) -> None:
    """Raises StoreError."""
    store.write(_key(project, name), json.dumps(asdict(metadata)).encode())


def remove(store: Store, project: str, name: str) -> None:
    """Raises StoreError."""
    store.delete(_key(project, name))


def _key(project: str, name: str) -> str:
    return f"{layout.snu_prefix(_KIND, project, name)}{_SUFFIX}"
