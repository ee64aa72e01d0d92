"""A stack's state in the layout of Pulumi's own backends (``pkg/backend/diy``), so that the CLI can take it over.

Below ``.pulumi/``: ``stacks/<project>/<stack>.json`` with its ``.bak``, ``locks/…``, ``history/…`` and ``meta.yaml``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pulumi_state.compression import compress, suffix_of
from pulumi_state.errors import OverwrittenError, StateError
from pulumi_state.locks import PulumiLock, new_lock, read_locks
from pulumi_state.passphrase import Crypter
from pulumi_state.snapshot import PendingOperation, Snapshot, resource_from_json
from pulumi_state.store import ABSENT, Chain, ConflictError, Store, StoreError, checkpoints, layout, open_store

_VERSION = 3
"""Of checkpoints. The CLI writes 4 where a state uses what older CLIs cannot read, and names it in ``features``."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file says, before its secrets are decrypted."""

    salt: str | None
    latest: dict[str, Any]

    def snapshot(self, crypter: Crypter) -> Snapshot:
        """Raises StateError when a resource is incomplete or a secret does not decrypt."""
        try:
            return Snapshot(
                resources=[resource_from_json(item, crypter) for item in self.latest.get("resources") or []],
                pending_operations=[
                    PendingOperation(resource_from_json(item["resource"], crypter), item["type"])
                    for item in self.latest.get("pending_operations") or []
                ],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise StateError(f"the state has a resource that cannot be read ({error!r})") from error


def parse_checkpoint(content: bytes, name: str) -> dict[str, Any]:
    """A checkpoint's document; ``name`` says in messages which one it is.

    Raises StateError when it is damaged, or of a version that would be misread.
    """
    try:
        document: dict[str, Any] = json.loads(content)
        version, features = document["version"], document.get("features") or []
        dict(document["checkpoint"].get("latest") or {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"the {name} is damaged ({error})") from None
    if version != _VERSION or features:
        listed = f" with the features {', '.join(map(str, features))}" if features else ""
        raise StateError(
            f"the {name} has version {version}{listed}; this version of snu reads version {_VERSION} without features. "
            "Use the Pulumi CLI for this stack, or a newer snu"
        )
    return document


class StateFile:
    """The state of one stack in a backend: a folder, a bucket or a database.

    Each write is conditional on what was read or written before through the same object; a state that was never read
    must not exist yet. A state that the Pulumi CLI has compressed stays so.
    """

    def __init__(
        self, backend: str | Store, project: str, stack: str, environ: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """``backend``: an open store, or an address, whose keys come from ``environ``.

        Raises StateError when the backend is of no known kind or lets nobody in.
        """
        self.project = project
        self.stack = stack
        self.key = layout.checkpoint(project, stack)
        """Of the state that was read; until then of one that is not compressed."""
        self._has_meta = False
        self._was_read = False
        try:
            self.store = open_store(backend, environ) if isinstance(backend, str) else backend
        except StoreError as error:
            raise StateError(str(error)) from error
        self._content = b""
        self._writes = Chain(self.store, self.key, ABSENT)

    @property
    def full_name(self) -> str:
        return layout.full_name(self.project, self.stack)

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"state file {self.place(self.key)}"

    def place(self, key: str) -> str:
        """Where an object of the backend is: a path, or an address."""
        address = self.store.address
        if address.startswith("file://"):
            return f"{address.removeprefix('file://')}/{key}"
        return f"{key} in {address}"

    def read(self) -> Checkpoint | None:
        """The checkpoint, or None when the stack does not exist yet.

        Raises StateError when it is not a checkpoint that this engine can read; nothing is changed.
        """
        with self._told():
            stored = checkpoints.find(self.store, self.project, self.stack)
        self._was_read = True
        self._content = stored.content if stored else b""
        self.key = stored.key if stored else layout.checkpoint(self.project, self.stack)
        self._writes = Chain(self.store, self.key, stored.tag if stored else ABSENT)
        if stored is None:
            return None
        try:
            latest = parse_checkpoint(stored.content, self.name)["checkpoint"].get("latest") or {}
        except StateError as error:
            raise StateError(f"{error}{self._backup_hint()}") from error
        provider = latest.get("secrets_providers") or {"type": "passphrase"}
        if provider.get("type") != "passphrase":
            raise StateError(
                f"the {self.name} is encrypted by the secrets provider {provider.get('type')!r}; "
                "only passphrase is known"
            )
        return Checkpoint(salt=(provider.get("state") or {}).get("salt"), latest=latest)

    def _backup_hint(self) -> str:
        backup = layout.backup_of(self.key)
        with self._told():
            found = self.store.read(backup)
        return f"; the state before the last write is in {self.place(backup)}" if found else ""

    def write(self, text: str) -> None:
        """Replace the checkpoint in one step, and keep the one before as ``.bak``.

        Raises StateError when it cannot be written; OverwrittenError where somebody else has written meanwhile, and
        what they wrote is kept.
        """
        with self._told():
            if not self._has_meta:
                if self.store.read(layout.META) is None:
                    self.store.write(layout.META, layout.META_CONTENT)
                self._has_meta = True
            if not self._was_read and checkpoints.find(self.store, self.project, self.stack) is not None:
                raise ConflictError(f"{self.place(self.key)} exists")
            self._was_read = True
            self.store.copy(self.key, layout.backup_of(self.key))
            self._writes.write(self._compressed(text.encode()))
        self._content = text.encode()

    def _compressed(self, content: bytes) -> bytes:
        return compress(content, suffix_of(self.key))

    def delete(self) -> None:
        """Remove the checkpoint that was read, and its backup. Raises StateError."""
        with self._told():
            self.store.delete(self.key, self._writes.tag)
            for key in layout.backups(self.project, self.stack):
                self.store.delete(key)
        self._content = b""
        self._writes = Chain(self.store, self.key, ABSENT)

    def write_latest(self, latest: Mapping[str, Any]) -> None:
        """Replace what the checkpoint that was read says of the stack's resources, as ``write`` does."""
        new: dict[str, Any] = {"version": 3, "checkpoint": {"stack": self.full_name}}
        document = json.loads(self._content) if self._content else new
        document["checkpoint"]["latest"] = latest
        self.write(json.dumps(document, ensure_ascii=False))

    def add_history(self, update: Mapping[str, Any]) -> None:
        """Keep a record of an update and a copy of the state after it. Raises StateError when that is not possible."""
        entry = f"{layout.history(self.project, self.stack)}{self.stack}-{time.time_ns()}"
        suffix = suffix_of(self.key)
        record = self._compressed(json.dumps(update, ensure_ascii=False).encode())
        with self._told():
            self.store.write(f"{entry}{layout.RECORD}{suffix}", record, ABSENT)
            self.store.copy(self.key, f"{entry}.checkpoint.json{suffix}")

    # --- locks ------------------------------------------------------------------------------------------

    def locks(self) -> list[PulumiLock]:
        """Pulumi's locks of the stack, one for each process. Raises StateError, also where one cannot be read."""
        with self._told():
            return read_locks(self.store, self.project, self.stack)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the stack as Pulumi does.

        Raises StateError naming the owner when another update runs. The lock of a process that has ended is removed.
        """
        key, content = new_lock(self.project, self.stack)
        try:
            self.store.write(key, content, ABSENT)
        except StoreError as error:
            raise StateError(f"the stack cannot be locked: {error}") from error
        try:
            for lock in self.locks():
                if lock.key != key:
                    self._check_lock(lock)
            yield
        finally:
            with suppress(StoreError):  # what happened before is worth more than this
                self.store.delete(key)

    def _check_lock(self, lock: PulumiLock) -> None:
        if lock.process.runs is not False:
            raise StateError(
                f"the stack {self.stack} is locked by {lock}; wait until that update ends, or look with "
                f"`scripts/snu unlock {self.stack}`"
            )
        with self._told():
            self.store.delete(lock.key)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ConflictError as error:
            raise OverwrittenError(
                f"the state of {self.stack} was changed by another run, and is left as that run wrote it: {error}"
            ) from error
        except StoreError as error:
            raise StateError(f"the state: {error}") from error
