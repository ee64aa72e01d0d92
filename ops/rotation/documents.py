"""The backend documents in Secret Manager that contain a passphrase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pydantic import SecretStr

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import Stack
from ops.state.account import Account, Secret
from ops.state.backend import StateBackend
from ops.state.backend_document import BackendDocument
from ops.state.backend_lookup import find_document


@dataclass(frozen=True)
class SecretDocuments:
    """The document with write access to a backend, and the read-only one if there is one."""

    account: Account
    stack: Stack
    backend: StateBackend

    def read(self) -> BackendDocument:
        """The document with write access. Raises OpsError if there is none."""
        found = find_document(self.account, self.stack, self.backend)
        if found is None:
            raise OpsError(
                f"The secret {self.backend.secret} does not exist yet. Nothing was changed. Create it with: "
                f"scripts/snu bootstrap {self.backend.foundation}",
                ExitCode.ENVIRONMENT,
            )
        return found[1]

    def write(self, passphrase: SecretStr, next_passphrase: SecretStr) -> None:
        """Set both passphrases in each document that does not have them.

        The document with write access, which determines whether a rotation is in progress, is written first at the
        beginning of a rotation and last at its end.
        """
        documents = list(self._existing())
        for secret, document in documents if next_passphrase.get_secret_value() else reversed(documents):
            wanted = document.model_copy(update={"passphrase": passphrase, "next_passphrase": next_passphrase})
            if wanted != document:
                self.account.write(secret, wanted.text())

    def _existing(self) -> Iterator[tuple[Secret, BackendDocument]]:
        for name in filter(None, (self.backend.secret, self.backend.reader)):
            if found := find_document(self.account, self.stack, replace(self.backend, secret=name)):
                yield found
