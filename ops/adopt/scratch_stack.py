"""A copy of a stack's state in a folder of its own, on which an engine works as on the real one.

Previews and refreshes there ask the cloud what it has, and change neither it nor the state that counts.
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
    """What an engine has found."""

    ok: bool
    record: OperationRecord

    def require(self, what: str) -> OperationRecord:
        """Raises OpsError with what the engine said, where it did not come to its end."""
        if not self.ok:
            said = "\n".join(line.plain for line in all_diagnostic_lines(self.record))
            raise OpsError(f"{said}\n{what} did not succeed. Nothing was changed.", ExitCode.FAILED)
        return self.record


class ScratchStack:
    """The copy of one stack, and of the foundation that it refers to. Every method raises OpsError."""

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
        """What ``up`` would do."""
        return self._look(self._engine.preview)

    def refresh(self) -> ScratchPreview:
        """Read every resource from the cloud."""
        return self._look(self._engine.refresh)

    def _look(self, work: Callable[[Operation], Result]) -> ScratchPreview:
        display = SilentDisplay()
        try:
            result = work(Operation(self._stack.project_dir, self._stack.name, self._environ, display.on_event))
        except EngineError as error:
            raise OpsError(f"{error}\nNothing was changed.", ExitCode.FAILED) from None
        return ScratchPreview(result.ok, display.record)

    # --- the state ----------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The state; empty where there is none yet."""
        try:
            checkpoint = self._file.read()
            if checkpoint is None or checkpoint.salt is None:
                return Snapshot()
            return checkpoint.snapshot(self._opened(checkpoint.salt))
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.FAILED) from None

    def config(self) -> StackConfig:
        """The stack's configuration, in clear."""
        try:
            file = read_stack_file(self._stack.file)
            return StackConfig.decrypt(file, self._opened(file.salt), self._project)
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.SETTINGS) from None

    def write(self, snapshot: Snapshot) -> None:
        """Have the copy hold these resources."""
        try:
            checkpoint = self._file.read()
            salt = checkpoint.salt if checkpoint else None
            crypter = self._opened(salt or read_stack_file(self._stack.file).salt)
            self._file.write(SnapshotEncoder(crypter).encode(self._file.full_name, snapshot.resources, ()))
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.FAILED) from None

    def content(self) -> bytes:
        """The state as it is stored."""
        stored = checkpoints.find(self._file.store, self._project, self._stack.name)
        return stored.content if stored else b""

    def _opened(self, salt: str | None) -> Crypter:
        """The crypter of a salt, derived once; a new one where there is no salt yet. Raises PulumiError."""
        if self._crypter is None or (salt and salt != self._crypter.salt):
            passphrase = passphrase_from(self._environ)
            self._crypter = Crypter.open(passphrase, salt) if salt else Crypter.new(passphrase)
        return self._crypter


@contextmanager
def scratch_of(session: Session) -> Iterator[ScratchStack]:
    """A copy that is gone at the end of the block; secrets in it are encrypted as in the state."""
    with tempfile.TemporaryDirectory(prefix="snu-adopt-") as folder:
        yield ScratchStack(session, Path(folder))
