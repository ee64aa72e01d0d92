"""Reads other stacks' states and outputs, as stack references do."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pulumi_state.errors import PulumiError
from pulumi_state.passphrase import Crypter, passphrase_from
from pulumi_state.snapshot import Snapshot
from pulumi_state.state_file import StateFile
from pulumi_state.store import Store
from pulumi_state.values import PropertyMap


class StackReader:
    """Reads the stacks of one backend, deriving the key for each salt only once because derivation is slow."""

    def __init__(self, project: str, store: Store, passphrase: str) -> None:
        """Read stacks of ``project``, all of which are encrypted with the same passphrase."""
        self._project = project
        self._store = store
        self._passphrase = passphrase
        self._crypters: dict[str, Crypter] = {}

    def crypter(self, salt: str) -> Crypter:
        """Return the crypter for a salt. Raises PassphraseError or StateError, like ``Crypter.open``."""
        if salt not in self._crypters:
            self._crypters[salt] = Crypter.open(self._passphrase, salt)
        return self._crypters[salt]

    def new_crypter(self) -> Crypter:
        """Return a crypter with a new salt."""
        crypter = Crypter.new(self._passphrase)
        self._crypters[crypter.salt] = crypter
        return crypter

    def snapshot(self, file: StateFile) -> Snapshot | None:
        """Read a stack's state; returns None if the stack does not exist. Raises PulumiError if it cannot be read."""
        checkpoint = file.read()
        if checkpoint is None:
            return None
        if checkpoint.salt is None:  # a stack without secrets, or a new one
            return checkpoint.snapshot(Crypter(os.urandom(32), ""))
        return checkpoint.snapshot(self.crypter(checkpoint.salt))

    def outputs(self, name: str) -> PropertyMap:
        """Return a stack's outputs; ``name`` is ``<stack>`` or ``organization/<project>/<stack>``.

        Raises PulumiError if the stack does not exist or cannot be read.
        """
        parts = name.split("/")
        file = StateFile(self._store, parts[1] if len(parts) == 3 else self._project, parts[-1])
        snapshot = self.snapshot(file)
        if snapshot is None:
            raise PulumiError(f"the stack {name} has no state and therefore no outputs; deploy it first")
        return snapshot.stack_outputs()


def outputs(file: StateFile, environ: Mapping[str, str]) -> PropertyMap:
    """Return a stack's outputs, with secrets as ``Secret``; ``environ`` contains the passphrase.

    Raises PulumiError if the stack has no state.
    """
    return StackReader(file.project, file.store, passphrase_from(environ)).outputs(file.stack)
