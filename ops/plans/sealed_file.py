"""The plan file, signed by the planner (Ed25519) and encrypted for the appliers (age).

It consists of a format line, a line with the signer's public key and the signature, and the age file. The signature
covers the format line and the age file, so nothing from an unknown signer is decrypted. The encrypted part also
contains the signer's public key, which prevents anyone from re-signing somebody else's plan.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode

if TYPE_CHECKING:
    import pyrage.x25519
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_FORMAT = b"snu-plan 1\n"
MOST_BYTES = 8 * 2**20
"""Maximum file size. A plan for 200 resources takes up about a tenth of this limit."""
_MOST_CONTENT_BYTES = 32 * 2**20
"""Maximum size of the decompressed content."""
_MOST_VALUES = 1_000_000
"""Maximum number of JSON values: a value can take as little as 2 bytes in the file but about 100 in memory."""
_SIGNER = "signer"
_CONTENT = "content"


def refused(message: str) -> OpsError:
    return OpsError(f"{message} Nothing was changed.", ExitCode.REFUSED)


def public_key(key: Ed25519PrivateKey) -> str:
    """The public key in the format used in settings: its 32 bytes in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def seal(content: Mapping[str, Any], key: Ed25519PrivateKey, recipients: Collection[str]) -> bytes:
    """The plan file for JSON-serializable content, encrypted for the age ``recipients``."""
    import pyrage

    inner = json.dumps({_SIGNER: public_key(key), _CONTENT: content}).encode()
    encrypted: bytes = pyrage.encrypt(
        zlib.compress(inner), [pyrage.x25519.Recipient.from_str(recipient) for recipient in recipients]
    )
    signature = base64.b64encode(key.sign(_FORMAT + encrypted)).decode()
    return _FORMAT + f"{public_key(key)} {signature}\n".encode() + encrypted


@dataclass(frozen=True)
class SealedFile:
    """A plan file with a valid signature. The caller decides whether the stack trusts its signer."""

    signer: str
    """Public key."""
    _encrypted: bytes

    @classmethod
    def read(cls, file: bytes) -> SealedFile:
        """Raises OpsError if this is not a plan file or its signature is invalid."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if not file.startswith(_FORMAT):
            raise refused("Not a valid plan file; expected the output of `scripts/snu plan`.")
        line, _, encrypted = file[len(_FORMAT) :].partition(b"\n")
        try:
            signer, signature = (base64.b64decode(part, validate=True) for part in line.split(b" "))
            Ed25519PublicKey.from_public_bytes(signer).verify(signature, _FORMAT + encrypted)
        except (ValueError, binascii.Error):
            raise refused("The plan file has no readable signature: it is unsigned or was altered.") from None
        except InvalidSignature:
            raise refused("The plan file has an invalid signature: it was altered after it was signed.") from None
        return cls(base64.b64encode(signer).decode(), encrypted)

    def open(self, identity: pyrage.x25519.Identity) -> dict[str, Any]:
        """The decrypted content. Raises OpsError if it was encrypted for other identities."""
        import pyrage

        try:
            inner = json.loads(_bounded(pyrage.decrypt(self._encrypted, [identity])))
            signer, content = inner[_SIGNER], dict(inner[_CONTENT])
        except pyrage.DecryptError:
            raise refused(
                "The plan cannot be decrypted with this key. Use the key of one of the appliers in snu:plans.appliers."
            ) from None
        except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
            raise refused("The plan's content is damaged.") from None
        if signer != self.signer:
            raise refused("The plan was re-signed by somebody other than its author.")
        return content


def _bounded(compressed: bytes) -> bytes:
    """The decompressed content. Raises zlib.error, or ValueError if it is too large for a plan."""
    decompressor = zlib.decompressobj()
    content = decompressor.decompress(compressed, _MOST_CONTENT_BYTES)
    if not decompressor.eof or sum(map(content.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise ValueError("incomplete or too large")
    return content
