"""Stacks' files that are written by the command and read by people."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.settings import Image
from ops.errors import OpsError
from ops.stack_file import edited, write_images
from pulumi_state.stack_file import StackFile
from tests.support.environment import ROOT

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize("file", sorted(ROOT.glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_nothing_but_the_change_is_written(file: Path) -> None:
    text = file.read_text()
    assert edited(text, lambda config: None) == text


def test_images_are_set_and_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.stage.yaml"
    text = (ROOT / "Pulumi.stage.yaml").read_text()
    file.write_text(text)
    assert write_images(file, {"api": Image(version="4f2a", digest=DIGEST)})
    before, after = text.splitlines(), file.read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new.strip() for _, new in changed] == ["version: 4f2a", f"digest: {DIGEST}"]
    assert not write_images(file, {"api": Image(version="4f2a", digest=DIGEST)})


def test_a_version_that_looks_like_a_number_stays_a_text(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.stage.yaml"
    file.write_text((ROOT / "Pulumi.stage.yaml").read_text())
    write_images(file, {"api": Image(version="123e45", digest=DIGEST)})
    from infra.settings import EnvironmentSettings, load_file

    settings = load_file(file)
    assert isinstance(settings, EnvironmentSettings)
    image = settings.images["api"]
    assert isinstance(image, Image)
    assert image.version == "123e45"


@pytest.mark.parametrize("version", ["yes", "N", "12e4567", "012345", "2026-11-26", "1.10", "null", "plain"])
def test_whatever_is_written_is_accepted_and_the_same(tmp_path: Path, version: str) -> None:
    file = tmp_path / "Pulumi.stage.yaml"
    file.write_text((ROOT / "Pulumi.stage.yaml").read_text())
    write_images(file, {"api": Image(version=version, digest=DIGEST)})
    assert StackFile.read(file).config["snu:images"]["api"] == {"version": version, "digest": DIGEST}


def test_a_file_with_flaws_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.stage.yaml"
    file.write_text("config:\n  snu:since: 2026-11-26\n")
    with pytest.raises(OpsError, match=r"Pulumi\.stage\.yaml:2: snu:since: found `2026-11-26`"):
        write_images(file, {})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=r"Pulumi\.none\.yaml does not exist"):
        write_images(tmp_path / "Pulumi.none.yaml", {})
