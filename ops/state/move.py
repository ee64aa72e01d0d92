"""Carries a stack's state from one backend to another, and proves that it is the same there."""

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
from ops.state.tombstone import Tombstone, kept_key, read_stone, stone_key, write_stone
from pulumi_state.history import agent
from pulumi_state.store import ABSENT, ConflictError, Store, checkpoints, layout
from pulumi_state.store.checkpoints import StoredCheckpoint

Say = Callable[[str], None]


@dataclass(frozen=True)
class Move:
    """One stack on its way. Every step can be done again, so a move that was killed goes on where it stopped."""

    source: Store
    target: Store
    project: str
    stack: str
    secrets: Secrets
    say: Say

    def check(self) -> None:
        """Raises OpsError, and nothing was changed, when the stack cannot go there."""
        if self.source.address == self.target.address:
            raise OpsError(f"The state of {self.stack} is in {self.target.address} already.", ExitCode.USAGE)
        stone = read_stone(self.source, self.project, self.stack)
        if stone is not None and stone.to != self.target.address:
            raise OpsError(
                f"The state of {self.stack} was moved to {stone.to} at {stone.when}, by {stone.who}: go on from there.",
                ExitCode.USAGE,
            )
        there = self._state_in(self.source)
        if there is None and stone is None:
            raise OpsError(f"{self.source.address} has no state of {self.stack}.", ExitCode.USAGE)
        if stone is None and self._state_in(self.target) is not None and not self._is_ours():
            raise OpsError(
                f"{self.target.address} has a state of {self.stack} already. It is left alone, and nothing was "
                "changed: choose another place, or remove that state first.",
                ExitCode.USAGE,
            )
        size = StateSize(len(there.raw) if there else 0, limit_of(self.target.address))
        if size.too_large:
            raise OpsError(
                f"The state of {self.stack} has {size}, which is more than {self.target.address} takes.",
                ExitCode.USAGE,
            )

    def run(self) -> None:
        """After ``check``, and under the stack's lock. Raises OpsError and StoreError."""
        state = self._state_in(self.source)
        if state is not None:
            self._mark()
            self._copy(state)
            self._prove()
            self._leave(state)
        self._clear()

    # --- steps ------------------------------------------------------------------------------------------

    def _state_in(self, store: Store) -> StoredCheckpoint | None:
        return checkpoints.find(store, self.project, self.stack)

    @property
    def _marker(self) -> str:
        """In the target as long as the move goes on: says that what stands there is only a copy."""
        return f"{layout.snu_prefix('moving', self.project, self.stack)}.json"

    def _is_ours(self) -> bool:
        found = self.target.read(self._marker)
        return found is not None and json.loads(found.content).get("from") == self.source.address

    def _mark(self) -> None:
        try:
            self.target.write(self._marker, json.dumps({"from": self.source.address}).encode(), ABSENT)
        except ConflictError:
            if not self._is_ours():
                raise OpsError(
                    f"Another move of {self.stack} to {self.target.address} is under way, or was killed; nothing was "
                    "changed.",
                    ExitCode.FAILED,
                ) from None
            self.say("goes on with a move that was interrupted")

    def _copy(self, state: StoredCheckpoint) -> None:
        prefix = layout.history(self.project, self.stack)
        history = [each.key for each in self.source.entries(prefix)]
        have = {each.key for each in self.target.entries(prefix)}
        for key in [*(key for key in history if key not in have), *layout.backups(self.project, self.stack)]:
            item = self.source.read(key)
            if item is not None:
                self.target.write(key, item.content)
        there = self._state_in(self.target)
        if there is not None and there.key != state.key:  # of a move that was interrupted, before the form changed
            self.target.delete(there.key, there.tag)
            there = None
        self.target.write(state.key, state.raw, there.tag if there else ABSENT)
        if self.target.read(layout.META) is None:
            self.target.write(layout.META, layout.META_CONTENT)
        self.say(f"copied the state and {len(checkpoints.record_keys(self.source, self.project, self.stack))} records")

    def _prove(self) -> None:
        """Both are read again: a store may give back what was not written."""
        before, after = (read_checkpoint(store, self.project, self.stack) for store in (self.source, self.target))
        one, other = (fingerprint_of(each, self.secrets) for each in (before, after))
        if one.digest != other.digest:
            raise OpsError(
                f"What {self.target.address} gives back is not the state of {self.stack}: "
                f"{'; '.join(f'{urn} {what}' for urn, what in one.differences(other).items())}. The state stays where "
                "it was.",
                ExitCode.FAILED,
            )
        self.say(f"is the same there, secrets included: {len(one.resources)} resources, fingerprint {one.digest[:12]}")

    def _leave(self, state: StoredCheckpoint) -> None:
        """A stone and a copy where the state was; then it is the target's."""
        self.source.write(kept_key(self.project, self.stack), state.content)
        moment = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        who = agent(process_environment()).removeprefix("snu/")
        write_stone(self.source, self.project, self.stack, Tombstone(self.target.address, who, moment))
        last_run.forget(self.source, self.project, self.stack)
        for key in layout.backups(self.project, self.stack):
            self.source.delete(key)
        self.source.delete(state.key, state.tag)
        self.say(f"left a note in {self.source.address}, and a copy that Pulumi does not see")

    def _clear(self) -> None:
        """Raises OpsError when the target has lost what it had."""
        if self._state_in(self.target) is None:
            raise OpsError(
                f"{self.target.address} has no state of {self.stack}, although it was moved there. A copy stands in "
                f"{self.source.address} as {kept_key(self.project, self.stack)}.",
                ExitCode.FAILED,
            )
        self.target.delete(self._marker)
        # A stack that comes back is no longer away, and what it was before counts no more.
        last_run.forget(self.target, self.project, self.stack)
        self.target.delete(stone_key(self.project, self.stack))
        self.target.delete(kept_key(self.project, self.stack))


def carry_published(source: Store, target: Store, project: str, foundation: str) -> bool:
    """An environment's copy of its foundation's outputs goes with it; gives whether there was one to carry."""
    stored = checkpoints.find(source, project, foundation)
    if stored is None or checkpoints.find(target, project, foundation) is not None:
        return False
    latest = json.loads(stored.content)["checkpoint"].get("latest") or {}
    if len(latest.get("resources") or []) != 1:
        return False  # the foundation's own state, which stays
    target.write(stored.key, stored.raw)
    return True
