"""Gives a stack the state after an adoption, in one step, and takes it back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ops.adopt.undo import UndoRecord, drop_note, read_note
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
    """The state of a stack that the caller holds. Every method raises OpsError, and then has changed nothing."""

    def __init__(self, session: Session) -> None:
        self._stack = session.stack
        self._project = session.project
        self._store = session.store
        self._environ = session.environ
        self._file = session.state

    def content(self) -> bytes:
        """As it is stored; empty where there is none."""
        item = self._store.read(self._file.key)
        return item.content if item else b""

    def write(self, before: bytes, after: bytes, imported: int) -> None:
        """Replace the state that was ``before``, which is kept."""
        began = int(time.time())
        with self._held():
            self._file.read()
            if self.content() != before:
                raise OpsError(
                    f"The state of {self._stack.name} has changed since it was looked at: adopt again. Nothing was "
                    "changed.",
                    ExitCode.FAILED,
                )
            present = backups.take(self._store, self._project, self._stack.name)
            kept = backups.save(self._store, present) if present else ""
            UndoRecord(self._fingerprint(after), kept).write(self._store, self._project, self._stack.name)
            self._file.write(after.decode())
            self._file.add_history(self._record(began, imported))

    def undo(self) -> int:
        """Give the stack its state before the adoption back; gives how many resources that has."""
        note = read_note(self._store, self._project, self._stack.name)
        if note is None:
            raise OpsError(f"{self._stack.name} has adopted nothing that could be undone.", ExitCode.USAGE)
        before = note.before(self._store)
        with self._held():
            if fingerprint_of(self._file.read(), Secrets(self._environ)).digest != note.fingerprint:
                raise OpsError(
                    f"The state of {self._stack.name} is not as the adoption has left it: what was done since would be "
                    f"forgotten, and stay on Scaleway. The state before it is kept as {note.backup or 'none'}: "
                    "docs/how-to/adoption.md says how to go back from here. Nothing was changed.",
                    ExitCode.REFUSED,
                )
            if before is None:
                self._file.delete()
            else:
                self._file.write(json.dumps(before.checkpoint, ensure_ascii=False))
            drop_note(self._store, self._project, self._stack.name)
        return len(before.resources) if before else 0

    def _fingerprint(self, content: bytes) -> str:
        latest = json.loads(content)["checkpoint"]["latest"]
        salt = ((latest.get("secrets_providers") or {}).get("state") or {}).get("salt")
        return fingerprint_of(Checkpoint(salt, latest), Secrets(self._environ)).digest

    def _record(self, began: int, imported: int) -> dict[str, object]:
        config = StackFile.read(self._stack.file).full_config(self._project)
        update = Update("resource-import", self._stack.project_dir, config, self._environ)
        return update.record(True, began, {"import": imported})

    @contextmanager
    def _held(self) -> Iterator[None]:
        """With Pulumi's own lock, which plain ``pulumi`` waits for."""
        try:
            with self._file.locked():
                yield
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.FAILED) from None
