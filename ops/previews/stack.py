"""The stack of a preview environment: its file, its session, and what is done with it while it is held."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from infra.settings.built import built_file
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.previews import metadata as abouts
from ops.previews.inventory import RecordedState, state_of
from ops.previews.parent import Parent
from ops.readiness import check_containers
from ops.recovery.run import needs_recovery, recover_locked
from ops.report.factory import display_for
from ops.session import Options, Session
from ops.state.checkpoint import read_checkpoint
from pulumi_state.store import checkpoints, layout


@dataclass(frozen=True)
class PreviewStack:
    """The stack of a preview environment, whose file is made from the template."""

    parent: Parent
    name: str
    session: Session

    @classmethod
    def open(cls, parent: Parent, name: str, engine: EngineChoice, *, validate: bool) -> PreviewStack:
        """Raises OpsError: the file of that name is no preview environment's, or something is missing or wrong."""
        write_file(parent, name)
        return cls(parent, name, Session.open(parent.project_dir, name, engine, validate=validate))

    @property
    def state(self) -> RecordedState | None:
        """Raises OpsError when it cannot be read."""
        return state_of(self.parent, self.name, datetime.now(UTC))

    def mend(self) -> None:
        """Bring state and cloud together where an earlier run was killed. Raises OpsError where that is not certain."""
        if needs_recovery(self.session):
            recover_locked(self.session, yes=True)

    def up(self, options: Options) -> None:
        """Apply, with a refresh, and look at the containers. Raises OpsError, also where a policy is violated."""
        self.session.check_update(options)
        display = display_for(sys.stdout, self.session.title("Updating"), preview=False)
        self.session.run(self.session.engine.up, options, display)
        write_file(self.parent, self.name)  # now the state has a salt, which plain `pulumi` reads from the file
        check_containers(
            self.session,
            display.record,
            options.wait_seconds,
            check_urls=options.check_urls,
        )

    def destroy(self, options: Options) -> None:
        """Refresh and delete every resource. Raises OpsError, also where the engine was content and left something."""
        self._require_preview()
        display = display_for(sys.stdout, self.session.title("Refreshing"), preview=False, properties=False)
        self.session.run(self.session.engine.refresh, options, display)
        display = display_for(sys.stdout, self.session.title("Destroying"), preview=False, properties=False)
        self.session.run(self.session.engine.destroy, options, display)
        left = self.state
        if left is not None and left.resources:
            raise OpsError(f"{self.name}: {left.resources} resources are still in its state.", ExitCode.FAILED)

    def _require_preview(self) -> None:
        """Raises OpsError where the state says that its containers are not where previews have theirs."""
        state = self.state
        namespace = state.outputs.get("namespaceId") if state else None
        if namespace is not None and namespace != self.parent.namespace_id:
            raise OpsError(
                f"The stack {self.name} is no preview environment: its containers are in the namespace {namespace}, "
                f"and those of preview environments in {self.parent.namespace_id}. Nothing was changed.",
                ExitCode.SETTINGS,
            )

    def forget(self) -> None:
        """Remove its state, the document beside it, and its files. Raises OpsError where it has resources."""
        store, project = self.parent.store, self.parent.project
        stored = checkpoints.find(store, project, self.name)
        state = self.state
        if state is not None and state.resources:
            raise OpsError(f"{self.name} has {state.resources} resources again; its state was kept.", ExitCode.FAILED)
        past = [entry.key for entry in store.entries(layout.history(project, self.name))]
        for key in (*past, *layout.backups(project, self.name)):
            store.delete(key)
        if stored is not None:
            store.delete(stored.key, stored.tag)
        abouts.remove(store, project, self.name)
        remove_files(self.parent, self.name)


def write_file(parent: Parent, name: str) -> None:
    """Write the stack's file from the template, with the salt of the state where there is one. Raises OpsError."""
    checkpoint = read_checkpoint(parent.store, parent.project, name)
    parent.template.write(name, checkpoint.salt if checkpoint else None)


def remove_files(parent: Parent, name: str) -> None:
    """The stack's file, and the one with the images that were built for it."""
    for path in (parent.template.file(name), built_file(parent.project_dir, name)):
        path.unlink(missing_ok=True)
