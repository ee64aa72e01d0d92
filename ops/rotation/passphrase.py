"""Replaces the passphrase of a backend, and re-encrypts all states in it.

The new passphrase is first added to the backend document as ``nextPassphrase``. Each state and stack file shows by its
salt which of the two passphrases it uses, so an interrupted rotation is resumed with the same new passphrase. Until it
is complete, other commands refuse to use the backend.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.progress import progress_for
from ops.stacks import find_stack, stack_names
from ops.state.backend_document import BackendDocument
from ops.state.checkpoint import Secrets, fingerprint_of, read_checkpoint
from ops.state.last_run import observe, remember
from ops.state.lock import HeldLock, acquire, interrupt
from pulumi_state.errors import PulumiError
from pulumi_state.passphrase import Crypter
from pulumi_state.stack_file import StackFile, is_secure
from pulumi_state.state_file import Checkpoint, StateFile
from pulumi_state.store import Store, checkpoints
from pulumi_state.values import SECRET_SIGNATURE, SIGNATURE_KEY
from pulumi_state.variables import PASSPHRASE

_PASSPHRASE_BYTES = 32

Say = Callable[[str, str], None]


class Documents(Protocol):
    """The backend documents that contain the passphrase."""

    def read(self) -> BackendDocument:
        """The document with write access. Raises OpsError if there is none."""
        ...

    def write(self, passphrase: SecretStr, next_passphrase: SecretStr) -> None:
        """Set both passphrases in every document that does not have them yet."""
        ...


@dataclass(frozen=True)
class PassphraseRotation:
    """The rotation of the passphrase of one backend."""

    store: Store
    project: str
    project_dir: Path
    documents: Documents
    say: Say
    lock_timeout: float = 0.0

    def stacks(self) -> list[str]:
        """The stacks whose secrets are encrypted with the passphrase, with or without a file. Raises StoreError."""
        return sorted(checkpoints.stacks_in(self.store, self.project))

    def run(self, files: list[str]) -> None:
        """Rotate the passphrase; ``files``: stacks whose files are encrypted with it, even without a state.

        Raises OpsError, before anything is changed, if a state or file uses neither passphrase.
        """
        names = self.stacks()
        with self._locked(names):
            document = self.documents.read()
            old = document.passphrase.get_secret_value()
            new = document.next_passphrase.get_secret_value()
            if new:
                self.say("passphrase", "resuming an interrupted rotation")
            else:
                new = secrets.token_urlsafe(_PASSPHRASE_BYTES)
            passphrases = _Passphrases(old, new)
            known = [name for name in stack_names(self.project_dir) if name in names or name in files]
            for name in names:
                self._require_known(name, read_checkpoint(self.store, self.project, name), passphrases)
            for name in known:
                if salt := find_stack(self.project_dir, name).salt:
                    passphrases.of(salt, f"Pulumi.{name}.yaml")
            self.documents.write(SecretStr(old), SecretStr(new))
            salts = {name: self._encrypt_state(name, passphrases) for name in names}
            for name in known:
                self._encrypt_file(self.project_dir / f"Pulumi.{name}.yaml", salts.get(name, ""), passphrases)
            if added := sorted({*self.stacks()} - {*names}):
                raise OpsError(
                    f"States were created with the former passphrase during the rotation: {', '.join(added)}. Run the "
                    "same command again.",
                    ExitCode.FAILED,
                )
            self.documents.write(SecretStr(new), SecretStr(""))
            self.say("backend document", "contains only the new passphrase")

    @contextmanager
    def _locked(self, names: list[str]) -> Iterator[None]:
        """Lock every stack; records each state at the end, like any other run."""
        with ExitStack() as context, progress_for(sys.stdout) as progress:
            held: dict[str, HeldLock] = {}
            for name in names:
                held[name] = acquire(
                    self.store,
                    self.project,
                    name,
                    "snu rotate passphrase",
                    engine="",
                    timeout=self.lock_timeout,
                    on_wait=progress,
                    on_lost=interrupt,
                )
                context.enter_context(held[name])
            before = {name: observe(self.store, self.project, name) for name in names}
            if overwritten := next((each.overwritten for each in before.values() if each.overwritten), None):
                raise OpsError(f"{overwritten} Nothing was changed.", ExitCode.INTERRUPTED)
            try:
                yield
            finally:
                for name, lock in held.items():
                    if lock.renew():
                        remember(self.store, self.project, name, before[name])

    @staticmethod
    def _require_known(name: str, checkpoint: Checkpoint | None, passphrases: _Passphrases) -> None:
        if checkpoint is not None and checkpoint.salt:
            passphrases.of(checkpoint.salt, f"The state of {name}")

    def _encrypt_state(self, name: str, passphrases: _Passphrases) -> str:
        """Encrypt a state with the new passphrase; returns its salt, which is empty if it contains no secrets."""
        file = StateFile(self.store, self.project, name)
        try:
            with file.locked():
                checkpoint = file.read()
                if checkpoint is None or not checkpoint.salt:
                    return ""
                crypter = passphrases.of(checkpoint.salt, f"The state of {name}")
                if crypter is passphrases.current(checkpoint.salt):
                    self.say(f"state of {name}", "is already encrypted with the new passphrase")
                    return checkpoint.salt
                target = Crypter.new(passphrases.new)
                latest = encrypted_again(checkpoint.latest, crypter, target)
                latest["secrets_providers"]["state"]["salt"] = target.salt
                self._require_same(name, checkpoint, Checkpoint(target.salt, latest), passphrases)
                file.write_latest(latest)
        except PulumiError as error:
            raise OpsError(
                f"{error}. Some states may already use the new passphrase; run the same command again.", ExitCode.FAILED
            ) from None
        self.say(f"state of {name}", "encrypted with the new passphrase")
        return target.salt

    @staticmethod
    def _require_same(name: str, before: Checkpoint, after: Checkpoint, passphrases: _Passphrases) -> None:
        """Raises OpsError if any value would change, before anything is written."""
        one = fingerprint_of(before, Secrets({PASSPHRASE: passphrases.old}))
        other = fingerprint_of(after, Secrets({PASSPHRASE: passphrases.new}))
        if one.digest != other.digest:
            problem = f"Re-encrypting the state of {name} would change its values, so it was not written."
            raise OpsError(problem, ExitCode.FAILED)

    def _encrypt_file(self, path: Path, salt: str, passphrases: _Passphrases) -> None:
        """Replace the salt and every secure value in a stack's file, and nothing else in it."""
        try:
            file = StackFile.read(path)
            if not file.salt:
                return
            crypter = passphrases.of(file.salt, path.name)
            if crypter is passphrases.current(file.salt):
                self.say(path.name, "already uses the new passphrase")
                return
            target = Crypter.open(passphrases.new, salt) if salt else Crypter.new(passphrases.new)
            text = path.read_text(encoding="utf-8").replace(file.salt, target.salt)
            for ciphertext in _secure_values(file.config):
                text = text.replace(ciphertext, target.encrypt_text(crypter.decrypt_text(ciphertext)))
            written = path.with_name(f".{path.name}.new")
            written.write_text(text, encoding="utf-8")
            written.replace(path)
        except (PulumiError, OSError) as error:
            raise OpsError(f"{path.name}: {error}. Run the same command again.", ExitCode.FAILED) from None
        self.say(path.name, "encrypted with the new passphrase; commit the file")


