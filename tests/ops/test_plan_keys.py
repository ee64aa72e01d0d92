"""The keys of plans: made, found, and gone from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.settings import load_file
from ops.commands.plan import make_keys
from ops.errors import OpsError
from ops.plans import keys
from ops.plans.sealed import public_key
from ops.stacks import Stack
from tests.support.environment import ROOT

_REAL = Stack(ROOT, "stage", {}, "passphrase")
_LOCAL = Stack(ROOT, "local", {"scaleway:apiUrl": "http://127.0.0.1:8421"}, "passphrase")


def test_made_keys_are_found_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_keys(tmp_path / "keys")
    said = capsys.readouterr().out
    signing, identity = tmp_path / "keys/plan-signing.key", tmp_path / "keys/plan-identity.key"
    for path in (signing, identity):
        assert path.stat().st_mode & 0o077 == 0
        assert path.read_text().strip() not in said
    environ = {"SNU_PLAN_SIGNING_KEY_FILE": str(signing), "SNU_PLAN_IDENTITY": identity.read_text(), "OTHER": "x"}
    assert public_key(keys.signing_key(_REAL, environ)) in said
    assert str(keys.identity(_REAL, environ).to_public()) in said
    assert environ == {"OTHER": "x"}
    with pytest.raises(OpsError, match="keys are not overwritten"):
        make_keys(tmp_path / "keys")


def test_local_stacks_have_public_keys_that_their_settings_name() -> None:
    for name in ("local", "foundation-local"):
        plans = load_file(ROOT / f"Pulumi.{name}.yaml").plans
        assert plans is not None
        assert public_key(keys.signing_key(_LOCAL, {})) in plans.planners.values()
        assert str(keys.identity(_LOCAL, {}).to_public()) in plans.appliers.values()


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "SNU_PLAN_SIGNING_KEY_FILE to a file"),
        ({"SNU_PLAN_SIGNING_KEY": "short"}, "expected base64 of 32 bytes"),
        ({"SNU_PLAN_SIGNING_KEY_FILE": "/nowhere/key"}, "/nowhere/key, which cannot be read"),
    ],
)
def test_a_missing_or_wrong_key_is_explained(environ: dict[str, str], says: str) -> None:
    with pytest.raises(OpsError, match=says) as error:
        keys.signing_key(_REAL, dict(environ))
    assert "short" not in str(error.value)


def test_a_wrong_identity_is_not_repeated() -> None:
    with pytest.raises(OpsError, match="expected AGE-SECRET-KEY-1") as error:
        keys.identity(_REAL, {"SNU_PLAN_IDENTITY": "AGE-SECRET-KEY-1WRONG"})
    assert "WRONG" not in str(error.value)
