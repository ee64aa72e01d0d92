"""Pulumi's own stack locks, one object for each process that operates on a stack."""

from __future__ import annotations

import getpass
import json
import socket
import uuid
from dataclasses import asdict, dataclass

from pulumi_state.errors import StateError
from pulumi_state.process import Process
from pulumi_state.snapshot import now
from pulumi_state.store import Item, Store, layout

_PROCESS = "snuProcess"
"""Our additional field, which the CLI ignores. The CLI records only a host name and a process ID."""


@dataclass(frozen=True)
class PulumiLock:
    """A lock and its owner."""

    key: str
    tag: str
    user: str
    host: str
    since: str
    process: Process

    def __str__(self) -> str:
        """Describe the owner for use in messages."""
        return f"{self.user}@{self.host} (pid {self.process.pid}) since {self.since}"


def new_lock(project: str, stack: str) -> tuple[str, bytes]:
    """Return the key and content of a new lock owned by this process."""
    process = Process.current()
    content = {
        "pid": process.pid,
        "username": getpass.getuser(),
        "hostname": socket.gethostname(),
        "timestamp": now(),
        _PROCESS: asdict(process),
    }
    return f"{layout.locks(project, stack)}{uuid.uuid4()}.json", json.dumps(content).encode()


def read_locks(store: Store, project: str, stack: str) -> list[PulumiLock]:
    """Read a stack's locks. Raises StoreError, or StateError if a lock is malformed."""
    keys = [entry.key for entry in store.entries(layout.locks(project, stack)) if entry.key.endswith(".json")]
    items = [(key, store.read(key)) for key in keys]
    return [_parsed(store, key, item) for key, item in items if item is not None]


def _parsed(store: Store, key: str, item: Item) -> PulumiLock:
    try:
        lock = json.loads(item.content)
        process = Process.parse(lock[_PROCESS]) if _PROCESS in lock else Process(int(lock["pid"]))
        user, host, since = (str(lock[name]) for name in ("username", "hostname", "timestamp"))
    except (ValueError, KeyError, TypeError):
        raise StateError(f"the lock {key} in {store.address} is malformed; remove it if no update is running") from None
    return PulumiLock(key, item.tag, user, host, since, process)
