"""A copy of the state left by the last ``snu`` run, used to detect that a run without a lock has overwritten it.

The Pulumi CLI writes the state unconditionally. If a paused CLI resumes after its lock was removed and another run has
finished, it overwrites the newer state with its own old one (docs/adr/0022-fencing.md).
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
    """A state that is older than the state left by the last run."""

    stack: str
    tag: str
    """The state's tag in the store."""
    begun: datetime
    """When the last run started."""
    state: bytes
    """The state left by the last run."""
    unknown: tuple[str, ...]
    """Names and IDs of resources that are only in the stored state; the run that wrote it may have created them."""

    def __str__(self) -> str:
        """One line that includes the command to restore the newer state."""
        return (
            f"{self.stack}: the state is older than the one left by the run at {self.begun:%Y-%m-%d %H:%M} UTC: a run "
            "that had lost its lock overwrote the newer state, or a backup was imported. Run `scripts/snu recover "
            f"{self.stack}` to restore the newer state."
        )


@dataclass(frozen=True)
class Observed:
    """A stack's state as read once by a command, compared with the state left by the last run."""

    at: datetime
    stored: StoredCheckpoint | None
    """None if the stack has no state yet."""
    tag: str
    """The tag of the last run's record."""
    overwritten: OverwrittenState | None


@dataclass(frozen=True)
class _LastRun:
    begun: datetime
    state: bytes
    """The state at the end of the run."""
    updates: frozenset[str]
    """Keys of the history records at the end of the run."""

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
        """Parse a record; returns None if this version cannot read it."""
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
    record, stored = store.read(_key(project, stack)), checkpoints.find(store, project, stack)
    last = _LastRun.parse(record.content) if record else None
    older = _overwritten(store, project, stack, last, stored) if last and stored else None
    return Observed(at, stored, record.tag if record else ABSENT, older)


def remember(store: Store, project: str, stack: str, before: Observed) -> None:
    """Record the state at the end of a run, unless it is still the overwritten state that the run started with.

    ``before`` is the state observed when the stack was locked. Raises StoreError, including when another run has
    finished in the meantime.
    """
    stored = checkpoints.find(store, project, stack)
    if stored is None:
        store.delete(_key(project, stack), before.tag)
    elif before.overwritten is None or stored.tag != before.overwritten.tag:
        last = _LastRun(before.at, stored.content, frozenset(record_keys(store, project, stack)))
        store.write(_key(project, stack), last.content(), before.tag)


def forget(store: Store, project: str, stack: str) -> None:
    """Delete the record of a stack that no longer has a state here. Raises StoreError."""
    store.delete(_key(project, stack))


def _overwritten(
    store: Store, project: str, stack: str, last: _LastRun, stored: StoredCheckpoint
) -> OverwrittenState | None:
    """Return None if the state is the one left by the last run, or a later state. Raises StoreError."""
    if stored.content == last.state:
        return None
    expected, actual = _resources(last.state), _resources(stored.content)
    later = sorted(set(record_keys(store, project, stack)) - last.updates)
    update = update_at(store, later[-1]) if later else None
    older = update.begun < last.begun if update else _is_older(actual, expected, last.begun)
    if not older:
        return None
    unknown = (f"{urn.rpartition('::')[2]} ({id})" for urn, id in actual.keys() - expected.keys() if id)
    return OverwrittenState(stack, stored.tag, last.begun, last.state, tuple(sorted(unknown)))


def restore(store: Store, project: str, stack: str, overwritten: OverwrittenState) -> str:
    """Restore the state left by the last run; returns the key of a backup of the replaced state. Raises OpsError."""
    file = StateFile(store, project, stack)
    try:
        file.read()
        backup = backups.take(store, project, stack)
        key = backups.save(store, backup) if backup else ""
        file.write(overwritten.state.decode())
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None
    return key


def _is_older(
    actual: dict[tuple[str, str], Resource], expected: dict[tuple[str, str], Resource], begun: datetime
) -> bool:
    """Whether a state without an update record contains resources as they were before the last run."""
    for key, resource in actual.items():
        later = expected.get(key)
        if later is None:
            if (created := _time(resource.get("created"))) and created < begun:
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
