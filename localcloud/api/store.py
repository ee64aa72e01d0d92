"""The local Scaleway's entire state, held in memory and written through to SQLite.

The data folder (mode 0700) contains ``state.db``, with data that the API returns, and ``vault.db``, with data that it
never returns again (keys, passwords, secret values). Each request updates both in one transaction, so the state
stays intact if the process is killed at any time.

A resource is a JSON object that is never modified in place. Fields that start with ``_`` are internal and not part of
responses (see ``transitions`` and ``collection``).
"""

from __future__ import annotations

import fcntl
import heapq
import json
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from localcloud.api.errors import StartError

Resource = dict[str, Any]

FORMAT = 1
"""Version of the file format, stored in SQLite's ``user_version``."""

VAULT_PREFIX = "vault."
"""Prefix of confidential kinds, which are stored in ``vault.db`` and never returned by the control API."""

HIDDEN_PREFIX = "hidden."
"""Prefix of internal kinds, which the control API does not return."""

_FILES = ("state.db", "vault.db")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS main.resources
    (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS vault.resources
    (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS main.journal
    (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL);
"""


class Store:
    """Resources by kind and id, in order of creation."""

    def __init__(self, folder: Path) -> None:
        """Open or create the files in ``folder``. Raises ``StartError`` for problems that the user has to fix."""
        self.folder = folder
        self._kinds: dict[str, dict[str, Resource]] = {}
        self._pending: dict[tuple[str, str], Resource | None] = {}
        self._undo: list[tuple[str, str, Resource | None]] = []
        self._deletions: list[tuple[float, str, str]] = []
        self._lock = _locked(folder)
        try:
            self._db = self._open()
            self._load()
        except (sqlite3.DatabaseError, ValueError, KeyError, TypeError) as error:
            raise StartError(
                f"The local Scaleway's state in {folder} is damaged ({error}). Restore state.db and vault.db from a "
                "backup, or delete the folder to start over. Nothing was changed."
            ) from error

    def get(self, kind: str, id: str) -> Resource | None:
        return self._kinds.get(kind, {}).get(id)

    def all(self, kind: str) -> Iterable[Resource]:
        return self._kinds.get(kind, {}).values()

    def kinds(self) -> list[str]:
        return list(self._kinds)

    def put(self, kind: str, id: str, resource: Resource) -> None:
        """Create or replace a resource: immediately in memory, on disk with ``commit``."""
        table = self._kinds.setdefault(kind, {})
        self._undo.append((kind, id, table.get(id)))
        self._pending[(kind, id)] = table[id] = resource
        if "_gone_at" in resource:
            heapq.heappush(self._deletions, (resource["_gone_at"], kind, id))

    def delete(self, kind: str, id: str) -> None:
        old = self._kinds.get(kind, {}).pop(id, None)
        if old is not None:
            self._undo.append((kind, id, old))
            self._pending[(kind, id)] = None

    def sweep(self, now: float) -> bool:
        """Delete resources whose ``_gone_at`` (seconds since the epoch) has passed. Returns whether it deleted any."""
        is_changed = False
        while self._deletions and self._deletions[0][0] <= now:
            _, kind, id = heapq.heappop(self._deletions)
            resource = self.get(kind, id)
            if resource is not None and resource.get("_gone_at", now + 1) <= now:
                self.delete(kind, id)
                is_changed = True
        return is_changed

    def commit(self, entry: tuple[str, str, str, int] | None = None) -> None:
        """Write all changes since the last commit, and ``entry`` (time, method, path, status) to the journal.

        Raises ``sqlite3.Error`` if they cannot be written; the caller must then call ``rollback``.
        """
        if not self._pending and entry is None:
            return
        with self._db:
            self._db.execute("BEGIN")
            for (kind, id), resource in self._pending.items():
                schema = "vault" if kind.startswith(VAULT_PREFIX) else "main"
                if resource is None:
                    self._db.execute(f"DELETE FROM {schema}.resources WHERE kind=? AND id=?", (kind, id))
                else:
                    self._db.execute(
                        f"INSERT INTO {schema}.resources VALUES (?,?,?) ON CONFLICT DO UPDATE SET body=excluded.body",
                        (kind, id, json.dumps(resource)),
                    )
            if entry is not None:
                self._db.execute("INSERT INTO journal(at, method, path, status) VALUES (?,?,?,?)", entry)
        self._pending.clear()
        self._undo.clear()

    def rollback(self) -> None:
        """Discard all changes since the last commit."""
        for kind, id, old in reversed(self._undo):
            if old is None:
                self._kinds[kind].pop(id, None)
            else:
                self._kinds[kind][id] = old
        self._undo.clear()
        self._pending.clear()

    def journal(self, after: int = 0) -> list[dict[str, Any]]:
        """The recorded write requests with a sequence number above ``after``, oldest first."""
        rows = self._db.execute("SELECT seq, at, method, path, status FROM journal WHERE seq>? ORDER BY seq", (after,))
        return [dict(zip(("seq", "at", "method", "path", "status"), row, strict=True)) for row in rows]

    def clear(self) -> None:
        """Delete everything, including the journal."""
        self._kinds.clear()
        self._pending.clear()
        self._undo.clear()
        self._deletions.clear()
        with self._db:
            self._db.execute("BEGIN")
            for table in ("main.resources", "vault.resources", "main.journal"):
                self._db.execute(f"DELETE FROM {table}")

    def close(self) -> None:
        self._db.close()
        self._lock.close()

    def _open(self) -> sqlite3.Connection:
        state, vault = (self.folder / name for name in _FILES)
        db = sqlite3.connect(state, isolation_level=None)
        db.execute("ATTACH DATABASE ? AS vault", (str(vault),))
        for schema in ("main", "vault"):
            db.execute(f"PRAGMA {schema}.journal_mode=WAL")
            db.execute(f"PRAGMA {schema}.synchronous=NORMAL")
            (verdict,) = db.execute(f"PRAGMA {schema}.quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            (version,) = db.execute(f"PRAGMA {schema}.user_version").fetchone()
            if version not in (0, FORMAT):
                raise sqlite3.DatabaseError(f"format {version}; expected format {FORMAT}")
            db.execute(f"PRAGMA {schema}.user_version={FORMAT}")
        db.executescript(_SCHEMA)
        for name in _FILES:
            (self.folder / name).chmod(0o600)
        return db

    def _load(self) -> None:
        for schema in ("main", "vault"):
            rows = self._db.execute(f"SELECT kind, id, body FROM {schema}.resources ORDER BY rowid")
            for kind, id, body in rows:
                resource: Resource = json.loads(body)
                self._kinds.setdefault(kind, {})[id] = resource
                if "_gone_at" in resource:
                    heapq.heappush(self._deletions, (resource["_gone_at"], kind, id))


def _locked(folder: Path) -> IO[str]:
    """Create ``folder``, make it private and lock it, so that no two servers share it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        lock = (folder / "lock").open("a+")
    except OSError as error:
        raise StartError(f"The data folder {folder} cannot be used ({error.strerror}).") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        raise StartError(
            f"Another local Scaleway (process {lock.read().strip() or 'unknown'}) is already using {folder}. Stop it, "
            "or use another --data folder."
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
