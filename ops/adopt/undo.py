"""The undo record of an adoption, stored alongside the state."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ops.state.backup import Backup
from pulumi_state.store import Store, layout


@dataclass(frozen=True)
class UndoRecord:
    """A stack's last adoption, which can be undone until the state changes."""

    fingerprint: str
    """Fingerprint of the state after the adoption."""
    backup: str
    """Store key of the backup from before the adoption; empty if there was no state."""

    def write(self, store: Store, project: str, stack: str) -> None:
        store.write(_key(project, stack), json.dumps(asdict(self)).encode())

    def before(self, store: Store) -> Backup | None:
        """The state before the adoption; None if there was none. Raises OpsError if the backup is missing."""
        if not self.backup:
            return None
        item = store.read(self.backup)
        return Backup.parse(item.content if item else b"", f"{self.backup} in {store.address}")


def read_undo_record(store: Store, project: str, stack: str) -> UndoRecord | None:
    """The undo record; None if nothing was adopted or the adoption was undone. Raises StoreError."""
    item = store.read(_key(project, stack))
    return UndoRecord(**json.loads(item.content)) if item else None


def delete_undo_record(store: Store, project: str, stack: str) -> None:
    store.delete(_key(project, stack))


def _key(project: str, stack: str) -> str:
    return f"{layout.snu_prefix('adoptions', project, stack)}.json"
