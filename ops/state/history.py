"""A stack's history from both engines' records: who updated it, when, and with what result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pulumi_state.history import AGENT
from pulumi_state.store import ABSENT, ConflictError, Store, checkpoints, layout

_INTERRUPTED = "interrupted"
_KINDS = {"snu destroy": "destroy", "snu env down": "destroy", "snu env sweep": "destroy", "snu refresh": "refresh"}
"""Update kinds by command; all other commands perform an ``update``."""


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
    def is_interrupted(self) -> bool:
        """Whether the run was killed; if so, its changes are unknown, and ``message`` is its command."""
        return self.result == _INTERRUPTED

    @property
    def document(self) -> dict[str, Any]:
        """The update as JSON."""
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


@dataclass(frozen=True)
class InterruptedRun:
    """A run that locked the stack and never released the lock."""

    command: str
    who: str
    begun: datetime
    seen: datetime
    """When the run last renewed its lock."""
    engine: str

    @property
    def update(self) -> Update:
        """The run as a history entry."""
        begun = self.begun.replace(microsecond=0)
        seconds = max(0, int((self.seen - begun).total_seconds()))
        kind = _KINDS.get(self.command, "update")
        return Update(kind, self.who, begun, seconds, _INTERRUPTED, {}, self.engine, "", self.command)

    def is_recorded(self, store: Store, project: str, stack: str) -> bool:
        """Whether the history contains the run's own record or a record of its interruption. Raises StoreError."""
        begun = self.update.begun
        return any(each.who == self.who and each.begun >= begun for each in updates_of(store, project, stack, 1))

    def record(self, store: Store, project: str, stack: str) -> None:
        """Add the run to the history unless it is already recorded. Raises StoreError."""
        if self.is_recorded(store, project, stack):
            return
        update = self.update
        begun = int(update.begun.timestamp())
        content = {
            "kind": update.kind,
            "startTime": begun,
            "message": update.message,
            "environment": {"exec.kind": update.engine, "exec.agent": f"{AGENT}{update.who}"},
            "config": {},
            "version": 0,
            "result": update.result,
            "endTime": begun + update.seconds,
        }
        key = f"{layout.history(project, stack)}{stack}-{_nanoseconds(self.begun)}{layout.RECORD}"
        with suppress(ConflictError):  # another run recorded it at the same time
            store.write(key, json.dumps(content).encode(), ABSENT)


def _nanoseconds(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000


def updates_of(store: Store, project: str, stack: str, most: int) -> list[Update]:
    """A stack's latest updates, up to ``most``, in reverse chronological order. Raises StoreError."""
    keys = sorted(checkpoints.record_keys(store, project, stack), reverse=True)[:most]
    return [update for key in keys if (update := update_at(store, key)) is not None]


def update_at(store: Store, key: str) -> Update | None:
    """The update recorded at a key, or None if the record is invalid. Raises StoreError."""
    item = store.read(key)
    return _read(checkpoints.decompressed(store, key, item.content)) if item else None


def _read(content: bytes) -> Update | None:
    """Parse a record; returns None if it is invalid."""
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
    """Return the user; plain `pulumi` records only the author of the checked-out commit."""
    agent = environment.get("exec.agent", "")
    if agent.startswith(AGENT):
        return agent.removeprefix(AGENT)
    author = environment.get("git.author")
    return f"unknown (at a commit by {author})" if author else "unknown"
