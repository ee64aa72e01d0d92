"""Ledger of applied plans, kept in the stack's store with conditional writes so that no plan is applied twice."""

from __future__ import annotations

import getpass
import json
import socket
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from ops.errors import OpsError
from ops.plans.contents import Plan
from ops.plans.sealed_file import refused
from pulumi_state.store import ABSENT, ConflictError, Store, layout

_JSON = ".json"
_FORMAT = 2
"""Version of an entry's JSON. Version 1 had neither `version` nor `id`."""


class ApplyOutcome(StrEnum):
    """The outcome of an apply."""

    BEGUN = "begun"
    APPLIED = "applied"
    FAILED = "failed"
    DISCARDED = "discarded"
    """The plan was not applied and never will be."""


@dataclass(frozen=True)
class LedgerEntry:
    """One apply; times are ISO 8601 in UTC."""

    plan: str
    digest: str
    author: str
    applied_by: str
    begun: str
    id: str = ""
    """Unique to this apply."""
    outcome: ApplyOutcome = ApplyOutcome.BEGUN
    ended: str = ""

    @classmethod
    def parse(cls, content: bytes) -> LedgerEntry:
        """Raises ValueError if the content is damaged or was written by a newer version."""
        try:
            document = json.loads(content)
            version = document.pop("version", 1)
            if version > _FORMAT:
                raise ValueError(f"ledger format {version}; this version of snu supports up to {_FORMAT}")
            return cls(**document)
        except (json.JSONDecodeError, UnicodeDecodeError, TypeError, AttributeError):
            raise ValueError("damaged entry") from None

    def content(self) -> bytes:
        return json.dumps({"version": _FORMAT, **asdict(self)}).encode()


@dataclass(frozen=True)
class BegunApply:
    """An apply whose start was recorded."""

    entry: LedgerEntry
    tag: str
    """The entry's tag in the store."""


class Ledger:
    """The applied plans of one stack."""

    def __init__(self, store: Store, project: str, stack: str) -> None:
        self._store = store
        self._prefix = layout.snu_prefix("ledger", project, stack)

    def check(self, plan: Plan) -> None:
        """Raises OpsError when the plan has already been applied."""
        item = self._store.read(self._key(plan))
        if item is not None:
            raise _refused(item.content)

    def is_applied(self, plan: Plan) -> bool:
        """Whether the plan was applied successfully. Raises StoreError."""
        item = self._store.read(self._key(plan))
        entry = _parsed(item.content) if item else None
        return entry is not None and entry.outcome == ApplyOutcome.APPLIED

    def begin(self, plan: Plan) -> BegunApply:
        """Record the start of the apply. Raises OpsError if another run has already recorded an apply of this plan."""
        entry = LedgerEntry(plan.id, plan.digest, plan.author, _user(), _now(), id=str(uuid.uuid4()))
        try:
            return BegunApply(entry, self._store.write(self._key(plan), entry.content(), ABSENT))
        except ConflictError:
            self.check(plan)
            raise

    def discard(self, plan_id: str, digest: str, author: str) -> None:
        """Record that the plan must not be applied. Raises OpsError if it was already applied or discarded."""
        now = _now()
        entry = LedgerEntry(plan_id, digest, author, _user(), now, str(uuid.uuid4()), ApplyOutcome.DISCARDED, now)
        key = f"{self._prefix}/{plan_id}{_JSON}"
        try:
            self._store.write(key, entry.content(), ABSENT)
        except ConflictError:
            if (found := self._store.read(key)) is not None:
                raise _refused(found.content) from None
            raise

    def end(self, plan: Plan, begun: BegunApply, outcome: ApplyOutcome) -> None:
        """Record the outcome. Raises StoreError."""
        ended = replace(begun.entry, outcome=outcome, ended=_now())
        self._store.write(self._key(plan), ended.content(), begun.tag)

    def begun(self) -> set[str]:
        """IDs of all plans in the ledger, regardless of their outcome. Raises StoreError."""
        return {entry.key.rpartition("/")[2].removesuffix(_JSON) for entry in self._store.entries(self._prefix)}

    def entries(self) -> list[LedgerEntry]:
        """All entries that this version can read. Raises StoreError."""
        items = [self._store.read(entry.key) for entry in self._store.entries(self._prefix)]
        parsed = [_parsed(item.content) for item in items if item is not None]
        return [entry for entry in parsed if entry is not None]

    def _key(self, plan: Plan) -> str:
        return f"{self._prefix}/{plan.id}{_JSON}"


def _parsed(content: bytes) -> LedgerEntry | None:
    try:
        return LedgerEntry.parse(content)
    except ValueError:
        return None


def _user() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _refused(content: bytes) -> OpsError:
    try:
        entry = LedgerEntry.parse(content)
    except ValueError as error:
        return refused(f"This plan has already been applied; its ledger entry cannot be read ({error}). Plan again.")
    if entry.outcome == ApplyOutcome.DISCARDED:
        return refused(f"This plan was discarded by {entry.applied_by} on {entry.begun[:19]}Z. Plan again.")
    return refused(
        f"This plan was already applied by {entry.applied_by} on {entry.begun[:19]}Z (outcome: {entry.outcome}). "
        "A plan can be applied only once: plan again."
    )
