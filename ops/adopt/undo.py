"""What an adoption leaves beside the state, so that it can be undone as long as nothing came after it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ops.state.backup import Backup
from pulumi_state.store import Store, layout


@dataclass(frozen=True)
class UndoRecord:
    """Of the last adoption of a stack."""

    fingerprint: str
    """Of the state after it."""
    backup: str
    """Where in the store the state before it is kept; empty where there was none."""

    def write(self, store: Store, project: str, stack: str) -> None:
        store.write(_key(project, stack), json.dumps(asdict(self)).encode())

    def before(self, store: Store) -> Backup | None:
        """The state before it. Raises OpsError when that is not there any more."""
        if not self.backup:
            return None
        item = store.read(self.backup)
        return Backup.parse(item.content if item else b"", f"{self.backup} in {store.address}")


def read_note(store: Store, project: str, stack: str) -> UndoRecord | None:
    """None where nothing was adopted, or that was undone. Raises StoreError."""
    item = store.read(_key(project, stack))
    return UndoRecord(**json.loads(item.content)) if item else None


def drop_note(store: Store, project: str, stack: str) -> None:
    store.delete(_key(project, stack))


def _key(project: str, stack: str) -> str:
    return f"{layout.snu_prefix('adoptions', project, stack)}.json"
