"""The project as releases see it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ops.doctor import workflow
from tests.support.environment import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The committed stacks and the release workflow."""
    folder = tmp_path / "project"
    (folder / workflow.FILE).parent.mkdir(parents=True)
    for path in (*ROOT.glob("Pulumi*.yaml"), *(ROOT / file for file in workflow.FILES)):
        shutil.copy(path, folder / path.relative_to(ROOT))
    return folder