class _Passphrases:
    """The former and the new passphrase, with their crypters by salt."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new
        self._current: dict[str, Crypter] = {}
        self._former: dict[str, Crypter] = {}

    def of(self, salt: str, subject: str) -> Crypter:
        """The crypter for a salt. Raises OpsError if neither passphrase matches."""
        if salt not in self._current and salt not in self._former:
            for passphrase, crypters in ((self.old, self._former), (self.new, self._current)):
                try:
                    crypters[salt] = Crypter.open(passphrase, salt)
                except PulumiError:
                    continue
                break
            else:
                raise OpsError(
                    f"{subject} is not encrypted with either passphrase in the backend document, so the rotation "
                    "stopped there. See docs/how-to/rotate.md#passphrases.",
                    ExitCode.ENVIRONMENT,
                )
        return self._former.get(salt) or self._current[salt]

    def current(self, salt: str) -> Crypter | None:
        """The crypter for a salt of the new passphrase; None for any other salt."""
        return self._current.get(salt)


def encrypted_again(value: Any, old: Crypter, new: Crypter) -> Any:
    """A copy of a deployment in which every secret is re-encrypted with ``new``."""
    if isinstance(value, list):
        return [encrypted_again(item, old, new) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get(SIGNATURE_KEY) == SECRET_SIGNATURE and "ciphertext" in value:
        return {**value, "ciphertext": new.encrypt_text(old.decrypt_text(value["ciphertext"]))}
    return {key: encrypted_again(item, old, new) for key, item in value.items()}


def _secure_values(value: Any) -> Iterator[str]:
    if is_secure(value):
        yield value["secure"]
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secure_values(item)
    elif isinstance(value, list):
        for item in value:
            yield from _secure_values(item)
