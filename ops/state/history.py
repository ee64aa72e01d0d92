"""Who has changed a stack, when, and what came of it: Pulumi's own records, of both engines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pulumi_state.store import Store, checkpoints


@dataclass(frozen=True)
class Update:
    """One update of a stack."""

    kind: str
    who: str
    begun: datetime
    seconds: int
    result: str
    changes: Mapping[str, int]
    engine: str
    commit: str
    message: str

    @property
    def document(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "who": self.who,
            "begun": self.begun.isoformat().replace("+00:00", "Z"),
            "seconds": self.seconds,
            "result": self.result,
            "changes": dict(self.changes),
            "engine": self.engine,
            "commit": self.commit,
            "message": self.message,
        }


def updates_of(store: Store, project: str, stack: str, most: int) -> list[Update]:
    """The newest first, at most so many. Raises StoreError."""
    keys = sorted(checkpoints.record_keys(store, project, stack), reverse=True)[:most]
    return [update for key in keys if (update := update_at(store, key)) is not None]


def update_at(store: Store, key: str) -> Update | None:
    """None for what is no record. Raises StoreError."""
    item = store.read(key)
    return _read(checkpoints.decompressed(store, key, item.content)) if item else None


def _read(content: bytes) -> Update | None:
    """None for what is no record."""
    try:
        record = json.loads(content)
        begun, ended = int(record["startTime"]), int(record["endTime"])
        environment = record.get("environment") or {}
        return Update(
            kind=str(record["kind"]),
            who=_who(environment),
            begun=datetime.fromtimestamp(begun, UTC),
            seconds=max(0, ended - begun),
            result=str(record["result"]),
            changes={str(key): int(value) for key, value in (record.get("resourceChanges") or {}).items()},
            engine="embedded" if environment.get("exec.kind") == "embedded" else "pulumi",
            commit=str(environment.get("git.head") or ""),
            message=str(record.get("message") or ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return None


def _who(environment: Mapping[str, str]) -> str:
    """Plain `pulumi` says only who made the commit that was checked out."""
    agent = environment.get("exec.agent", "")
    if agent.startswith("snu/"):
        return agent.removeprefix("snu/")
    author = environment.get("git.author")
    return f"somebody at a commit of {author}" if author else "not known"
