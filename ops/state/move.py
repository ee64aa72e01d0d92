"""Moves a stack's state from one backend to another and verifies the copy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import process_environment
from ops.state import last_run
from ops.state.checkpoint import Secrets, fingerprint_of, read_checkpoint
from ops.state.size import StateSize, limit_of
from ops.state.tombstone import Tombstone, archived_state_key, read_tombstone, tombstone_key, write_tombstone
from ops.steps import label
from pulumi_state.history import agent
from pulumi_state.store import ABSENT, ConflictError, Store, checkpoints, layout
from pulumi_state.store.checkpoints import StoredCheckpoint

Say = Callable[[str], None]


@dataclass(frozen=True)
class Move:
    """The move of one stack. Every step is repeatable, so a killed move resumes where it stopped."""

    source: Store
    target: Store
    project: str
    stack: str
    secrets: Secrets
    say: Say

    def check(self) -> None:
        """Raises OpsError, before changing anything, if the state cannot be moved."""
        if self.source.address == self.target.address:
            raise OpsError(f"The state of {self.stack} is already in {self.target.address}.", ExitCode.USAGE)
        tombstone = read_tombstone(self.source, self.project, self.stack)
        if tombstone is not None and tombstone.to != self.target.address:
            raise OpsError(
                f"{tombstone.who} moved the state of {self.stack} to {tombstone.to} at {tombstone.when}. Move it from "
                "there.",
                ExitCode.USAGE,
            )
        state = self._state_in(self.source)
        if state is None and tombstone is None:
            raise OpsError(f"{self.source.address} has no state for {self.stack}.", ExitCode.USAGE)
        if tombstone is None and self._state_in(self.target) is not None and not self._is_ours():
            raise OpsError(
                f"{self.target.address} already has a state for {self.stack}. Nothing was changed. Choose another "
                "backend, or remove that state first.",
                ExitCode.USAGE,
            )
        size = StateSize(len(state.raw) if state else 0, limit_of(self.target.address))
        if size.too_large:
            raise OpsError(
                f"The state of {self.stack} is too large for {self.target.address}: {size}. Nothing was changed.",
                ExitCode.USAGE,
            )

    def run(self) -> None:
        """Move the state. The caller must have run ``check`` and locked the stack. Raises OpsError and StoreError."""
        state = self._state_in(self.source)
        if state is not None:
            self._mark()
            self._copy(state)
            self._verify()
            self._leave_tombstone(state)
        self._finish()

    # --- steps ------------------------------------------------------------------------------------------

    def _state_in(self, store: Store) -> StoredCheckpoint | None:
        return checkpoints.find(store, self.project, self.stack)

    @property
    def _marker(self) -> str:
        """Key of the marker that the target contains until the move is finished.

        A state with a marker is only a copy.
        """
        return f"{layout.snu_prefix('moving', self.project, self.stack)}.json"

    def _is_ours(self) -> bool:
        marker = self.target.read(self._marker)
        return marker is not None and json.loads(marker.content).get("from") == self.source.address

    def _mark(self) -> None:
        try:
            self.target.write(self._marker, json.dumps({"from": self.source.address}).encode(), ABSENT)
        except ConflictError:
            if not self._is_ours():
                raise OpsError(
                    f"Another move of {self.stack} to {self.target.address} is in progress or was interrupted. Nothing "
                    "was changed.",
                    ExitCode.FAILED,
                ) from None
            self.say("resumed an interrupted move")

    def _copy(self, state: StoredCheckpoint) -> None:
        prefix = layout.history(self.project, self.stack)
        history = [each.key for each in self.source.entries(prefix)]
        copied = {each.key for each in self.target.entries(prefix)}
        for key in [*(key for key in history if key not in copied), *layout.backups(self.project, self.stack)]:
            item = self.source.read(key)
            if item is not None:
                self.target.write(key, item.content)
        copy = self._state_in(self.target)
        if copy is not None and copy.key != state.key:  # left by an interrupted move before the compression changed
            self.target.delete(copy.key, copy.tag)
            copy = None
        self.target.write(state.key, state.raw, copy.tag if copy else ABSENT)
        if self.target.read(layout.META) is None:
            self.target.write(layout.META, layout.META_CONTENT)
        self.say(f"copied the state and {len(checkpoints.record_keys(self.source, self.project, self.stack))} records")

    def _verify(self) -> None:
        """Read both states again and compare them, since a store may not return exactly the content written to it."""
        before, after = (read_checkpoint(store, self.project, self.stack) for store in (self.source, self.target))
        one, other = (fingerprint_of(each, self.secrets) for each in (before, after))
        if one.digest != other.digest:
            raise OpsError(
                f"The copy in {self.target.address} differs from the state of {self.stack}: "
                f"{'; '.join(f'{label(urn)} {text}' for urn, text in one.differences(other).items())}. The state is "
                f"still in {self.source.address}.",
                ExitCode.FAILED,
            )
        self.say(f"verified the copy, including secrets: {len(one.resources)} resources, fingerprint {one.digest[:12]}")

    def _leave_tombstone(self, state: StoredCheckpoint) -> None:
        """Replace the state in the source with a tombstone and an archived copy."""
        self.source.write(archived_state_key(self.project, self.stack), state.content)
        moment = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        who = agent(process_environment()).removeprefix("snu/")
        write_tombstone(self.source, self.project, self.stack, Tombstone(self.target.address, who, moment))
        last_run.forget(self.source, self.project, self.stack)
        for key in layout.backups(self.project, self.stack):
            self.source.delete(key)
        self.source.delete(state.key, state.tag)
        self.say(f"left a tombstone in {self.source.address} and a copy that is invisible to Pulumi")

    def _finish(self) -> None:
        """Remove the marker. Raises OpsError if the target no longer has the state."""
        if self._state_in(self.target) is None:
            raise OpsError(
                f"{self.target.address} has no state for {self.stack}, although it was moved there. A copy is in "
                f"{self.source.address} as {archived_state_key(self.project, self.stack)}.",
                ExitCode.FAILED,
            )
        self.target.delete(self._marker)
        # If the state was moved back, the tombstone and copy from the earlier move are obsolete.
        last_run.forget(self.target, self.project, self.stack)
        self.target.delete(tombstone_key(self.project, self.stack))
        self.target.delete(archived_state_key(self.project, self.stack))


def carry_published(source: Store, target: Store, project: str, foundation: str) -> bool:
    """Copy the foundation's published outputs to an environment's new backend; returns whether anything was copied."""
    stored = checkpoints.find(source, project, foundation)
    if stored is None or checkpoints.find(target, project, foundation) is not None:
        return False
    latest = json.loads(stored.content)["checkpoint"].get("latest") or {}
    if len(latest.get("resources") or []) != 1:
        return False  # the foundation's own state, which stays
    target.write(stored.key, stored.raw)
    return True
