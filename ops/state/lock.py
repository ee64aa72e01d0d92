"""One at a time on a stack: a lock of ``snu``'s own around everything that reads a state in order to change it.

Pulumi locks a stack while it changes it, does not wait for others, and does not lock what comes before: the checks
that an ``apply`` makes would be out of date when it starts. This lock is written with conditional writes, is waited
for, and is renewed as long as its holder lives. Pulumi's own locks are waited for as well.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from pulumi_state.statefile import process_lives
from pulumi_state.store import ABSENT, ConflictError, Store, StoreError, layout

_FREE = b"{}"
_POLL_SECONDS = 0.5
_RENEW_SECONDS = 20.0
_SILENT_FOR = timedelta(minutes=10)
"""A holder on another machine that has not renewed its lock for so long is taken for dead."""


@dataclass(frozen=True)
class Holder:
    """Who holds a stack, for what and since when; times are ISO 8601 in UTC."""

    id: str
    user: str
    host: str
    pid: int
    since: str
    purpose: str = "pulumi"
    renewed: str = ""
    """Empty for locks of Pulumi's own, which are written once."""

    @property
    def lives(self) -> bool | None:
        """Whether its process still runs; None where that cannot be known from here."""
        if self.host == socket.gethostname():
            return process_lives(self.pid)
        if not self.renewed:
            return None
        return datetime.now(UTC) - datetime.fromisoformat(self.renewed) < _SILENT_FOR

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (pid {self.pid}) for {self.purpose}, since {self.since[:19]}Z"


@dataclass(frozen=True)
class Lock:
    """A lock as it was seen: ``key`` and ``tag`` make sure that only this very one is removed."""

    key: str
    tag: str
    holder: Holder


def locks_of(store: Store, project: str, stack: str) -> list[Lock]:
    """``snu``'s lock of a stack, where it is held, and Pulumi's. Raises OpsError when one cannot be read."""
    return [*_own(store, project, stack), *_pulumis(store, project, stack)]


def acquire(
    store: Store, project: str, stack: str, purpose: str, *, timeout: float, on_wait: Callable[[str], None]
) -> Held:
    """Take the stack. ``timeout`` in seconds; ``on_wait`` is told who is waited for.

    Raises OpsError when it is not free in time.
    """
    key = _key(project, stack)
    deadline = time.monotonic() + timeout
    told = ""
    while (taken := _take(store, project, stack, key, purpose)) is None:
        held = _in_the_way(store, project, stack)
        if time.monotonic() >= deadline:
            raise OpsError(
                f"{stack} is held by {', '.join(str(each.holder) for each in held) or 'somebody else'}. Nothing was "
                f"changed. Wait longer with --lock-timeout, or look with `scripts/snu unlock {stack}`.",
                ExitCode.LOCKED,
            )
        if held and (said := f"Waiting for {held[0].holder}") != told:
            told = said
            on_wait(said)
        time.sleep(_POLL_SECONDS)
    return Held(store, key, *taken)


def unlock(store: Store, lock: Lock) -> None:
    """Remove this very lock. Raises OpsError when it is another one by now."""
    try:
        if lock.holder.renewed:
            store.write(lock.key, _FREE, lock.tag)
            return
        found = store.read(lock.key)
        if found is None or found.tag != lock.tag:
            raise ConflictError("it has changed")
        store.delete(lock.key)
    except ConflictError:
        raise OpsError(
            f"The lock of {lock.holder} is not what it was when it was shown: look again.", ExitCode.LOCKED
        ) from None


def _key(project: str, stack: str) -> str:
    return f"{layout.own('locks', project, stack)}.json"


def _own(store: Store, project: str, stack: str) -> list[Lock]:
    key = _key(project, stack)
    found = store.read(key)
    if found is None or found.content == _FREE:
        return []
    return [Lock(key, found.tag, _read(key, found.content, lambda held: Holder(**held)))]


def _pulumis(store: Store, project: str, stack: str) -> list[Lock]:
    locks = []
    for entry in store.entries(layout.locks(project, stack)):
        found = store.read(entry.key)
        if found is not None:
            locks.append(Lock(entry.key, found.tag, _read(entry.key, found.content, _pulumis_holder)))
    return locks


def _pulumis_holder(held: dict[str, Any]) -> Holder:
    return Holder("", str(held["username"]), str(held["hostname"]), int(held["pid"]), str(held["timestamp"]))


def _read(key: str, content: bytes, make: Callable[[dict[str, Any]], Holder]) -> Holder:
    try:
        return make(json.loads(content))
    except (ValueError, KeyError, TypeError):
        raise OpsError(
            f"The lock {key} cannot be read; remove it when nobody works on the stack.", ExitCode.LOCKED
        ) from None


def _in_the_way(store: Store, project: str, stack: str) -> list[Lock]:
    return [each for each in locks_of(store, project, stack) if each.holder.lives is not False]


def _take(store: Store, project: str, stack: str, key: str, purpose: str) -> tuple[Holder, str] | None:
    """The holder that we are now, with the lock's tag; None where somebody else has the stack."""
    found = store.read(key)
    if found is not None and found.content != _FREE:
        before = _read(key, found.content, lambda held: Holder(**held))
        if before.host != socket.gethostname() or before.lives:
            return None
    now = datetime.now(UTC).isoformat()
    holder = Holder(str(uuid.uuid4()), getpass.getuser(), socket.gethostname(), os.getpid(), now, purpose, renewed=now)
    try:
        tag = store.write(key, _encoded(holder), found.tag if found else ABSENT)
    except ConflictError:
        return None
    if any(each.holder.lives is not False for each in _pulumis(store, project, stack)):
        store.write(key, _FREE, tag)
        return None
    return holder, tag


def _encoded(holder: Holder) -> bytes:
    return json.dumps(asdict(holder)).encode()


class Held:
    """A stack that we have: says again and again that we live, in a thread of its own, and is free at the end."""

    def __init__(self, store: Store, key: str, holder: Holder, tag: str) -> None:
        self._store = store
        self._key = key
        self._holder = holder
        self._tag = tag
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True, name="lock")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()
        with suppress(ConflictError):  # what somebody else holds by now stays
            self._store.write(self._key, _FREE, self._tag)

    def _renew(self) -> None:
        while not self._ended.wait(_RENEW_SECONDS):
            self._holder = replace(self._holder, renewed=datetime.now(UTC).isoformat())
            try:
                self._tag = self._store.write(self._key, _encoded(self._holder), self._tag)
            except ConflictError:
                return  # somebody has unlocked it
            except StoreError:
                continue  # said again the next time
