"""A stack's state in the layout of Pulumi's own backends (``pkg/backend/diy``), which makes it usable by the CLI.

``.pulumi/`` contains ``stacks/<project>/<stack>.json`` and its ``.bak``, ``locks/…``, ``history/…`` and ``meta.yaml``.
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
from pulumi_state.snapshot import (
    SUPPORTED_FEATURES,
    SUPPORTED_VERSIONS,
    PendingOperation,
    Snapshot,
    checkpoint_format,
    resource_from_json,
)
from pulumi_state.store import ABSENT, Chain, ConflictError, Store, StoreError, checkpoints, layout, open_store


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint file, with encrypted secrets."""

    salt: str | None
    latest: dict[str, Any]

    def snapshot(self, crypter: Crypter) -> Snapshot:
        """Decode resources and decrypt secrets. Raises StateError for a malformed resource or an unreadable secret."""
        try:
            return Snapshot(
                resources=[resource_from_json(item, crypter) for item in self.latest.get("resources") or []],
                pending_operations=[
                    PendingOperation(resource_from_json(item["resource"], crypter), item["type"])
                    for item in self.latest.get("pending_operations") or []
                ],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise StateError(f"the state has a malformed resource ({error!r})") from error


def parse_checkpoint(content: bytes, name: str) -> dict[str, Any]:
    """Parse a checkpoint; ``name`` identifies it in messages.

    Raises StateError if it is damaged or has an unsupported version.
    """
    try:
        document: dict[str, Any] = json.loads(content)
        version, features = document["version"], document.get("features") or []
        dict(document["checkpoint"].get("latest") or {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"the {name} is damaged ({error})") from None
    unsupported = [str(feature) for feature in features if feature not in SUPPORTED_FEATURES]
    if version not in SUPPORTED_VERSIONS or unsupported:
        listed = f" with the features {', '.join(unsupported)}" if unsupported else ""
        raise StateError(
            f"the {name} has version {version}{listed}; this version of snu supports versions "
            f"{' and '.join(map(str, SUPPORTED_VERSIONS))} with the features {', '.join(SUPPORTED_FEATURES)}. Use the "
            "Pulumi CLI for this stack, or a newer version of snu"
        )
    return document


class StateFile:
    """The state of one stack in a backend: a folder, a bucket or a database.

    A write succeeds only if the state has not changed since this object last read or wrote it. A write before the first
    read succeeds only if the state does not exist. A state compressed by the Pulumi CLI stays compressed.
    """

    def __init__(
        self, backend: str | Store, project: str, stack: str, environ: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Open the backend, which is a store or an address with credentials in ``environ``.

        Raises StateError if the backend's kind is unknown or access is denied.
        """
        self.project = project
        self.stack = stack
        self.key = layout.checkpoint(project, stack)
        """Key of the state that was read or, before the first read, of an uncompressed state."""
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
        """The stack's full name, ``organization/<project>/<stack>``."""
        return layout.full_name(self.project, self.stack)

    @property
    def name(self) -> str:
        """The name of the state in messages."""
        return f"state file {self.location(self.key)}"

    def location(self, key: str) -> str:
        """Return an object's location in the backend for use in messages: a path, or a key and an address."""
        address = self.store.address
        if address.startswith("file://"):
            return f"{address.removeprefix('file://')}/{key}"
        return f"{key} in {address}"

    def read(self) -> Checkpoint | None:
        """Read the checkpoint; returns None if the stack does not exist yet. Raises StateError if it is unsupported."""
        with self._state_errors():
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
                f"the {self.name} is encrypted with the secrets provider {provider.get('type')}; only passphrase is "
                "supported"
            )
        return Checkpoint(salt=(provider.get("state") or {}).get("salt"), latest=latest)

    def _backup_hint(self) -> str:
        backup = layout.backup_of(self.key)
        with self._state_errors():
            exists = self.store.read(backup) is not None
        return f"; the state before the last write is in {self.location(backup)}" if exists else ""

    def write(self, text: str) -> None:
        """Atomically replace the checkpoint, keeping the previous one as ``.bak``.

        Raises StateError if it cannot be written, and OverwrittenError if another run has written it in the meantime;
        the other run's version is kept.
        """
        with self._state_errors():
            if not self._has_meta:
                if self.store.read(layout.META) is None:
                    self.store.write(layout.META, layout.META_CONTENT)
                self._has_meta = True
            if not self._was_read and checkpoints.find(self.store, self.project, self.stack) is not None:
                raise ConflictError(f"{self.location(self.key)} exists")
            self._was_read = True
            self.store.copy(self.key, layout.backup_of(self.key))
            self._writes.write(self._compressed(text.encode()))
        self._content = text.encode()

    def _compressed(self, content: bytes) -> bytes:
        return compress(content, suffix_of(self.key))

    def delete(self) -> None:
        """Remove the checkpoint that was read and its backups. Raises StateError."""
        with self._state_errors():
            self.store.delete(self.key, self._writes.tag)
            for key in layout.backups(self.project, self.stack):
                self.store.delete(key)
        self._content = b""
        self._writes = Chain(self.store, self.key, ABSENT)

    def write_latest(self, latest: Mapping[str, Any]) -> None:
        """Replace the deployment in the checkpoint that was read; otherwise the same as ``write``."""
        checkpoint = json.loads(self._content)["checkpoint"] if self._content else {"stack": self.full_name}
        pending = [operation["resource"] for operation in latest.get("pending_operations") or ()]
        document = {
            **checkpoint_format([*(latest.get("resources") or ()), *pending]),
            "checkpoint": {**checkpoint, "latest": latest},
        }
        self.write(json.dumps(document, ensure_ascii=False))

    def add_history(self, update: Mapping[str, Any]) -> None:
        """Add an update record, with a copy of the resulting state, to the history. Raises StateError."""
        entry = f"{layout.history(self.project, self.stack)}{self.stack}-{time.time_ns()}"
        suffix = suffix_of(self.key)
        record = self._compressed(json.dumps(update, ensure_ascii=False).encode())
        with self._state_errors():
            self.store.write(f"{entry}{layout.RECORD}{suffix}", record, ABSENT)
            self.store.copy(self.key, f"{entry}.checkpoint.json{suffix}")

    # --- locks ------------------------------------------------------------------------------------------

    def locks(self) -> list[PulumiLock]:
        """Read Pulumi's locks on the stack, one per process. Raises StateError, including for a malformed lock."""
        with self._state_errors():
            return read_locks(self.store, self.project, self.stack)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the stack as Pulumi does. Stale locks are removed.

        Raises StateError, which names the lock owner, if another update is running.
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
            with suppress(StoreError):  # must not hide an earlier error
                self.store.delete(key)

    def _check_lock(self, lock: PulumiLock) -> None:
        if lock.process.is_running is not False:
            raise StateError(
                f"the stack {self.stack} is locked by {lock}; wait until that update finishes, or inspect the lock "
                f"with `scripts/snu unlock {self.stack}`"
            )
        with self._state_errors():
            self.store.delete(lock.key)

    @contextmanager
    def _state_errors(self) -> Iterator[None]:
        try:
            yield
        except ConflictError as error:
            raise OverwrittenError(
                f"another run changed the state of {self.stack}, and its version was kept: {error}"
            ) from error
        except StoreError as error:
            raise StateError(f"state of {self.stack}: {error}") from error
