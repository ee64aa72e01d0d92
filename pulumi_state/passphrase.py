"""Pulumi's passphrase secrets provider (``pkg/secrets/passphrase``): PBKDF2-SHA256 and AES-256-GCM."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
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
    """The passphrase as Pulumi finds it: the variable wins over the file, even when it is empty.

    Raises PassphraseError when there is neither, or the file cannot be read.
    """
    if PASSPHRASE in environ:
        return environ[PASSPHRASE]
    if PASSPHRASE_FILE in environ:
        path = Path(environ[PASSPHRASE_FILE])
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise PassphraseError(f"{PASSPHRASE_FILE} names {path}, which cannot be read: {error.strerror}") from error
    raise PassphraseError(
        f"no passphrase for the stack's secrets: set {PASSPHRASE} or {PASSPHRASE_FILE} to the one that the "
        "stack was made with"
    )


class Crypter:
    """Encrypts and decrypts a stack's secrets; ``salt`` is the text that state and configuration carry."""

    def __init__(self, key: bytes, salt: str) -> None:
        self._cipher = AESGCM(key)
        self.salt = salt
        self._ciphertexts: dict[tuple[str, str], str] = {}

    @classmethod
    def new(cls, passphrase: str) -> Crypter:
        """A crypter with a new salt."""
        raw = os.urandom(8)
        crypter = cls(_derive(passphrase, raw), "")
        encoded = base64.b64encode(raw).decode()
        crypter.salt = f"v1:{encoded}:{crypter._encrypt_text(_CHECK_TEXT)}"
        return crypter

    @classmethod
    def open(cls, passphrase: str, salt: str) -> Crypter:
        """The crypter of a stack that has a salt.

        Raises PassphraseError when the passphrase is another one, StateError when the salt is malformed.
        """
        try:
            version, encoded, check = salt.split(":", 2)
            raw = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise StateError("the stack's encryption salt is malformed; expected v1:<salt>:<check>") from error
        if version != "v1":
            raise StateError(f"the stack's encryption salt has version {version!r}; only v1 is known")
        crypter = cls(_derive(passphrase, raw), salt)
        try:
            matches = crypter._decrypt_text(check) == _CHECK_TEXT
        except (InvalidTag, ValueError):
            matches = False
        if not matches:
            raise PassphraseError(
                f"incorrect passphrase: set {PASSPHRASE} or {PASSPHRASE_FILE} to the one that the stack was made with"
            )
        return crypter

    def encrypt(self, place: str, value: Any) -> str:
        """Encrypt a value; the same value at the same place keeps its ciphertext, so that no-ops write no change."""
        plaintext = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        known = self._ciphertexts.get((place, plaintext))
        if known is None:
            known = self._ciphertexts[place, plaintext] = self._encrypt_text(plaintext)
        return known

    def decrypt(self, place: str, ciphertext: str) -> Any:
        """Raises StateError when the ciphertext was not made with this stack's key."""
        try:
            plaintext = self._decrypt_text(ciphertext)
        except (InvalidTag, ValueError) as error:
            raise StateError(
                "a secret in the state cannot be decrypted: the state belongs to another passphrase or is damaged"
            ) from error
        self._ciphertexts[place, plaintext] = ciphertext
        return json.loads(plaintext)

    def decrypt_text(self, ciphertext: str) -> str:
        """A secure value of the stack's configuration. Raises StateError when it was made with another key."""
        try:
            return self._decrypt_text(ciphertext)
        except (InvalidTag, ValueError) as error:
            raise StateError(
                "a secure value of the stack's configuration cannot be decrypted: it was made with another passphrase"
            ) from error

    def _encrypt_text(self, plaintext: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, plaintext.encode(), None)
        return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"

    def _decrypt_text(self, ciphertext: str) -> str:
        _version, nonce, sealed = ciphertext.split(":", 2)
        return self._cipher.decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None).decode()


def _derive(passphrase: str, salt: bytes) -> bytes:
    """Not by ``hashlib``, which can take twice as long: a noticeable part of a run that changes nothing."""
    return PBKDF2HMAC(SHA256(), _KEY_BYTES, salt, _ITERATIONS).derive(passphrase.encode())
