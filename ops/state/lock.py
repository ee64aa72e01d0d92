"""The lock of one stack, required for every operation that reads a state in order to change it.

Pulumi's own lock is not sufficient: it covers only the change, not the checks that ``apply`` makes beforehand, and
Pulumi does not wait for other owners. This lock uses conditional writes, and its owner renews it while running. Other
runs wait for this lock and for Pulumi's own locks.
"""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import process_environment
from ops.state.history import InterruptedRun
from pulumi_state.errors import StateError
from pulumi_state.history import who_runs
from pulumi_state.locks import PulumiLock, read_locks
from pulumi_state.process import Process
from pulumi_state.store import ABSENT, Chain, ConflictError, Store, StoreError, layout

_FORMAT = 2
"""Version of the lock's JSON format. Format 1 had no version and identified machines by host name."""
_RELEASED_BY_OLDER = b"{}"
_POLL_SECONDS = 0.5
_RENEW_SECONDS = 20.0
_SILENT_AFTER = timedelta(minutes=10)
"""Time since the last renewal, by the store's clock, after which a lock becomes stale."""


class Liveness(Enum):
    """The status of a lock's owner."""

    RUNNING = "is running, or renewed the lock in the last ten minutes"
    ENDED = "has ended"
    SILENT = "has not renewed the lock for ten minutes; it is unknown whether it is running"
    STALLED = "is running but has not renewed the lock for ten minutes; it may be paused"
    UNKNOWN = "may be running"

    @property
    def is_stale(self) -> bool:
        """Whether the lock is stale and can be removed with ``snu unlock``."""
        return self in (Liveness.ENDED, Liveness.SILENT, Liveness.STALLED)


_TAKEN_OVER = (Liveness.ENDED, Liveness.SILENT)
"""Locks whose owners have one of these statuses are taken over automatically; an owner that is only paused keeps its
lock."""


@dataclass(frozen=True)
class Lock:
    """A lock as it was read; ``key`` and ``tag`` prevent the removal of a newer lock."""

    key: str
    tag: str
    owner: str
    liveness: Liveness
    is_pulumis: bool = False
    interrupted: InterruptedRun | None = None
    """The ``snu`` run that left a stale lock."""


@dataclass(frozen=True)
class _Record:
    """The content of the lock's object."""

    id: str
    user: str
    host: str
    since: str
    """ISO 8601 in UTC."""
    purpose: str
    process: Process
    engine: Process | None = None
    """The owner's Pulumi CLI process; the CLI's own lock does not show whether the process has exited."""
    left: tuple[str, ...] = ()
    """Keys of CLI locks that are known to be stale."""
    engine_name: str = ""
    renewals: int = 0

    @classmethod
    def new(cls, purpose: str, engine_name: str, engine: Process | None, left: tuple[str, ...]) -> _Record:
        user, _, host = who_runs(process_environment()).rpartition("@")
        now = datetime.now(UTC).isoformat()
        return cls(str(uuid.uuid4()), user, host, now, purpose, Process.current(), engine, left, engine_name)

    @classmethod
    def parse(cls, content: bytes) -> _Record | None:
        """Parse a lock; returns None if it is released. Raises _UnreadableError."""
        if content == _RELEASED_BY_OLDER:
            return None
        try:
            document: dict[str, Any] = json.loads(content)
            version = int(document.pop("version", 1))
        except (ValueError, TypeError, AttributeError):
            raise _UnreadableError("an unknown owner (the lock is damaged)") from None
        if version != _FORMAT:
            age = "a newer" if version > _FORMAT else "an older"
            raise _UnreadableError(f"{age} version of snu (lock format {version}; this version reads {_FORMAT})")
        if "released" in document:
            return None
        try:
            process, engine = Process.parse(document.pop("process")), document.pop("engine")
            left = tuple(document.pop("left", ()))
            record = cls(**document, process=process, engine=Process.parse(engine) if engine else None, left=left)
            datetime.fromisoformat(record.since)
            return record
        except (ValueError, KeyError, TypeError):
            raise _UnreadableError("an unknown owner (the lock is damaged)") from None

    def content(self) -> bytes:
        return json.dumps({"version": _FORMAT, **asdict(self)}).encode()

    def interrupted(self, age: timedelta | None) -> InterruptedRun:
        """The run that has not released the lock; ``age`` is the time since the last renewal."""
        owner, begun = f"{self.user}@{self.host}", datetime.fromisoformat(self.since).astimezone(UTC)
        return InterruptedRun(self.purpose, owner, begun, datetime.now(UTC) - (age or timedelta()), self.engine_name)

    def __str__(self) -> str:
        return _described(self, self.purpose)


