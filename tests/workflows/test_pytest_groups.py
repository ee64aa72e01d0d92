"""Tests that share a lab or the Docker engine are in a group of pytest-xdist: one worker must run all of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_MODULE = """
import os
import pytest

@pytest.mark.xdist_group("group")
@pytest.mark.parametrize("number", range(8))
def test_of_the_group(number):
    with open("workers", "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_one_worker_runs_a_group(tmp_path: Path) -> None:
    (tmp_path / "test_module.py").write_text(_MODULE)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:randomly"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    workers = (tmp_path / "workers").read_text().split()
    assert len(workers) == 8
    assert len(set(workers)) == 1
