"""The state as the last run of ``snu`` left it: shows when a run that had lost its lock has overwritten it since.

The Pulumi CLI writes a state unconditionally. A CLI that is paused, and continues after its lock was removed and
another run has ended, puts its old state in the place of the newer one (docs/adr/0022-fencing.md).
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.state import backup as backups
from ops.state.history import update_at
from pulumi_state.errors import PulumiError
from pulumi_state.state_file import StateFile
from pulumi_state.store import ABSENT, Store, checkpoints, layout
from pulumi_state.store.checkpoints import StoredCheckpoint, record_keys

_FORMAT = 1
Resource = dict[str, Any]


@dataclass(frozen=True)
class OverwrittenState:
    """A state that is older than what the last run left."""

    stack: str
    tag: str
    """Of the state in the store."""
    begun: datetime
    """When the last run began."""
    state: bytes
    """What it left."""
    unknown: tuple[str, ...]
    """Names and ids of resources that only the state in the store has: the run that wrote it may have made them."""

    def __str__(self) -> str:
        """One line, with the command that restores."""
        return (
            f"{self.stack}: the state is older than what the run of {self.begun:%Y-%m-%d %H:%M} UTC left: a run that "
            "had lost its lock has overwritten it, or a backup was imported. Run `scripts/snu recover "
            f"{self.stack}` to restore the newer one."
        )


@dataclass(frozen=True)
class Observed:
    """A stack's state as a command has read it, once, and what it shows of the runs before."""

    at: datetime
    stored: StoredCheckpoint | None
    """None where there is no state yet."""
    tag: str
    """Of what the last run left."""
    overwritten: OverwrittenState | None


@dataclass(frozen=True)
class _LastRun:
    begun: datetime
    state: bytes
    """At its end."""
    updates: frozenset[str]
    """Keys of the records of updates at its end."""

    def content(self) -> bytes:
        document = {
            "version": _FORMAT,
            "begun": self.begun.isoformat(),
            "state": base64.b64encode(zlib.compress(self.state)).decode(),
            "updates": sorted(self.updates),
        }
        return json.dumps(document).encode()

    @classmethod
    def parse(cls, content: bytes) -> _LastRun | None:
        """None for what this version cannot read."""
        try:
            document = json.loads(content)
            if document["version"] != _FORMAT:
                return None
            state = zlib.decompress(base64.b64decode(document["state"]))
            return cls(datetime.fromisoformat(document["begun"]), state, frozenset(document["updates"]))
        except (ValueError, KeyError, TypeError, zlib.error):
            return None


def observe(store: Store, project: str, stack: str) -> Observed:
    """Read the state. Raises StoreError."""
    at = datetime.now(UTC)
    kept, stored = store.read(_key(project, stack)), checkpoints.find(store, project, stack)
    last = _LastRun.parse(kept.content) if kept else None
    older = _overwritten(store, project, stack, last, stored) if last and stored else None
    return Observed(at, stored, kept.tag if kept else ABSENT, older)


def remember(store: Store, project: str, stack: str, begin: Observed) -> None:
    """Keep the state as it is at the end of the run, unless it was found overwritten and was left so.

    ``begin``: what was observed when the run had got the lock. Raises StoreError, also where another run has ended
    meanwhile.
    """
    stored = checkpoints.find(store, project, stack)
    if stored is None:
        store.delete(_key(project, stack), begin.tag)
    elif begin.overwritten is None or stored.tag != begin.overwritten.tag:
        last = _LastRun(begin.at, stored.content, frozenset(record_keys(store, project, stack)))
        store.write(_key(project, stack), last.content(), begin.tag)


def forget(store: Store, project: str, stack: str) -> None:
    """For a stack whose state goes away. Raises StoreError."""
    store.delete(_key(project, stack))


def _overwritten(
    store: Store, project: str, stack: str, last: _LastRun, stored: StoredCheckpoint
) -> OverwrittenState | None:
    """None where the state is what the last run left, or what a later one made of it. Raises StoreError."""
    if stored.content == last.state:
        return None
    left, found = _resources(last.state), _resources(stored.content)
    later = sorted(set(record_keys(store, project, stack)) - last.updates)
    update = update_at(store, later[-1]) if later else None
    older = update.begun < last.begun if update else _is_older(found, left, last.begun)
    if not older:
        return None
    unknown = (f"{urn.rpartition('::')[2]} ({id})" for urn, id in found.keys() - left.keys() if id)
    return OverwrittenState(stack, stored.tag, last.begun, last.state, tuple(sorted(unknown)))


def restore(store: Store, project: str, stack: str, found: OverwrittenState) -> str:
    """Give the stack back what its last run left; returns the key of the copy of what was there. Raises OpsError."""
    file = StateFile(store, project, stack)
    try:
        file.read()
        present = backups.take(store, project, stack)
        key = backups.keep(store, present) if present else ""
        file.write(found.state.decode())
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None
    return key


def _is_older(found: dict[tuple[str, str], Resource], left: dict[tuple[str, str], Resource], begun: datetime) -> bool:
    """Whether a state without a record of its run has resources as they were before the last run."""
    for key, resource in found.items():
        later = left.get(key)
        if later is None:
            if (made := _time(resource.get("created"))) and made < begun:
                return True
        else:
            one, other = _time(resource.get("modified")), _time(later.get("modified"))
            if one and other and one < other:
                return True
    return False


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return None


def _resources(content: bytes) -> dict[tuple[str, str], Resource]:
    return {(str(each.get("urn")), str(each.get("id") or "")): each for each in _listed(content)}


def _listed(content: bytes) -> Iterator[Resource]:
    try:
        yield from json.loads(content)["checkpoint"]["latest"]["resources"] or ()
    except (ValueError, KeyError, TypeError):
        return


def _key(project: str, stack: str) -> str:
    return f"{layout.snu_prefix('last-run', project, stack)}.json"