class _UnreadableError(Exception):
    """A lock is damaged or has an unsupported version; the message describes the owner."""


def locks_of(store: Store, project: str, stack: str) -> list[Lock]:
    """A stack's locks: the ``snu`` lock, if any, and Pulumi's. Raises OpsError if Pulumi's locks cannot be read."""
    key = _key(project, stack)
    item = store.read(key)
    own, record, liveness = [], None, Liveness.UNKNOWN
    if item is not None:
        try:
            record = _Record.parse(item.content)
            if record is not None:
                age = store.age(key)
                liveness = _liveness(record.process, age)
                interrupted = record.interrupted(age) if liveness.is_stale else None
                own = [Lock(key, item.tag, str(record), liveness, interrupted=interrupted)]
        except _UnreadableError as error:
            own = [Lock(key, item.tag, str(error), liveness)]
    left = _left_locks(item.content) if item is not None else ()
    return own + _pulumis(store, project, stack, record, liveness, left)


def acquire(
    store: Store,
    project: str,
    stack: str,
    purpose: str,
    *,
    engine: str = "",
    timeout: float,
    on_wait: Callable[[str], None],
    on_lost: Callable[[], None],
) -> HeldLock:
    """Lock the stack. A run whose lock is taken over is recorded in the history as interrupted.

    ``engine`` is the name of the engine to be used, and ``timeout`` is in seconds. ``on_wait`` is called with a message
    that names the lock owner, ``on_lost`` in the lock's own thread if the lock is removed. Raises OpsError if the stack
    is still locked after the timeout.
    """
    key = _key(project, stack)
    deadline = time.monotonic() + timeout
    last_message = ""
    while (record := _take(store, project, stack, key, purpose, engine)) is None:
        owners = [each.owner for each in locks_of(store, project, stack) if each.liveness is not Liveness.ENDED]
        if time.monotonic() >= deadline:
            raise OpsError(
                f"{stack} is locked by {', '.join(owners) or 'another run'}. Nothing was changed. Wait with "
                f"--lock-timeout, or check the lock with `scripts/snu unlock {stack}`.",
                ExitCode.LOCKED,
            )
        if owners and (message := f"Waiting for {owners[0]}") != last_message:
            last_message = message
            on_wait(message)
        time.sleep(_POLL_SECONDS)
    return HeldLock(store, project, stack, *record, on_lost)


def unlock(store: Store, lock: Lock) -> None:
    """Remove this lock. Raises OpsError if the lock has changed since it was read."""
    try:
        if lock.is_pulumis:
            store.delete(lock.key, lock.tag)
        else:
            store.write(lock.key, _released(), lock.tag)
    except ConflictError:
        raise OpsError(
            f"The lock of {lock.owner} has changed since it was read and was not removed. Run the command again.",
            ExitCode.LOCKED,
        ) from None


def interrupt() -> None:
    """Interrupt the main thread, as Ctrl-C does."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _key(project: str, stack: str) -> str:
    return f"{layout.snu_prefix('locks', project, stack)}.json"


def _released(left: Collection[str] = ()) -> bytes:
    """The content of a released lock, unique to each release.

    ``left`` lists the keys of locks left by the last owner's CLI when it was killed.
    """
    return json.dumps({"version": _FORMAT, "released": str(uuid.uuid4()), "left": list(left)}).encode()


def _described(lock: _Record | PulumiLock, purpose: str) -> str:
    """The lock's owner, for use in messages."""
    try:
        since = f"{datetime.fromisoformat(lock.since).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    except ValueError:
        since = lock.since
    return f"{lock.user}@{lock.host} (pid {lock.process.pid}) for {purpose}, since {since}"


def _left_locks(content: bytes) -> tuple[str, ...]:
    try:
        return tuple(json.loads(content)["left"])
    except (ValueError, KeyError, TypeError):
        return ()


def _liveness(process: Process, age: timedelta | None) -> Liveness:
    """Determine the owner's status; ``age`` is the time since the last renewal."""
    runs = process.is_running
    if runs is False:
        return Liveness.ENDED
    if age is None or age < _SILENT_AFTER:
        return Liveness.RUNNING
    return Liveness.STALLED if runs else Liveness.SILENT


