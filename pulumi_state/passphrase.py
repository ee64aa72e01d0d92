"""Pulumi's passphrase secrets provider (``pkg/secrets/passphrase``): PBKDF2-SHA256 and AES-256-GCM."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from pulumi_state.errors import PassphraseError, StateError
from pulumi_state.variables import PASSPHRASE, PASSPHRASE_FILE

_ITERATIONS = 1_000_000
_KEY_BYTES = 32
_NONCE_BYTES = 12
_CHECK_TEXT = "pulumi"


def passphrase_from(environ: Mapping[str, str]) -> str:
    """Return the passphrase as Pulumi does: the variable takes precedence over the file, even if the variable is empty.

    Raises PassphraseError if neither is set or the file cannot be read.
    """
    if PASSPHRASE in environ:
        return environ[PASSPHRASE]
    if PASSPHRASE_FILE in environ:
        path = Path(environ[PASSPHRASE_FILE])
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise PassphraseError(f"{path}, set by {PASSPHRASE_FILE}, cannot be read: {error.strerror}") from error
    raise PassphraseError(
        f"no passphrase for the stack's secrets; set {PASSPHRASE} to the passphrase used to create the stack, or "
        f"{PASSPHRASE_FILE} to a file that contains it"
    )


class Crypter:
    """Encrypts and decrypts a stack's secrets."""

    def __init__(self, key: bytes, salt: str) -> None:
        """Use a derived key; ``salt`` is the string stored in the state and configuration (``v1:<salt>:<check>``)."""
        self._cipher = AESGCM(key)
        self.salt = salt
        self._ciphertexts: dict[tuple[str, str], str] = {}

    @classmethod
    def new(cls, passphrase: str) -> Crypter:
        """Create a crypter with a new salt."""
        raw = os.urandom(8)
        crypter = cls(_derive(passphrase, raw), "")
        encoded = base64.b64encode(raw).decode()
        crypter.salt = f"v1:{encoded}:{crypter.encrypt_text(_CHECK_TEXT)}"
        return crypter

    @classmethod
    def open(cls, passphrase: str, salt: str) -> Crypter:
        """Open the crypter of a stack that has a salt.

        Raises PassphraseError if the passphrase is wrong and StateError if the salt is malformed.
        """
        raw, check = _parts(salt)
        crypter = cls(_key(passphrase, raw), salt)
        try:
            matches = crypter._decrypt_text(check) == _CHECK_TEXT
        except (InvalidTag, ValueError):
            matches = False
        if not matches:
            raise PassphraseError(
                f"incorrect passphrase; set {PASSPHRASE} to the passphrase used to create the stack, or "
                f"{PASSPHRASE_FILE} to a file that contains it"
            )
        return crypter

    def encrypt(self, urn: str, value: Any) -> str:
        """Encrypt a resource's value.

        An unchanged value keeps its ciphertext, so an update without changes does not alter the state.
        """
        plaintext = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        ciphertext = self._ciphertexts.get((urn, plaintext))
        if ciphertext is None:
            ciphertext = self._ciphertexts[urn, plaintext] = self.encrypt_text(plaintext)
        return ciphertext

    def decrypt(self, urn: str, ciphertext: str) -> Any:
        """Decrypt a resource's value. Raises StateError if it was encrypted with a different key."""
        try:
            plaintext = self._decrypt_text(ciphertext)
        except (InvalidTag, ValueError) as error:
            raise StateError(
                "a secret in the state cannot be decrypted: it was encrypted with a different passphrase, or the "
                "state is damaged"
            ) from error
        self._ciphertexts[urn, plaintext] = ciphertext
        return json.loads(plaintext)

    def decrypt_text(self, ciphertext: str) -> str:
        """Decrypt a secure configuration value. Raises StateError if it was encrypted with a different key."""
        try:
            return self._decrypt_text(ciphertext)
        except (InvalidTag, ValueError) as error:
            raise StateError(
                "a secure value in the stack's configuration cannot be decrypted: it was encrypted with a different "
                "passphrase"
            ) from error

    def encrypt_text(self, plaintext: str) -> str:
        """Encrypt a secure configuration value, or a value that is already encoded as JSON."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, plaintext.encode(), None)
        return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"

    def _decrypt_text(self, ciphertext: str) -> str:
        _version, nonce, sealed = ciphertext.split(":", 2)
        return self._cipher.decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None).decode()


def derive_ahead(passphrase: str, salt: str) -> None:
    """Start to derive a key in a thread, for the first ``Crypter.open`` with this salt."""
    with suppress(StateError):  # raised again when the crypter is opened
        raw, _ = _parts(salt)
        threading.Thread(target=_key, args=(passphrase, raw), name="key").start()


def _parts(salt: str) -> tuple[bytes, str]:
    """Return the raw salt and the text that checks the passphrase. Raises StateError."""
    try:
        version, encoded, check = salt.split(":", 2)
        raw = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise StateError("the stack's encryption salt is malformed; expected v1:<salt>:<check>") from error
    if version != "v1":
        raise StateError(f"the stack's encryption salt has version {version!r}; only v1 is supported")
    return raw, check


_keys: dict[tuple[str, bytes, int], Future[bytes]] = {}
"""Keys that this process has derived or is deriving."""


def _key(passphrase: str, salt: bytes) -> bytes:
    """Return the key, which is derived only once because derivation is slow."""
    identity, mine = (passphrase, salt, _ITERATIONS), Future[bytes]()
    found = _keys.setdefault(identity, mine)
    if found is mine:
        try:
            mine.set_result(_derive(passphrase, salt))
        except BaseException as error:
            del _keys[identity]
            mine.set_exception(error)
    return found.result()


def _derive(passphrase: str, salt: bytes) -> bytes:
    # hashlib can take twice as long, which is noticeable in a run without changes.
    return PBKDF2HMAC(SHA256(), _KEY_BYTES, salt, _ITERATIONS).derive(passphrase.encode())
