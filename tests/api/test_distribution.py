"""The local Scaleway installs and runs without the rest of the project."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.support.environment import ROOT
from tests.support.forks import REAL_PYTHON
from tests.support.programs import skip_without

PROJECT = ROOT / "localcloud"
_UV = str(Path(REAL_PYTHON).with_name("uv"))
_START_SECONDS = 60.0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as pip would, with the build backend of the tests' environment."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [REAL_PYTHON, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=PROJECT, env=_environment(folder), check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and its locked dependencies, from uv's cache if they are all there."""
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run([_UV, "venv", "--quiet", "--python", REAL_PYTHON, str(folder / "venv")], check=True)
    install = [_UV, "pip", "install", "--quiet", "--python", str(folder / "venv/bin/python"), str(wheel)]
    install += ["--constraints", str(ROOT / "requirements-local.txt")]
    done = subprocess.run([*install, "--offline"], env=_environment(), capture_output=True, text=True)
    if done.returncode != 0:
        done = subprocess.run([*install, "--system-certs"], env=_environment(), capture_output=True, text=True)
    if done.returncode == 0:
        return folder / "venv"
    if "error sending request" in done.stderr or "Failed to fetch" in done.stderr:
        skip_without("package index", done.stderr.strip().splitlines()[-1])
    raise AssertionError(done.stderr)


def _environment(home: Path | None = None) -> dict[str, str]:
    """Nothing that would make the checkout importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return kept | ({"HOME": str(home)} if home else {})


def test_it_serves_its_api_from_an_environment_of_its_own(installed: Path, tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    command = [str(installed / "bin/local-scaleway"), "--data", str(data), "--port", "0"]
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=tmp_path, env=_environment(tmp_path), stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not (data / "server.json").exists() or not (text := (data / "server.json").read_text()):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        with urllib.request.urlopen(json.loads(text)["url"] + "/") as page:
            assert "Scaleway" in page.read().decode()
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == -signal.SIGTERM, log.read_text()


def test_it_brings_nothing_else_of_the_project(installed: Path) -> None:
    listed = "import importlib.util; print(*[n for n in NAMES if importlib.util.find_spec(n)])"
    names = ["engine", "gitrepo", "infra", "localcloud", "ops", "policy", "pulumi", "pulumi_state", "scaleway_facts"]
    done = subprocess.run(
        [installed / "bin/python", "-P", "-c", listed.replace("NAMES", repr(names))],
        env=_environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["localcloud", "scaleway_facts"]
