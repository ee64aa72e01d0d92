"""Waiting plans, which can still be applied. The stack's store contains a note about each, without its changes.

Notes are best effort: a planner without write access to the store leaves none.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ops.plans.contents import Plan
from ops.plans.ledger import Ledger
from pulumi_state.store import Store, StoreError, layout


@dataclass(frozen=True)
class WaitingPlan:
    """A plan that has not been applied yet; times are ISO 8601 in UTC."""

    plan: str
    digest: str
    author: str
    created: str
    expires: str
    commit: str
    images: list[str]
    """Digest references of the images that will run; they must not be deleted while the plan is waiting."""
    file: str = ""
    """Path on the machine that created the plan."""
    machine: str = ""
    """That machine's host name."""

    @property
    def is_gone(self) -> bool:
        """Whether its file was written on this machine and no longer exists."""
        return bool(self.file) and self.machine == socket.gethostname() and not Path(self.file).exists()


def announce(store: Store, plan: Plan, file: Path) -> bool:
    """Write a note about the plan, and delete expired notes. Returns whether the store was writable."""
    note = WaitingPlan(
        plan=plan.id,
        digest=plan.digest,
        author=plan.author,
        created=plan.created.isoformat(),
        expires=plan.expires.isoformat(),
        commit=plan.commit,
        images=sorted(plan.images),
        file=str(file.resolve()),
        machine=socket.gethostname(),
    )
    try:
        for key, other in _notes(store, plan.project, plan.stack):
            if _has_expired(other):
                store.delete(key)
        store.write(f"{_prefix(plan.project, plan.stack)}/{plan.id}.json", json.dumps(asdict(note)).encode())
    except StoreError:
        return False
    return True


def waiting(store: Store, project: str, stack: str) -> list[WaitingPlan]:
    """Plans that have neither expired nor been applied, newest first. Raises StoreError."""
    begun = Ledger(store, project, stack).begun()
    notes = [note for _, note in _notes(store, project, stack) if not _has_expired(note) and note.plan not in begun]
    return sorted(notes, key=lambda note: note.created)[::-1]


def _notes(store: Store, project: str, stack: str) -> Iterator[tuple[str, WaitingPlan]]:
    for entry in list(store.entries(_prefix(project, stack))):
        item = store.read(entry.key)
        if item is not None:
            try:
                yield entry.key, WaitingPlan(**json.loads(item.content))
            except (ValueError, TypeError):
                continue  # written by another version of this command


def _has_expired(note: WaitingPlan) -> bool:
    return datetime.now(UTC) >= datetime.fromisoformat(note.expires)


def _prefix(project: str, stack: str) -> str:
    return layout.snu_prefix("waiting", project, stack)
