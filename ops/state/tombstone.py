"""The tombstone that a moved state leaves in its former backend; commands that find it refuse to change the stack."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from pulumi_state.store import Store, layout

_KIND = "moved"


@dataclass(frozen=True)
class Tombstone:
    """The target, user and time of a state's move."""

    to: str
    """The new backend's address without credentials."""
    who: str
    when: str
    """ISO 8601 in UTC."""


def tombstone_key(project: str, stack: str) -> str:
    return f"{layout.snu_prefix(_KIND, project, stack)}.json"


def archived_state_key(project: str, stack: str) -> str:
    """The key under which a move archives a copy of the state."""
    return f"{layout.snu_prefix(_KIND, project, stack)}.checkpoint.json"


def read_tombstone(store: Store, project: str, stack: str) -> Tombstone | None:
    """A stack's tombstone, or None if its state was not moved. Raises StoreError."""
    item = store.read(tombstone_key(project, stack))
    if item is None:
        return None
    try:
        document = json.loads(item.content)
        return Tombstone(str(document["to"]), str(document["who"]), str(document["when"]))
    except (ValueError, KeyError, TypeError):
        return Tombstone("an unknown backend (the tombstone is damaged)", "an unknown user", "an unknown time")


def refuse_moved(store: Store, project: str, stack: str) -> None:
    """Raises OpsError if the state was moved to another backend. May raise StoreError."""
    tombstone = read_tombstone(store, project, stack)
    if tombstone is not None:
        raise OpsError(
            f"The state of {stack} is no longer in {store.address}: {tombstone.who} moved it to {tombstone.to} at "
            f"{tombstone.when}. Nothing was changed. Use the new backend.",
            ExitCode.ENVIRONMENT,
        )


def write_tombstone(store: Store, project: str, stack: str, tombstone: Tombstone) -> None:
    store.write(tombstone_key(project, stack), json.dumps(asdict(tombstone)).encode())
