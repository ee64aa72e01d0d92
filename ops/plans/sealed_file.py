"""The file that carries a plan: signed by who planned (Ed25519), readable by who applies (age) and by nobody else.

Three parts: a line that names the format, a line with the signer's public key and the signature, and the age file.
The signature is over the format and the age file, so that nothing is decrypted that a stranger has made. The signer's
key stands in the encrypted part as well: a plan cannot be passed off as another signer's.
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
"""Largest file that is read. A plan of 200 resources has about a tenth of it."""
_MOST_CONTENT_BYTES = 32 * 2**20
"""Largest content; what is larger is not decompressed."""
_MOST_VALUES = 1_000_000
"""A value of JSON takes two bytes in the file and a hundred in memory."""
_SIGNER = "signer"
_CONTENT = "content"


def refused(message: str) -> OpsError:
    return OpsError(f"{message} Nothing was changed.", ExitCode.REFUSED)


def public_key(key: Ed25519PrivateKey) -> str:
    """The public half, as settings hold it: base64 of its 32 bytes."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def seal(content: Mapping[str, Any], key: Ed25519PrivateKey, recipients: Collection[str]) -> bytes:
    """The file of a content that JSON can say, for the age ``recipients``."""
    import pyrage

    inner = json.dumps({_SIGNER: public_key(key), _CONTENT: content}).encode()
    encrypted: bytes = pyrage.encrypt(
        zlib.compress(inner), [pyrage.x25519.Recipient.from_str(recipient) for recipient in recipients]
    )
    signature = base64.b64encode(key.sign(_FORMAT + encrypted)).decode()
    return _FORMAT + f"{public_key(key)} {signature}\n".encode() + encrypted


@dataclass(frozen=True)
class SealedFile:
    """A file whose signature is right; who signed it is to be judged by whoever knows the stack."""

    signer: str
    """Public key."""
    _encrypted: bytes

    @classmethod
    def read(cls, file: bytes) -> SealedFile:
        """Raises OpsError when the file is no plan, or is not what its signer has signed."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if not file.startswith(_FORMAT):
            raise refused("This is no plan that `scripts/snu plan` has written, or it was altered.")
        line, _, encrypted = file[len(_FORMAT) :].partition(b"\n")
        try:
            signer, signature = (base64.b64decode(part, validate=True) for part in line.split(b" "))
            Ed25519PublicKey.from_public_bytes(signer).verify(signature, _FORMAT + encrypted)
        except (ValueError, binascii.Error):
            raise refused("The plan bears no signature that can be read: it is unsigned, or was altered.") from None
        except InvalidSignature:
            raise refused("The plan's signature is wrong: the file was altered since it was signed.") from None
        return cls(base64.b64encode(signer).decode(), encrypted)

    def open(self, identity: pyrage.x25519.Identity) -> dict[str, Any]:
        """What was sealed. Raises OpsError when it is not for this identity."""
        import pyrage

        try:
            inner = json.loads(_bounded(pyrage.decrypt(self._encrypted, [identity])))
            signer, content = inner[_SIGNER], dict(inner[_CONTENT])
        except pyrage.DecryptError:
            raise refused(
                "The plan cannot be decrypted: it was made for other keys than the one given. Give the key of one of "
                "the stack's snu:plans.appliers."
            ) from None
        except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
            raise refused("The plan's content is damaged.") from None
        if signer != self.signer:
            raise refused("The plan was signed anew by somebody who did not make it.")
        return content


def _bounded(compressed: bytes) -> bytes:
    """The decompressed content. Raises zlib.error, and ValueError where it is larger than any plan."""
    decompressor = zlib.decompressobj()
    content = decompressor.decompress(compressed, _MOST_CONTENT_BYTES)
    if not decompressor.eof or sum(map(content.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise ValueError("incomplete, or too large")
    return content
