"""Stacks of one backend as others see them: what their states hold, and their outputs."""

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
    """Opens stacks of one backend; a key is derived once for each salt, as that takes a noticeable time."""

    def __init__(self, project: str, store: Store, passphrase: str) -> None:
        self._project = project
        self._store = store
        self._passphrase = passphrase
        self._crypters: dict[str, Crypter] = {}

    def crypter(self, salt: str) -> Crypter:
        if salt not in self._crypters:
            self._crypters[salt] = Crypter.open(self._passphrase, salt)
        return self._crypters[salt]

    def new_crypter(self) -> Crypter:
        crypter = Crypter.new(self._passphrase)
        self._crypters[crypter.salt] = crypter
        return crypter

    def snapshot(self, file: StateFile) -> Snapshot | None:
        checkpoint = file.read()
        if checkpoint is None:
            return None
        if checkpoint.salt is None:  # a stack without secrets, or a new one
            return checkpoint.snapshot(Crypter(os.urandom(32), ""))
        return checkpoint.snapshot(self.crypter(checkpoint.salt))

    def outputs(self, name: str) -> PropertyMap:
        """``name`` is a stack of this project, alone or as ``organization/<project>/<stack>``."""
        parts = name.split("/")
        file = StateFile(self._store, parts[1] if len(parts) == 3 else self._project, parts[-1])
        snapshot = self.snapshot(file)
        if snapshot is None:
            raise PulumiError(f"the stack {name!r}, which the program refers to, does not exist: bring it up first")
        return snapshot.stack_outputs()


def outputs(file: StateFile, environ: Mapping[str, str]) -> PropertyMap:
    """The stack's outputs, secrets as ``Secret``; ``environ`` has the passphrase.

    Raises PulumiError when the stack has no state.
    """
    return StackReader(file.project, file.store, passphrase_from(environ)).outputs(file.stack)
