"""A stack's state as it lies in its store, whichever engine wrote it."""

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
    """None where the stack is not there. Raises OpsError when it cannot be read."""
    try:
        return StateFile(store, project, stack).read()
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None


def outputs_of(store: Store, project: str, stack: str) -> dict[str, Any]:
    """What a stack gives out, secrets encrypted; nothing where it is not there. Raises OpsError: it cannot be read."""
    checkpoint = read_checkpoint(store, project, stack)
    return outputs_in(checkpoint.latest) if checkpoint else {}


def latest_in(stored: StoredCheckpoint | None) -> dict[str, Any]:
    """The deployment in a state; empty where there is none. Raises OpsError when it cannot be read."""
    if stored is None:
        return {}
    try:
        return parse_checkpoint(stored.content, f"state {stored.key}")["checkpoint"].get("latest") or {}
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None


def outputs_in(latest: Mapping[str, Any]) -> dict[str, Any]:
    """As `outputs_of`, of a deployment that was read."""
    resources = latest.get("resources") or []
    root: dict[str, Any] = next((each for each in resources if each.get("type") == ROOT_STACK_TYPE), {})
    return dict(root.get("outputs") or {})


def resources_on_scaleway(checkpoint: Checkpoint | None) -> list[dict[str, Any]]:
    """The resources of a state that stand for something outside of it: no components, providers and references."""
    resources = (checkpoint.latest.get("resources") or []) if checkpoint else []
    return [each for each in resources if each.get("custom") and not str(each.get("type")).startswith("pulumi:")]


class Secrets:
    """Decrypts what was encrypted with a stack's passphrase; the key of each salt is derived once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Raises OpsError when the environment has no passphrase."""
        try:
            self.passphrase = passphrase_from(environ)
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
        self._crypters: dict[str, Crypter] = {}

    def decrypt_with(self, salt: str) -> Decrypt:
        """Gives the content of ciphertexts. Raises OpsError when the passphrase is another one."""
        try:
            if salt not in self._crypters:
                self._crypters[salt] = Crypter.open(self.passphrase, salt)
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
        crypter = self._crypters[salt]
        return lambda ciphertext: json.loads(crypter.decrypt_text(ciphertext))


def fingerprint_of(checkpoint: Checkpoint | None, secrets: Secrets) -> Fingerprint:
    """Of a state, or of none. Raises OpsError when a secret in it does not decrypt."""
    if checkpoint is None or checkpoint.salt is None:
        return fingerprint(checkpoint.latest if checkpoint else {}, _no_secrets)
    try:
        return fingerprint(checkpoint.latest, secrets.decrypt_with(checkpoint.salt))
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.ENVIRONMENT) from None


def _no_secrets(_ciphertext: str) -> Any:
    raise OpsError("The state has secrets, and no salt that they were encrypted with.", ExitCode.FAILED)
