"""A stack's state in the layout of Pulumi's file backend (``pkg/backend/diy``), so that the CLI can take it over.

Below ``.pulumi/``: ``stacks/<project>/<stack>.json`` with its ``.bak``, ``locks/…`` and ``meta.yaml``.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.engine.errors import StateError
from localcloud.engine.passphrase import Crypter
from localcloud.engine.snapshot import PendingOperation, Snapshot, now, resource_from_json

_FILE_URL = "file://"
_ORGANIZATION = "organization"


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


class StateFile:
    """The state of one stack below a ``file://`` backend."""

    def __init__(self, backend_url: str, project: str, stack: str) -> None:
        """Raises StateError when the backend is not a folder."""
        if not backend_url.startswith(_FILE_URL):
            raise StateError(
                f"the embedded engine keeps state in files only (file://<folder>), not in {backend_url.split('://')[0]}://"
            )
        root = Path(backend_url.removeprefix(_FILE_URL)).expanduser() / ".pulumi"
        self.project = project
        self.stack = stack
        self._root = root
        self.path = root / "stacks" / project / f"{stack}.json"
        self._locks = root / "locks" / _ORGANIZATION / project / stack

    @property
    def lock_folder(self) -> Path:
        """One file for each process that holds the stack."""
        return self._locks

    @property
    def full_name(self) -> str:
        return f"{_ORGANIZATION}/{self.project}/{self.stack}"

    def read(self) -> Checkpoint | None:
        """The checkpoint, or None when the stack does not exist yet.

        Raises StateError when the file is not a checkpoint that this engine can read; nothing is changed.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"the state file {self.path} cannot be read: {error.strerror}") from error
        backup = self.path.with_name(self.path.name + ".bak")
        try:
            document = json.loads(content)
            version = document["version"]
            latest = dict(document["checkpoint"].get("latest") or {})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            hint = f"; the state before the last write is in {backup}" if backup.exists() else ""
            raise StateError(f"the state file {self.path} is damaged ({error}){hint}") from error
        if version != 3 or document.get("features"):
            raise StateError(
                f"the state file {self.path} has version {version} with features {document.get('features') or 'none'}; "
                "the embedded engine reads version 3"
            )
        provider = latest.get("secrets_providers") or {"type": "passphrase"}
        if provider.get("type") != "passphrase":
            raise StateError(
                f"the state file {self.path} is encrypted by the secrets provider {provider.get('type')!r}; "
                "the embedded engine knows passphrase only"
            )
        return Checkpoint(salt=(provider.get("state") or {}).get("salt"), latest=latest)

    def write(self, text: str) -> None:
        """Replace the checkpoint in one step, and keep the one before as ``.bak``.

        Raises StateError when it cannot be written; the state is then as it was.
        """
        meta = self._root / "meta.yaml"
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        backup = self.path.with_name(self.path.name + ".bak")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not meta.exists():
                meta.write_text("version: 1\n")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text)
            if self.path.exists():
                backup.unlink(missing_ok=True)
                backup.hardlink_to(self.path)
            fresh.replace(self.path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise StateError(f"the state file {self.path} cannot be written: {error.strerror}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the stack's lock as Pulumi does.

        Raises StateError naming the holder when another update runs. The lock of a process of this machine
        that lives no more is taken away.
        """
        own = self._locks / f"{uuid.uuid4()}.json"
        holder = {
            "pid": os.getpid(),
            "username": getpass.getuser(),
            "hostname": socket.gethostname(),
            "timestamp": now(),
        }
        try:
            self._locks.mkdir(parents=True, exist_ok=True)
            own.write_text(json.dumps(holder))
        except OSError as error:
            raise StateError(f"the stack cannot be locked in {self._locks}: {error.strerror}") from error
        try:
            for path in self._locks.glob("*.json"):
                if path != own:
                    self._check_lock(path)
            yield
        finally:
            own.unlink(missing_ok=True)

    def _check_lock(self, path: Path) -> None:
        try:
            held = json.loads(path.read_text())
            pid, host = int(held["pid"]), str(held["hostname"])
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"the lock {path} cannot be read; remove it if no update runs") from error
        if host == socket.gethostname() and not process_lives(pid):
            path.unlink(missing_ok=True)
            return
        raise StateError(
            f"the stack {self.stack} is locked by {held.get('username')}@{host} (pid {pid}) since "
            f"{held.get('timestamp')}; wait until that update ends"
        )


def process_lives(pid: int) -> bool:
    """Whether a process of this machine runs; one that was killed and that nobody has waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
