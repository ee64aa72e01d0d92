"""Which plans were applied: each one once. Kept in the stack's own store, written with conditional writes."""

from __future__ import annotations

import getpass
import json
import socket
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from ops.plans.plan import Plan
from ops.plans.sealed import refused
from pulumi_state.store import ABSENT, ConflictError, Store, layout

_JSON = ".json"


class Outcome(StrEnum):
    """How an apply has ended."""

    BEGUN = "begun"
    APPLIED = "applied"
    FAILED = "failed"


@dataclass(frozen=True)
class Entry:
    """One apply; times are ISO 8601 in UTC."""

    plan: str
    digest: str
    author: str
    applied_by: str
    begun: str
    outcome: Outcome = Outcome.BEGUN
    ended: str = ""


class Ledger:
    """Of one stack."""

    def __init__(self, store: Store, project: str, stack: str) -> None:
        self._store = store
        self._prefix = layout.own("ledger", project, stack)

    def check(self, plan: Plan) -> None:
        """Raises OpsError when the plan was applied already."""
        found = self._store.read(self._key(plan))
        if found is not None:
            raise _refused(Entry(**json.loads(found.content)))

    def begin(self, plan: Plan) -> Entry:
        """From now on the plan is used up. Raises OpsError when somebody else was faster."""
        entry = Entry(plan.id, plan.digest, plan.author, f"{getpass.getuser()}@{socket.gethostname()}", _now())
        try:
            self._store.write(self._key(plan), _encoded(entry), ABSENT)
        except ConflictError:
            self.check(plan)
        return entry

    def end(self, plan: Plan, entry: Entry, outcome: Outcome) -> None:
        self._store.write(self._key(plan), _encoded(replace(entry, outcome=outcome, ended=_now())))

    def begun(self) -> set[str]:
        """The ids of the plans that were begun. Raises StoreError."""
        return {entry.key.rpartition("/")[2].removesuffix(_JSON) for entry in self._store.entries(self._prefix)}

    def entries(self) -> list[Entry]:
        """All but what another version of this command wrote. Raises StoreError."""
        found = [self._store.read(entry.key) for entry in self._store.entries(self._prefix)]
        parsed = [_parsed(item.content) for item in found if item is not None]
        return [entry for entry in parsed if entry is not None]

    def _key(self, plan: Plan) -> str:
        return f"{self._prefix}/{plan.id}{_JSON}"


def _encoded(entry: Entry) -> bytes:
    return json.dumps(asdict(entry)).encode()


def _parsed(content: bytes) -> Entry | None:
    try:
        return Entry(**json.loads(content))
    except (ValueError, TypeError):
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _refused(entry: Entry) -> Exception:
    return refused(
        f"The plan was applied already, by {entry.applied_by} on {entry.begun[:19]}Z ({entry.outcome}). A plan is "
        "applied once: plan again."
    )
