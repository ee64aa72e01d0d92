"""The stone that a stack leaves where its state was, so that nobody goes on there by mistake."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from pulumi_state.store import Store, layout

_KIND = "moved"


@dataclass(frozen=True)
class Tombstone:
    """That a state was moved."""

    to: str
    """Where to, without a login."""
    who: str
    when: str


def stone_key(project: str, stack: str) -> str:
    return f"{layout.snu_prefix(_KIND, project, stack)}.json"


def kept_key(project: str, stack: str) -> str:
    """The state as it was when it was moved."""
    return f"{layout.snu_prefix(_KIND, project, stack)}.checkpoint.json"


def read_stone(store: Store, project: str, stack: str) -> Tombstone | None:
    """Raises StoreError."""
    item = store.read(stone_key(project, stack))
    if item is None:
        return None
    try:
        found = json.loads(item.content)
        return Tombstone(str(found["to"]), str(found["who"]), str(found["when"]))
    except (ValueError, KeyError, TypeError):
        return Tombstone("a place that its stone does not name", "somebody", "some day")


def refuse_moved(store: Store, project: str, stack: str) -> None:
    """Raises OpsError when the state was moved away, and StoreError."""
    moved = read_stone(store, project, stack)
    if moved is not None:
        raise OpsError(
            f"The state of {stack} is not in {store.address} any more: {moved.who} moved it to {moved.to} at "
            f"{moved.when}. Nothing was changed.",
            ExitCode.ENVIRONMENT,
        )


def write_stone(store: Store, project: str, stack: str, moved: Tombstone) -> None:
    store.write(stone_key(project, stack), json.dumps(asdict(moved)).encode())
