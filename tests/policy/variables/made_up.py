"""Values that look random and are digests of words."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid


def digest(word: str, size: int = 64) -> bytes:
    """Bytes that look random, at most 64."""
    return hashlib.sha512(f"fake {word}".encode()).digest()[:size]


def hexadecimal(word: str, length: int) -> str:
    return digest(word).hex()[:length]


def base64_of(word: str, size: int = 32) -> str:
    """Base64, with its padding, of that many bytes."""
    return base64.b64encode(digest(word, size)).decode()


def letters(word: str, length: int) -> str:
    """Letters and digits."""
    text = base64.b64encode(digest(word) + digest(f"{word} again")).decode()
    return "".join(each for each in text if each.isalnum())[:length]


def uuid_of(word: str) -> str:
    return str(uuid.UUID(bytes=digest(word, 16), version=4))


def token(claims: dict[str, object], word: str) -> str:
    """A JSON web token, signed by nobody."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in [*parts, digest(word, 32)])


def block(kind: str, word: str, lines: int = 2) -> str:
    """A PEM block, or a part of one."""
    body = "\n".join(base64_of(f"{word} {number}", 48) for number in range(lines))
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----"
