"""Backups of a stack's state, with secrets still encrypted with the stack's passphrase."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import process_environment
from pulumi_state.errors import StateError
from pulumi_state.history import who_runs
from pulumi_state.snapshot import SUPPORTED_VERSIONS
from pulumi_state.state_file import parse_checkpoint
from pulumi_state.store import Store, checkpoints, layout
from pulumi_state.urn import ROOT_STACK_TYPE

_FORMAT = "snu-state-backup/1"


@dataclass(frozen=True)
class Backup:
    """A copy of a state."""

    project: str
    stack: str
    address: str
    """The backend's address without credentials."""
    time: str
    """ISO 8601 in UTC."""
    who: str
    checkpoint: dict[str, Any]

    @property
    def resources(self) -> list[dict[str, Any]]:
        return list(self._latest.get("resources") or [])

    @property
    def _latest(self) -> dict[str, Any]:
        return dict((self.checkpoint.get("checkpoint") or {}).get("latest") or {})

    @property
    def salt(self) -> str:
        """The salt of the state's secrets; empty if the state has none."""
        return str(((self._latest.get("secrets_providers") or {}).get("state") or {}).get("salt") or "")

    def text(self) -> bytes:
        """The content of the backup's file."""
        values = {
            "format": _FORMAT,
            "project": self.project,
            "stack": self.stack,
            "address": self.address,
            "time": self.time,
            "who": self.who,
            "checkpoint": self.checkpoint,
        }
        return json.dumps(values, ensure_ascii=False, indent=1).encode()

    @classmethod
    def parse(cls, content: bytes, source: str) -> Backup:
        """Parse a file's content; ``source`` is its name in errors. Raises OpsError if it is not a backup."""
        try:
            document = json.loads(content)
            if document["format"] != _FORMAT or document["checkpoint"]["version"] not in SUPPORTED_VERSIONS:
                raise ValueError("unknown format")
            project, stack, address, time, who = (
                str(document[key]) for key in ("project", "stack", "address", "time", "who")
            )
            backup = cls(project, stack, address, time, who, dict(document["checkpoint"]))
            if not all(isinstance(each["urn"], str) for each in backup.resources):
                raise ValueError("a resource without a URN")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise OpsError(
                f"{source} is not a backup created by `scripts/snu state backup`. Nothing was changed.", ExitCode.USAGE
            ) from None
        return backup

    def renamed(self, stack: str) -> Backup:
        """The backup with URNs renamed to another stack of the project."""
        before, after = (f"urn:pulumi:{name}::{self.project}::" for name in (self.stack, stack))
        root = f"{ROOT_STACK_TYPE}::{self.project}-"

        def change(value: Any) -> Any:
            if isinstance(value, str):
                if not value.startswith(before):
                    return value
                rest = value.removeprefix(before)
                return after + (f"{root}{stack}" if rest == f"{root}{self.stack}" else rest)
            if isinstance(value, list):
                return [change(item) for item in value]
            if isinstance(value, dict):
                return {change(key): change(item) for key, item in value.items()}
            return value

        # Provider references are URNs followed by an ID and are renamed as well.
        checkpoint = change(self.checkpoint)
        checkpoint["checkpoint"]["stack"] = layout.full_name(self.project, stack)
        return Backup(self.project, stack, self.address, self.time, self.who, checkpoint)


def take(store: Store, project: str, stack: str) -> Backup | None:
    """Back up the current state; returns None if none exists. Raises StoreError, or OpsError if it cannot be read."""
    stored = checkpoints.find(store, project, stack)
    if stored is None:
        return None
    try:
        checkpoint = parse_checkpoint(stored.content, f"state {stored.key} in {store.address}")
    except StateError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None
    moment = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return Backup(project, stack, store.address, moment, who_runs(process_environment()), checkpoint)


def save(store: Store, backup: Backup) -> str:
    """Save a backup in the state's store, separate from Pulumi's own keys; returns the backup's key."""
    stamp = backup.time.replace(":", "").replace("-", "").replace(".", "")
    key = f"{layout.snu_prefix('backups', backup.project, backup.stack)}/{stamp}.json"
    store.write(key, backup.text())
    return key


def write_file(path: Path, backup: Backup) -> None:
    """Write a backup to a file that only its owner can read. Raises OpsError if it exists or cannot be written."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(backup.text())
    except OSError as error:
        raise OpsError(f"{path} cannot be written: {error.strerror}", ExitCode.USAGE) from None


def read_file(path: Path) -> Backup:
    """Read a backup's file. Raises OpsError."""
    try:
        return Backup.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise OpsError(f"{path} cannot be read: {error.strerror}", ExitCode.USAGE) from None
