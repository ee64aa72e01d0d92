"""A preview environment's stack: its file, its session, and the operations on the locked stack."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from infra.settings.built import built_file
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.local_port import config_file
from ops.previews import metadata
from ops.previews.inventory import RecordedState, state_of
from ops.previews.parent import Parent
from ops.readiness import check_containers, run_update
from ops.recovery.run import needs_recovery, recover_locked
from ops.report.base import error_lines
from ops.report.factory import display_for
from ops.report.text import counted
from ops.secrets.check import warn_of_missing_keys
from ops.session import Options, Session
from ops.state.checkpoint import read_checkpoint
from pulumi_state.store import checkpoints, layout


class UpdateError(OpsError):
    """An update failed. Its message refers to errors that were printed earlier."""

    def __init__(self, error: OpsError, shown: Sequence[str]) -> None:
        """``shown``: the lines of these errors, for use in other reports."""
        super().__init__(str(error), error.code)
        self.shown = shown


@dataclass(frozen=True)
class PreviewStack:
    """A preview environment's stack, whose file is generated from the template."""

    parent: Parent
    name: str
    session: Session

    @classmethod
    def open(cls, parent: Parent, name: str, engine: EngineChoice, *, validate: bool) -> PreviewStack:
        """Raises OpsError if the stack file does not belong to a preview or the settings are invalid."""
        write_file(parent, name)
        return cls(parent, name, Session.open(parent.project_dir, name, engine, validate=validate))

    @property
    def state(self) -> RecordedState | None:
        """Raises OpsError if it cannot be read."""
        return state_of(self.parent, self.name, datetime.now(UTC))

    def recover(self) -> None:
        """Recover from an interrupted run, if any. Raises OpsError if the outcome is uncertain."""
        if needs_recovery(self.session):
            recover_locked(self.session, yes=True)

    def warn_of_missing_keys(self) -> None:
        """Warn about keys that its secret document lacks."""
        warn_of_missing_keys(self.session.stack, self.session.environ, self.session.store)

    def up(self, options: Options) -> None:
        """Refresh, apply, and check the containers. Raises OpsError on failure, including policy violations, and
        UpdateError if the update itself fails.
        """
        checked = self.session.check_update(options)
        display = display_for(sys.stdout, self.session.title("Updating"), preview=False)
        try:
            run_update(self.session, options, display, checked.record)
        except OpsError as error:
            raise UpdateError(error, [line.plain for line in error_lines(display.record)]) from error
        write_file(self.parent, self.name)  # with the state's new salt, which plain `pulumi` reads from the file
        check_containers(
            self.session,
            display.record,
            options.wait_seconds,
            check_urls=options.check_urls,
        )

    def destroy(self, options: Options) -> None:
        """Refresh and delete every resource. Raises OpsError on failure or if any resources are left."""
        self._require_preview()
        display = display_for(sys.stdout, self.session.title("Refreshing"), preview=False, properties=False)
        self.session.run(self.session.engine.refresh, options, display)
        display = display_for(sys.stdout, self.session.title("Destroying"), preview=False, properties=False)
        self.session.run(self.session.engine.destroy, options, display)
        left = self.state
        if left is not None and left.resources:
            raise OpsError(
                f"{self.name} still has {counted(left.resources, 'resource')} in its state.", ExitCode.FAILED
            )

    def _require_preview(self) -> None:
        """Raises OpsError if its containers are outside the preview namespace."""
        state = self.state
        namespace = state.outputs.get("namespaceId") if state else None
        if namespace is not None and namespace != self.parent.namespace_id:
            raise OpsError(
                f"The stack {self.name} is not a preview environment: its containers are in the namespace {namespace}; "
                f"expected {self.parent.namespace_id}. Nothing was changed.",
                ExitCode.SETTINGS,
            )

    def forget(self) -> None:
        """Delete its state, metadata and files. Raises OpsError if the state still has resources."""
        store, project = self.parent.store, self.parent.project
        stored = checkpoints.find(store, project, self.name)
        state = self.state
        if state is not None and state.resources:
            count = counted(state.resources, "resource")
            raise OpsError(f"{self.name} has {count} again; its state was kept.", ExitCode.FAILED)
        prefixes = layout.history(project, self.name), layout.cli_backups(project, self.name)
        past = [entry.key for prefix in prefixes for entry in store.entries(prefix)]
        for key in (*past, *layout.backups(project, self.name)):
            store.delete(key)
        if stored is not None:
            store.delete(stored.key, stored.tag)
        metadata.remove(store, project, self.name)
        remove_files(self.parent, self.name)


def write_file(parent: Parent, name: str) -> None:
    """Write the stack's file from the template, including the state's salt if it has one. Raises OpsError."""
    checkpoint = read_checkpoint(parent.store, parent.project, name)
    parent.template.write(name, checkpoint.salt if checkpoint else None)


def remove_files(parent: Parent, name: str) -> None:
    """Delete the stack's file, its copy with a different port, and its images file."""
    for path in (parent.template.file(name), built_file(parent.project_dir, name)):
        path.unlink(missing_ok=True)
    config_file(parent.project_dir, name)  # removes the copy of a deleted file
