"""Plans that were made and may still be applied: a note on each in the stack's store, without anything of its content.

A note is a courtesy. Who plans may not be allowed to write to the store, and then nobody is told of the plan.
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
    """A plan that waits for its apply; times are ISO 8601 in UTC."""

    plan: str
    digest: str
    author: str
    created: str
    expires: str
    commit: str
    images: list[str]
    """The images by digest that will run: they must not go meanwhile."""
    file: str = ""
    """Where it was written, and on which machine."""
    machine: str = ""

    @property
    def is_gone(self) -> bool:
        """Whether its file was written on this machine and is no longer there."""
        return bool(self.file) and self.machine == socket.gethostname() and not Path(self.file).exists()


def announce(store: Store, plan: Plan, file: Path) -> bool:
    """Note the plan with its file, and forget those that have expired. Gives whether that was possible."""
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
        for key, each in _notes(store, plan.project, plan.stack):
            if _has_expired(each):
                store.delete(key)
        store.write(f"{_prefix(plan.project, plan.stack)}/{plan.id}.json", json.dumps(asdict(note)).encode())
    except StoreError:
        return False
    return True


def waiting(store: Store, project: str, stack: str) -> list[WaitingPlan]:
    """Plans that have neither expired nor been begun; the newest first. Raises StoreError."""
    begun = Ledger(store, project, stack).begun()
    found = [each for _, each in _notes(store, project, stack) if not _has_expired(each)]
    return sorted((each for each in found if each.plan not in begun), key=lambda each: each.created)[::-1]


def _notes(store: Store, project: str, stack: str) -> Iterator[tuple[str, WaitingPlan]]:
    for entry in list(store.entries(_prefix(project, stack))):
        found = store.read(entry.key)
        if found is not None:
            try:
                yield entry.key, WaitingPlan(**json.loads(found.content))
            except (ValueError, TypeError):
                continue  # of another version of this command


def _has_expired(note: WaitingPlan) -> bool:
    return datetime.now(UTC) >= datetime.fromisoformat(note.expires)


def _prefix(project: str, stack: str) -> str:
    return layout.snu_prefix("waiting", project, stack)
