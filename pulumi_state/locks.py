"""Pulumi's own locks of a stack: one object for each process that works on it, written once."""

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
"""A field of ours, which the CLI ignores. The CLI itself says no more than a host name and a process number."""


@dataclass(frozen=True)
class PulumiLock:
    """One lock, and whose it is."""

    key: str
    tag: str
    user: str
    host: str
    since: str
    process: Process

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (pid {self.process.pid}) since {self.since}"


def new_lock(project: str, stack: str) -> tuple[str, bytes]:
    """Key and content of a lock of this process."""
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
    """Raises StoreError, and StateError when a lock cannot be read."""
    keys = [entry.key for entry in store.entries(layout.locks(project, stack)) if entry.key.endswith(".json")]
    items = [(key, store.read(key)) for key in keys]
    return [_parsed(store, key, item) for key, item in items if item is not None]


def _parsed(store: Store, key: str, item: Item) -> PulumiLock:
    try:
        found = json.loads(item.content)
        process = Process.parse(found[_PROCESS]) if _PROCESS in found else Process(int(found["pid"]))
        user, host, since = (str(found[name]) for name in ("username", "hostname", "timestamp"))
    except (ValueError, KeyError, TypeError):
        raise StateError(f"the lock {key} in {store.address} cannot be read; remove it if no update runs") from None
    return PulumiLock(key, item.tag, user, host, since, process)
