"""A machine on which nothing is set up: a clone of the project, an empty home folder, and few programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.project import Project
from tests.support.environment import ROOT
from tests.support.forks import REAL_PYTHON
from tests.support.ports import free_port
from tests.support.programs import missing, skip_without

PROGRAMS = (
    *("awk", "bash", "cat", "cksum", "cp", "dirname", "grep", "head", "ls", "mkdir", "mktemp", "mv", "readlink", "rm"),
    *("sed", "seq", "sh", "sleep", "sort", "tail", "tr", "wc"),
    *("curl", "git"),
)
"""What the machine has beside Python. No Docker and no Pulumi CLI, wherever the tests run."""

_PORT = 8421
"""The port of the local Scaleway in the stack files and the documents; its object storage has the next one."""
_KEPT_VARIABLES = ("LANG", "PYTHONPYCACHEPREFIX", "TMPDIR")


@dataclass(frozen=True)
class Machine:
    project: Project
    environment: dict[str, str]

    @property
    def home(self) -> Path:
        return Path(self.environment["HOME"])

    def at_own_port(self, text: str) -> str:
        return at_port(text, self.project.port)

    def at_documented_port(self, text: str) -> str:
        """Text with the port that the documentation uses, the reverse of `at_own_port`."""
        own = self.project.port
        return re.sub(rf"\b({own}|{own + 1})\b", lambda number: str(int(number[1]) - own + _PORT), text)


def at_port(text: str, port: int) -> str:
    """The text with another port of the local Scaleway: so that tests can run side by side, on any machine."""
    return re.sub(rf"\b({_PORT}|{_PORT + 1})\b", lambda found: str(int(found[1]) - _PORT + port), text)


@contextmanager
def fresh_machine(folder: Path) -> Iterator[Machine]:
    """Clone the project into an empty folder. A local Scaleway that was started there is stopped in the end."""
    for program in missing(PROGRAMS):
        skip_without(program, "not on PATH")
    home, programs = folder / "home", folder / "bin"
    home.mkdir(parents=True)
    programs.mkdir()
    for program in PROGRAMS:
        (programs / program).symlink_to(shutil.which(program) or program)
    (programs / "python3").symlink_to(Path(REAL_PYTHON).resolve())
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ} | {
        "PATH": str(programs),
        "HOME": str(home),
        "NO_COLOR": "1",
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",  # none at Docker's default address either
        "HTTPS_PROXY": "http://127.0.0.1:9",  # nothing on the internet is asked
        "PIP_NO_INDEX": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    project = Project(folder / "project", free_port())
    _clone(project, environment)
    _install(project.directory)
    _check_isolation(project, environment)
    try:
        yield Machine(project, environment)
    finally:
        if (project.directory / ".local/scaleway.pid").exists():
            project.snu("local", "stop")


def _clone(project: Project, environment: dict[str, str]) -> None:
    """What git would clone if everything were committed, as the branch `main`, with a port of its own."""
    folder = project.directory

    def git(*arguments: str) -> None:
        author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        subprocess.run(["git", *author, *arguments], check=True, env=environment)

    git("init", "--quiet", "--initial-branch=main", str(folder))
    into_one_file = ("-c", "core.bigFileThreshold=1")  # quicker than a file for each object
    git(*into_one_file, f"--git-dir={folder / '.git'}", f"--work-tree={ROOT}", "add", "--all")
    git("-C", str(folder), "commit", "--quiet", "--message=The project")
    git("-C", str(folder), "reset", "--quiet", "--hard")
    for path in folder.glob("Pulumi.*.yaml"):
        path.write_text(at_port(path.read_text(), project.port))
    git("-C", str(folder), "commit", "--quiet", "--all", "--message=Use another port")


def _install(folder: Path) -> None:
    """Leave what `scripts/bootstrap` leaves when it has installed the packages, with the Python of the tests.

    Only Python is there: if the script found its work undone, it could install nothing, and would fail.
    """
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    shutil.copy(ROOT / ".venv/.bootstrap", folder / ".venv")


def _check_isolation(project: Project, environment: dict[str, str]) -> None:
    """Fail before anything is changed if the commands would work on the checkout under test, or on another one."""
    status = subprocess.run(
        ["scripts/snu", "local", "status"], cwd=project.directory, env=environment, capture_output=True, text=True
    )
    assert project.api_url in status.stdout, f"not at {project.api_url}: {status.stdout}{status.stderr}"