def _pulumis(
    store: Store,
    project: str,
    stack: str,
    own: _Record | None,
    liveness: Liveness,
    left: Collection[str],
) -> list[Lock]:
    """Pulumi's locks on a stack.

    ``own`` and ``liveness`` describe the ``snu`` lock; its owner may also own Pulumi's locks. ``left`` lists the keys
    of locks whose owner is known to have exited.
    """
    try:
        locks = read_locks(store, project, stack)
    except StateError as error:
        raise OpsError(f"{error}.", ExitCode.LOCKED) from None
    return [
        Lock(
            each.key,
            each.tag,
            _described(each, "pulumi"),
            Liveness.ENDED if each.key in left else _pulumis_liveness(each, own, liveness),
            is_pulumis=True,
        )
        for each in locks
    ]


def _pulumis_liveness(lock: PulumiLock, own: _Record | None, liveness: Liveness) -> Liveness:
    if own is not None and lock.process == own.process:
        return liveness  # the embedded engine runs in the owner's process
    process = lock.process
    if own is not None and own.engine is not None and own.engine.pid == process.pid:
        process = own.engine
    return {True: Liveness.RUNNING, False: Liveness.ENDED, None: Liveness.UNKNOWN}[process.is_running]


def _take(store: Store, project: str, stack: str, key: str, purpose: str, engine: str) -> tuple[_Record, str] | None:
    """The new lock and its tag, or None if another run has locked the stack."""
    item = store.read(key)
    liveness = Liveness.UNKNOWN
    left = _left_locks(item.content) if item else ()
    try:
        before = _Record.parse(item.content) if item else None
    except _UnreadableError:
        return None
    if before is not None:
        age = store.age(key)
        liveness = _liveness(before.process, age)
        if liveness not in _TAKEN_OVER or _blocking(_pulumis(store, project, stack, before, liveness, left)):
            return None
        # Recorded before replacing the lock, so if this process is killed in between, the next one records the run.
        before.interrupted(age).record(store, project, stack)
    record = _Record.new(purpose, engine, before.engine if before else None, left)
    try:
        tag = store.write(key, record.content(), item.tag if item else ABSENT)
    except ConflictError:
        return None
    pulumis = _pulumis(store, project, stack, before, liveness, left)
    if _blocking(pulumis):
        with suppress(ConflictError):
            store.write(key, item.content if item else _released(left), tag)
        return None
    for each in pulumis:
        if each.liveness is Liveness.SILENT:  # `snu recover` removes the locks of processes that have exited
            store.delete(each.key, each.tag)
    return replace(record, left=tuple(each.key for each in pulumis if each.key in left)), tag


def _blocking(pulumis: list[Lock]) -> bool:
    return any(each.liveness not in _TAKEN_OVER for each in pulumis)


class HeldLock:
    """A lock owned by this process, renewed in its own thread and released at the end."""

    def __init__(
        self, store: Store, project: str, stack: str, record: _Record, tag: str, on_lost: Callable[[], None]
    ) -> None:
        self._store, self._project, self._stack = store, project, stack
        self._writes = Chain(store, _key(project, stack), tag)
        self._record = record
        self._on_lost = on_lost
        self._changing = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True, name="lock")
        self.lost = False
        """Whether the lock was removed or taken over."""

    def __enter__(self) -> HeldLock:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        self._write(_released([*self._record.left, *(self._left() if any(error) else ())]))

    def _left(self) -> list[str]:
        """Keys of the locks left by our CLI process when it was killed."""
        engine = self._record.engine
        if engine is None or engine.is_running is not False:
            return []
        with suppress(StoreError, StateError):
            locks = read_locks(self._store, self._project, self._stack)
            return [lock.key for lock in locks if (lock.process.pid, lock.host) == (engine.pid, socket.gethostname())]
        return []

    def record_engine(self, pid: int) -> None:
        """Record our CLI process, which takes Pulumi's own lock."""
        self._change(engine=Process.from_pid(pid))

    def renew(self) -> bool:
        """Renew the lock; returns False if the lock is known to be lost."""
        self._change(renewals=self._record.renewals + 1)
        return not self.lost

    def _renew(self) -> None:
        while not self.lost and not self._ended.wait(_RENEW_SECONDS):
            self.renew()

    def _change(self, **fields: Any) -> None:
        with self._changing:
            self._record = replace(self._record, **fields)
            self._write(self._record.content())
        if self.lost:
            self._on_lost()

    def _write(self, content: bytes) -> None:
        """Write the lock, ignoring store failures: the next renewal retries, and an abandoned lock becomes stale."""
        try:
            self._writes.write(content)
        except ConflictError:
            self.lost = True
        except StoreError:
            return
