"""The keys of plans: generated, read, and removed from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.settings import load_file
from ops.commands.plan_keys import make_keys
from ops.errors import OpsError
from ops.plans import keys
from ops.plans.sealed_file import public_key
from ops.stacks import Stack
from tests.support.environment import ROOT
from tests.support.released_project import project

__all__ = ["project"]

_REAL = Stack(ROOT, "stage", {}, "passphrase")
_LOCAL = Stack(ROOT, "local", {"scaleway:apiUrl": "http://127.0.0.1:8421"}, "passphrase")


def make(project: Path, stack: str, out: Path, planner: str = "ci", applier: str = "deploy") -> None:
    make_keys(project, stack, out, planner=planner, applier=applier)


@pytest.mark.parametrize("stack", ["ci", "stage", "production", "foundation-ci", "foundation-production"])
def test_generated_keys_are_read_back(
    project: Path, tmp_path: Path, stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / f"Pulumi.{stack}.yaml"
    before = file.read_text()
    make(project, stack, tmp_path / "keys")
    said = capsys.readouterr().out
    signing, identity = tmp_path / f"keys/{stack}-plan-signing.key", tmp_path / f"keys/{stack}-plan-identity.key"
    for path in (signing, identity):
        assert path.stat().st_mode & 0o077 == 0
        assert path.read_text().strip() not in said
    assert file.read_text().startswith(before)  # comments and all
    plans = load_file(file).plans
    assert plans is not None
    environ = {"SNU_PLAN_SIGNING_KEY_FILE": str(signing), "SNU_PLAN_IDENTITY": identity.read_text(), "OTHER": "x"}
    assert plans.planners == {"ci": public_key(keys.signing_key(_REAL, environ))}
    assert plans.appliers == {"deploy": str(keys.identity(_REAL, environ).to_public())}
    assert environ == {"OTHER": "x"}


def test_the_release_workflow_gets_each_key_where_it_is_used(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(project, "production", tmp_path / "keys")
    commands = [line.strip() for line in capsys.readouterr().out.splitlines() if "gh secret set" in line]
    folder = tmp_path / "keys"
    assert commands == [
        f"gh secret set SNU_PLAN_SIGNING_KEY --env production-plan < {folder}/production-plan-signing.key",
        f"gh secret set SNU_PLAN_IDENTITY --env production < {folder}/production-plan-identity.key",
    ]


def test_key_files_are_not_overwritten(project: Path, tmp_path: Path) -> None:
    make(project, "stage", tmp_path / "keys")
    file = project / "Pulumi.stage.yaml"
    before = file.read_text(), {path: path.read_text() for path in (tmp_path / "keys").iterdir()}

    def refused(says: str, out: str, stack: str = "stage", **names: str) -> None:
        with pytest.raises(OpsError, match=says):
            make(project, stack, tmp_path / out, **names)

    refused("already has snu:plans.planners.ci", "other")
    refused("already has snu:plans.appliers.deploy", "other", planner="second")
    refused("already exists", "keys", planner="second", applier="second")
    refused("--planner is No Name", "other", planner="No Name", applier="second")
    refused("is in the checkout", "project/keys", stack="production")
    assert not (tmp_path / "other").exists()
    assert not (project / "keys").exists()
    assert before == (file.read_text(), {path: path.read_text() for path in (tmp_path / "keys").iterdir()})
    make(project, "stage", tmp_path / "other", planner="second", applier="second")
    plans = load_file(file).plans
    assert plans is not None
    assert set(plans.planners) == {"ci", "second"}


def test_local_stacks_have_built_in_keys() -> None:
    for name in ("local", "foundation-local"):
        plans = load_file(ROOT / f"Pulumi.{name}.yaml").plans
        assert plans is not None
        assert public_key(keys.signing_key(_LOCAL, {})) in plans.planners.values()
        assert str(keys.identity(_LOCAL, {}).to_public()) in plans.appliers.values()


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "SNU_PLAN_SIGNING_KEY_FILE to the path"),
        ({"SNU_PLAN_SIGNING_KEY": "short"}, "expected 32 bytes in base64"),
        (
            {"SNU_PLAN_SIGNING_KEY_FILE": "/nowhere/key"},
            "/nowhere/key, set in SNU_PLAN_SIGNING_KEY_FILE, cannot be read",
        ),
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
