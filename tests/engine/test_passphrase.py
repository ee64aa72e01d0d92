"""Secrets are compatible with Pulumi's passphrase provider, in both directions."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_state import passphrase
from pulumi_state.errors import PassphraseError, StateError
from pulumi_state.passphrase import Crypter, passphrase_from

# Made by `pulumi config set --secret` (CLI 3.259) with this passphrase.
PASSPHRASE = "local-not-a-secret"
SALT = "v1:fmmGFW9P3cc=:v1:+YA8hKV3sE97HfY2:9twEvJfwv77530MYytOiG3vcfIOCZA=="
VECTORS = {
    "plain": "v1:XY/6InOWtNjfmOjM:a5tyqKxPKW+cKylxqNPjsCc9Q5UL",
    'naïve <é> "q"': "v1:pF1BqqDmfK2OHNAh:0rv6lhd+uCR5t2qckqw2TGdQUs2lEN3setIFQTivIg==",
}


@pytest.fixture(scope="module")
def crypter() -> Crypter:
    return Crypter.open(PASSPHRASE, SALT)


def test_the_clis_salt_opens(crypter: Crypter) -> None:
    assert crypter.salt == SALT


@pytest.mark.parametrize("plain", VECTORS)
def test_the_clis_ciphertexts_are_read(crypter: Crypter, plain: str) -> None:
    assert crypter.decrypt_text(VECTORS[plain]) == plain


def test_a_wrong_passphrase_is_named_as_such() -> None:
    with pytest.raises(PassphraseError, match="PULUMI_CONFIG_PASSPHRASE"):
        Crypter.open("another", SALT)


@pytest.mark.parametrize("salt", ["", "v1", "v1:abc", "v1:!!!:v1:a:b", "v2:fmmGFW9P3cc=:v1:a:b"])
def test_a_malformed_salt(salt: str) -> None:
    with pytest.raises(StateError, match="salt"):
        Crypter.open(PASSPHRASE, salt)


def test_a_new_salt_opens_again() -> None:
    made = Crypter.new(PASSPHRASE)
    assert Crypter.open(PASSPHRASE, made.salt).decrypt("urn", made.encrypt("urn", {"a": 1})) == {"a": 1}


@pytest.mark.parametrize("ciphertext", ["", "v1:AAAA", "v1:AAAA:AAAA", "v1:+YA8hKV3sE97HfY2:AAAA", "v1:é:é"])
def test_ciphertexts_of_another_key(crypter: Crypter, ciphertext: str) -> None:
    with pytest.raises(StateError, match="cannot be decrypted"):
        crypter.decrypt("urn", ciphertext)
    with pytest.raises(StateError, match="cannot be decrypted"):
        crypter.decrypt_text(ciphertext)


def test_the_variable_wins_over_the_file_even_when_it_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text(" from file \n")
    names = {"PULUMI_CONFIG_PASSPHRASE_FILE": str(file)}
    assert passphrase_from(names) == "from file"
    assert passphrase_from({**names, "PULUMI_CONFIG_PASSPHRASE": ""}) == ""


def test_no_passphrase_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(PassphraseError, match="set PULUMI_CONFIG_PASSPHRASE to"):
        passphrase_from({})
    with pytest.raises(PassphraseError, match="cannot be read"):
        passphrase_from({"PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "none")})


def test_a_key_is_derived_once_also_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    salt = Crypter.new("right").salt
    derived: list[str] = []
    derive = passphrase._derive

    def counted(words: str, raw: bytes) -> bytes:
        derived.append(words)
        return derive(words, raw)

    monkeypatch.setattr(passphrase, "_derive", counted)
    monkeypatch.setattr(passphrase, "_keys", {})
    passphrase.derive_ahead("right", salt)
    sealed = Crypter.open("right", salt).encrypt("urn", "value")
    assert Crypter.open("right", salt).decrypt("urn", sealed) == "value"
    with pytest.raises(PassphraseError):
        Crypter.open("wrong", salt)
    passphrase.derive_ahead("right", "v2:x:y")
    assert derived == ["right", "wrong"]


def test_a_derivation_that_is_interrupted_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    salt = Crypter.new("right").salt
    monkeypatch.setattr(passphrase, "_keys", {})
    with monkeypatch.context() as patch:
        patch.setattr(passphrase, "_derive", interrupt)
        with pytest.raises(KeyboardInterrupt):
            Crypter.open("right", salt)
    assert Crypter.open("right", salt).salt == salt


def interrupt(_passphrase: str, _salt: bytes) -> bytes:
    raise KeyboardInterrupt
