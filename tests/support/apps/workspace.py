"""The apps with their packages installed and both fronts built: once for a run of tests, whoever comes first."""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.apps.node import NODE, NPM, run
from tests.support.apps.process import AppProcess
from tests.support.environment import ROOT
from tests.support.programs import skip_without

APPS = ROOT / "apps"
FRONTS = ("admin", "app")

CANARY = "value-of-the-machine-that-builds"
"""What each variable of the fronts holds during the build: no built file may hold it."""

_NO_REGISTRY = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "ENOTCACHED")


@dataclass(frozen=True)
class Workspace:
    folder: Path
    node: tuple[str, ...] = (NODE,)

    def start(self, app: str, *options: str, **environment: str) -> AppProcess:
        """Start an app on a free port of the loopback interface; ``options`` go to Node."""
        script = f"{app}/server.js" if app in FRONTS else f"{app}/src/main.js"
        return AppProcess([*self.node, *options, script], self.folder, environment)


def listed_variables(front: str) -> list[str]:
    """The names in a front's ``.env.example``."""
    lines = (APPS / front / ".env.example").read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[0] for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "apps"
    with (shared / "apps.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            _prepare(folder)
            (folder / ".ready").touch()
    return Workspace(folder)


def _prepare(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(APPS, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    install_packages(folder, "ci")
    names = {name for front in FRONTS for name in listed_variables(front)}
    built = run((*NPM, "run", "build", "--workspaces", "--if-present"), folder, **dict.fromkeys(names, CANARY))
    if built.returncode:
        pytest.fail(f"npm run build: {built.stdout[-2_000:]}\n{built.stderr[-2_000:]}", pytrace=False)


def install_packages(folder: Path, command: str, *options: str) -> None:
    """Run ``npm ci`` or ``npm install``. Skips where no registry of npm packages is reached."""
    done = run((*NPM, command, "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", *options), folder)
    if done.returncode:
        why = next((code for code in _NO_REGISTRY if code in done.stderr), None)
        if why is not None:
            skip_without("npm", f"no registry of npm packages is reached ({why})")
        pytest.fail(f"npm {command}: {done.stderr[-2_000:]}", pytrace=False)
