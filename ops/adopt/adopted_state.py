"""Replaces a stack's state with the adopted state in a single write, and can undo the replacement."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ops.adopt.undo import UndoRecord, delete_undo_record, read_undo_record
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.session import Session
from ops.state import backup as backups
from ops.state.checkpoint import Secrets, fingerprint_of
from pulumi_state.errors import PulumiError
from pulumi_state.history import Update
from pulumi_state.stack_file import StackFile
from pulumi_state.state_file import Checkpoint


class AdoptedState:
    """The state of a stack that the caller has locked. Methods that raise OpsError have changed nothing."""

    def __init__(self, session: Session) -> None:
        self._stack = session.stack
        self._project = session.project
        self._store = session.store
        self._environ = session.environ
        self._file = session.state

    def content(self) -> bytes:
        """The stored state; empty if none is stored."""
        item = self._store.read(self._file.key)
        return item.content if item else b""

    def write(self, before: bytes, after: bytes, imported: int) -> None:
        """Back up the state ``before`` and replace it with ``after``."""
        began = int(time.time())
        with self._locked():
            self._file.read()
            if self.content() != before:
                raise OpsError(
                    f"The state of {self._stack.name} has changed since it was read. Run the command again. Nothing "
                    "was changed.",
                    ExitCode.FAILED,
                )
            backup = backups.take(self._store, self._project, self._stack.name)
            kept = backups.save(self._store, backup) if backup else ""
            UndoRecord(self._fingerprint(after), kept).write(self._store, self._project, self._stack.name)
            self._file.write(after.decode())
            self._file.add_history(self._record(began, imported))

    def undo(self) -> int:
        """Restore the state from before the adoption; returns the number of resources in it."""
        record = read_undo_record(self._store, self._project, self._stack.name)
        if record is None:
            raise OpsError(f"{self._stack.name} has no adoption to undo.", ExitCode.USAGE)
        before = record.before(self._store)
        with self._locked():
            if fingerprint_of(self._file.read(), Secrets(self._environ)).digest != record.fingerprint:
                raise OpsError(
                    f"The state of {self._stack.name} has changed since the adoption. Undoing the adoption would drop "
                    "these changes from the state but leave them on Scaleway. Backup of the previous state: "
                    f"{record.backup or 'none'}. docs/how-to/adoption.md explains how to restore it. Nothing was "
                    "changed.",
                    ExitCode.REFUSED,
                )
            if before is None:
                self._file.delete()
            else:
                self._file.write(json.dumps(before.checkpoint, ensure_ascii=False))
            delete_undo_record(self._store, self._project, self._stack.name)
        return len(before.resources) if before else 0

    def _fingerprint(self, content: bytes) -> str:
        latest = json.loads(content)["checkpoint"]["latest"]
        salt = ((latest.get("secrets_providers") or {}).get("state") or {}).get("salt")
        return fingerprint_of(Checkpoint(salt, latest), Secrets(self._environ)).digest

    def _record(self, began: int, imported: int) -> dict[str, object]:
        config = StackFile.read(self._stack.config_file).full_config(self._project)
        update = Update("resource-import", self._stack.project_dir, config, self._environ)
        return update.record(True, began, {"import": imported})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold Pulumi's own lock, which plain ``pulumi`` respects, during the block."""
        try:
            with self._file.locked():
                yield
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.FAILED) from None
