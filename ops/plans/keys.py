"""Private keys for plans: planners sign with theirs, appliers decrypt with theirs."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.plans.sealed_file import public_key
from ops.process_environment import IDENTITY, SIGNING_KEY
from ops.stacks import Stack

if TYPE_CHECKING:
    import pyrage.x25519
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Only for local stacks, whose settings contain the matching public keys. Not secret, and useless anywhere else.
_LOCAL_SIGNING_KEY = base64.b64encode(b"local-not-a-secret-local-not-a-s").decode()
_LOCAL_IDENTITY = "AGE-SECRET-KEY-1D3HKXCTV94HX7APDVYKHXETRWFJHGTTVDA3KZMPDDEHHGTTP94ES09TM0Q"


@dataclass(frozen=True)
class KeyPair:
    private: str
    public: str


def signing_key(stack: Stack, environ: MutableMapping[str, str]) -> Ed25519PrivateKey:
    """The planner's key, which is removed from the environment so that no child process inherits it.

    Raises OpsError when it is missing or invalid.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    text = _secret(SIGNING_KEY, environ) or (_LOCAL_SIGNING_KEY if stack.is_local else "")
    if not text:
        raise _missing(stack, SIGNING_KEY, "signs plans", "snu:plans.planners")
    try:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        raise OpsError(
            f"{SIGNING_KEY} is not a valid signing key; expected 32 bytes in base64.", ExitCode.ENVIRONMENT
        ) from None


def identity(stack: Stack, environ: MutableMapping[str, str]) -> pyrage.x25519.Identity:
    """The applier's age identity; otherwise like ``signing_key``."""
    import pyrage

    text = _secret(IDENTITY, environ) or (_LOCAL_IDENTITY if stack.is_local else "")
    if not text:
        raise _missing(stack, IDENTITY, "decrypts plans", "snu:plans.appliers")
    try:
        return pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError:
        raise OpsError(
            f"{IDENTITY} is not a valid age identity; expected AGE-SECRET-KEY-1….", ExitCode.ENVIRONMENT
        ) from None


def new_signing_key() -> KeyPair:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    return KeyPair(base64.b64encode(key.private_bytes_raw()).decode(), public_key(key))


def new_identity() -> KeyPair:
    import pyrage

    generated = pyrage.x25519.Identity.generate()
    return KeyPair(str(generated), str(generated.to_public()))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read. Raises OpsError when it already exists."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{text}\n")
    except FileExistsError:
        raise OpsError(f"{path} already exists; keys are not overwritten.", ExitCode.USAGE) from None
    except OSError as error:
        raise OpsError(f"{path} cannot be written: {error.strerror}", ExitCode.USAGE) from error


def _secret(variable: str, environ: MutableMapping[str, str]) -> str:
    in_file = environ.pop(f"{variable}_FILE", "")
    text = environ.pop(variable, "")
    if text or not in_file:
        return text.strip()
    try:
        return Path(in_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OpsError(f"{in_file}, set in {variable}_FILE, cannot be read: {error}", ExitCode.ENVIRONMENT) from error


def _missing(stack: Stack, variable: str, purpose: str, setting: str) -> OpsError:
    return OpsError(
        f"The key that {purpose} is missing: set {variable}, or set {variable}_FILE to the path of a file containing "
        f"it. The matching public key is in {setting} of {stack.file.name}; `scripts/snu plan-keys {stack.name} --out "
        "DIR` generates new keys.",
        ExitCode.ENVIRONMENT,
    )
