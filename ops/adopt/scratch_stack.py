"""A scratch stack: a copy of a stack's state in a temporary folder, for engine operations.

Previewing or refreshing it reads the live resources but changes neither them nor the real state.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.engines.base import EngineError, Operation, Result
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.operation_record import OperationRecord
from ops.report.base import SilentDisplay, all_diagnostic_lines
from ops.session import Session
from pulumi_state.errors import PulumiError
from pulumi_state.passphrase import Crypter, passphrase_from
from pulumi_state.project import StackConfig, read_stack_file
from pulumi_state.snapshot import Snapshot, SnapshotEncoder
from pulumi_state.state_file import StateFile
from pulumi_state.store import checkpoints, layout
from pulumi_state.variables import BACKEND_URL


@dataclass(frozen=True)
class ScratchPreview:
    """The result of an engine operation."""

    ok: bool
    record: OperationRecord

    def require(self, operation: str) -> OperationRecord:
        """Return the record. Raises OpsError with the engine's messages if the operation did not succeed."""
        if not self.ok:
            messages = "\n".join(line.plain for line in all_diagnostic_lines(self.record))
            raise OpsError(f"{messages}\n{operation} failed. Nothing was changed.", ExitCode.FAILED)
        return self.record


class ScratchStack:
    """A copy of a stack and its foundation. All methods may raise OpsError."""

    def __init__(self, session: Session, folder: Path) -> None:
        stack, project, store = session.stack, session.project, session.store
        self._stack = stack
        self._project = project
        self._engine = session.engine
        self._environ = {**session.environ, BACKEND_URL: f"file://{folder}"}
        self._file = StateFile(self._environ[BACKEND_URL], project, stack.name, self._environ)
        self._crypter: Crypter | None = None
        foundation = (stack.config.get("snu:environment") or {}).get("foundation")
        for name in filter(None, (stack.name, foundation)):
            if (stored := checkpoints.find(store, project, name)) is not None:
                self._file.store.write(layout.checkpoint(project, name), stored.content)

    def preview(self) -> ScratchPreview:
        """Preview ``up``."""
        return self._run(self._engine.preview)

    def refresh(self) -> ScratchPreview:
        """Refresh every resource in the copy."""
        return self._run(self._engine.refresh)

    def _run(self, work: Callable[[Operation], Result]) -> ScratchPreview:
        display = SilentDisplay()
        try:
            result = work(
                Operation(
                    self._stack.project_dir,
                    self._stack.name,
                    self._environ,
                    display.on_event,
                    config_file=self._stack.generated_config_file,
                )
            )
        except EngineError as error:
            raise OpsError(f"{error}\nNothing was changed.", ExitCode.FAILED) from None
        return ScratchPreview(result.ok, display.record)

    # --- the state ----------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The state; empty if there is none yet."""
        try:
            checkpoint = self._file.read()
            if checkpoint is None or checkpoint.salt is None:
                return Snapshot()
            return checkpoint.snapshot(self._opened(checkpoint.salt))
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.FAILED) from None

    def config(self) -> StackConfig:
        """The stack's configuration, decrypted."""
        try:
            file = read_stack_file(self._stack.config_file)
            return StackConfig.decrypt(file, self._opened(file.salt), self._project)
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.SETTINGS) from None

    def write(self, snapshot: Snapshot) -> None:
        """Replace the copy's resources."""
        try:
            checkpoint = self._file.read()
            salt = checkpoint.salt if checkpoint else None
            crypter = self._opened(salt or read_stack_file(self._stack.file).salt)
            self._file.write(SnapshotEncoder(crypter).encode(self._file.full_name, snapshot.resources, ()))
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.FAILED) from None

    def content(self) -> bytes:
        """The stored state."""
        stored = checkpoints.find(self._file.store, self._project, self._stack.name)
        return stored.content if stored else b""

    def _opened(self, salt: str | None) -> Crypter:
        """The crypter for a salt, or for a new one if none exists yet. Derived only once. Raises PulumiError."""
        if self._crypter is None or (salt and salt != self._crypter.salt):
            passphrase = passphrase_from(self._environ)
            self._crypter = Crypter.open(passphrase, salt) if salt else Crypter.new(passphrase)
        return self._crypter


@contextmanager
def scratch_of(session: Session) -> Iterator[ScratchStack]:
    """Yields a copy and deletes it afterwards. Its secrets are encrypted like those in the real state."""
    with tempfile.TemporaryDirectory(prefix="snu-adopt-") as folder:
        yield ScratchStack(session, Path(folder))
