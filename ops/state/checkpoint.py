"""Reads a stack's state from its store, regardless of the engine that wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ops.canonical_json import Decrypt
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.state.fingerprint import Fingerprint, fingerprint
from pulumi_state.errors import PulumiError
from pulumi_state.passphrase import Crypter, passphrase_from
from pulumi_state.state_file import Checkpoint, StateFile, parse_checkpoint
from pulumi_state.store import Store
from pulumi_state.store.checkpoints import StoredCheckpoint
from pulumi_state.urn import ROOT_STACK_TYPE


def read_checkpoint(store: Store, project: str, stack: str) -> Checkpoint | None:
    """A stack's checkpoint, or None if it has no state. Raises OpsError if the state cannot be read."""
    try:
        return StateFile(store, project, stack).read()
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None


def outputs_of(store: Store, project: str, stack: str) -> dict[str, Any]:
    """A stack's outputs with secrets encrypted; empty if it has no state. Raises OpsError if it cannot be read."""
    checkpoint = read_checkpoint(store, project, stack)
    return outputs_in(checkpoint.latest) if checkpoint else {}


def latest_in(stored: StoredCheckpoint | None) -> dict[str, Any]:
    """The deployment in a state; empty if there is no state. Raises OpsError if the state cannot be read."""
    if stored is None:
        return {}
    try:
        return parse_checkpoint(stored.content, f"state {stored.key}")["checkpoint"].get("latest") or {}
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None


def outputs_in(latest: Mapping[str, Any]) -> dict[str, Any]:
    """A deployment's stack outputs, with secrets still encrypted."""
    resources = latest.get("resources") or []
    root: dict[str, Any] = next((each for each in resources if each.get("type") == ROOT_STACK_TYPE), {})
    return dict(root.get("outputs") or {})


def resources_on_scaleway(checkpoint: Checkpoint | None) -> list[dict[str, Any]]:
    """A state's resources that exist on Scaleway, excluding components, providers and stack references."""
    resources = (checkpoint.latest.get("resources") or []) if checkpoint else []
    return [each for each in resources if each.get("custom") and not str(each.get("type")).startswith("pulumi:")]


class Secrets:
    """Decrypts secrets with a stack's passphrase, deriving the key for each salt only once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Raises OpsError if the environment does not contain a passphrase."""
        try:
            self.passphrase = passphrase_from(environ)
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
        self._crypters: dict[str, Crypter] = {}

    def decrypt_with(self, salt: str) -> Decrypt:
        """A function that decrypts ciphertexts. Raises OpsError if the passphrase does not match the salt."""
        try:
            if salt not in self._crypters:
                self._crypters[salt] = Crypter.open(self.passphrase, salt)
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
        crypter = self._crypters[salt]
        return lambda ciphertext: json.loads(crypter.decrypt_text(ciphertext))


def fingerprint_of(checkpoint: Checkpoint | None, secrets: Secrets) -> Fingerprint:
    """A state's fingerprint; empty if there is no state. Raises OpsError if a secret cannot be decrypted."""
    if checkpoint is None or checkpoint.salt is None:
        return fingerprint(checkpoint.latest if checkpoint else {}, _no_secrets)
    try:
        return fingerprint(checkpoint.latest, secrets.decrypt_with(checkpoint.salt))
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.ENVIRONMENT) from None


def _no_secrets(_ciphertext: str) -> Any:
    raise OpsError("The state contains encrypted secrets but no salt to decrypt them with.", ExitCode.FAILED)
