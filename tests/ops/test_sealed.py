"""The plan file: it opens exactly as it was sealed, or not at all."""

from __future__ import annotations

import base64
import json
import zlib

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.plans.sealed_file import SealedFile, public_key, seal

_KEY = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
_OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"2" * 32)
_IDENTITY = pyrage.x25519.Identity.generate()
_RECIPIENTS = [str(_IDENTITY.to_public())]
_CONTENT = {"stack": "stage", "text": "é" * 100, "steps": [{"op": "create"}]}
_FILE = seal(_CONTENT, _KEY, _RECIPIENTS)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_sealed_content_can_be_opened(content: dict[str, object]) -> None:
    sealed = SealedFile.read(seal(content, _KEY, _RECIPIENTS))
    assert sealed.signer == public_key(_KEY)
    assert sealed.open(_IDENTITY) == content


@given(st.integers(0, len(_FILE) - 1), st.integers(1, 255))
def test_an_altered_byte_is_detected(place: int, difference: int) -> None:
    altered = bytearray(_FILE)
    altered[place] ^= difference
    with pytest.raises(OpsError) as refused:
        SealedFile.read(bytes(altered))
    assert refused.value.code is ExitCode.REFUSED


@given(st.integers(0, len(_FILE) - 1))
def test_a_truncated_file_is_rejected(length: int) -> None:
    with pytest.raises(OpsError):
        SealedFile.read(_FILE[:length])


@given(st.binary(max_size=400))
def test_other_content_is_rejected(content: bytes) -> None:
    for file in (content, b"snu-plan 1\n" + content):
        with pytest.raises(OpsError):
            SealedFile.read(file)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(OpsError, match="cannot be decrypted"):
        SealedFile.read(_FILE).open(pyrage.x25519.Identity.generate())


def test_each_recipient_opens_it() -> None:
    second = pyrage.x25519.Identity.generate()
    file = seal(_CONTENT, _KEY, [*_RECIPIENTS, str(second.to_public())])
    assert SealedFile.read(file).open(_IDENTITY) == SealedFile.read(file).open(second) == _CONTENT


def test_a_plan_cannot_be_re_signed() -> None:
    """A planner signs the encrypted part of another planner's plan."""
    encrypted = _FILE.split(b"\n", 2)[2]
    signature = base64.b64encode(_OTHER_KEY.sign(b"snu-plan 1\n" + encrypted)).decode()
    forged = b"snu-plan 1\n" + f"{public_key(_OTHER_KEY)} {signature}\n".encode() + encrypted
    with pytest.raises(OpsError, match="re-signed"):
        SealedFile.read(forged).open(_IDENTITY)


def test_the_file_reveals_nothing() -> None:
    for word in ("stage", "create", json.dumps(_CONTENT)[:20]):
        assert word.encode() not in _FILE


@pytest.mark.parametrize(
    "inner",
    [
        pytest.param(b"[" + b"1," * 1_000_001 + b"1]", id="many values"),
        pytest.param(b'"' + b"x" * (33 * 2**20) + b'"', id="large"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="deep"),
    ],
)
def test_oversized_content_is_not_decompressed(inner: bytes) -> None:
    """Even if a trusted planner has signed it."""
    recipient = pyrage.x25519.Recipient.from_str(_RECIPIENTS[0])
    encrypted = pyrage.encrypt(zlib.compress(inner, 1), [recipient])
    signature = base64.b64encode(_KEY.sign(b"snu-plan 1\n" + encrypted)).decode()
    with pytest.raises(OpsError, match="damaged"):
        SealedFile.read(b"snu-plan 1\n" + f"{public_key(_KEY)} {signature}\n".encode() + encrypted).open(_IDENTITY)
