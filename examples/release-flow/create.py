"""Creates a practice project: a Git repository with its own remote and its own local Scaleway."""

from __future__ import annotations

import argparse
import shlex
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
TEMPLATE = Path(__file__).resolve().parent / "project"
DEFAULT_PORT = 8431
"""The port in the template's stack files. Object storage uses the next one."""

_PROGRAM = ("__main__.py", "Pulumi.yaml")
_PACKAGES = ("gitrepo", "infra", "pulumi_state", "scaleway_facts")
"""Packages that the Pulumi program imports. The command `snu` runs from the checkout."""
_LAST_PORT = 8531
_SNU = """\
# Runs the checkout's command on this project.
case " $* " in
"  " | *" --help "* | *" -h "* | *" --version "*) exec {snu} "$@" ;;
esac
exec {snu} "$@" --cwd {folder}"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="examples/release-flow/create", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the practice project; must not exist")
    parser.add_argument(
        "--port", type=int, help=f"port of the project's local Scaleway (default: a free one from {DEFAULT_PORT})"
    )
    options = parser.parse_args()
    folder = options.folder.resolve()
    if folder.exists():
        parser.error(f"{options.folder} already exists; nothing was changed")
    if folder.is_relative_to(CHECKOUT):
        parser.error(f"{options.folder} is inside this checkout; choose a folder outside it, such as ../practice")
    port = options.port or free_port()
    create(folder, port)
    print(f"Created the practice project {options.folder}: branch main, remote origin in .local/origin.git")
    print(f"Its local Scaleway will listen at http://127.0.0.1:{port}")
    print(f"Next: cd {shlex.quote(str(options.folder))} && ./snu local start --runtime off")
    return 0


def create(folder: Path, port: int) -> None:
    """Copy the Pulumi program and the template, write the commands ``snu`` and ``build``, and commit."""
    shutil.copytree(TEMPLATE, folder)
    for stack_file in folder.glob("Pulumi.*.yaml"):
        stack_file.write_text(stack_file.read_text().replace(f":{DEFAULT_PORT}", f":{port}"))
    for name in _PROGRAM:
        shutil.copy(CHECKOUT / name, folder)
    for package in _PACKAGES:
        shutil.copytree(CHECKOUT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(CHECKOUT / ".venv")
    snu, python, build_images = CHECKOUT / "scripts/snu", CHECKOUT / ".venv/bin/python", TEMPLATE.parent / "build.py"
    _write_command(folder / "snu", _SNU.format(snu=_quoted(snu), folder=_quoted(folder)))
    _write_command(
        folder / "build",
        f'PYTHONPATH={_quoted(CHECKOUT)} exec {_quoted(python)} -P {_quoted(build_images)} {_quoted(folder)} "$@"',
    )
    _initialize_repository(folder)


def free_port() -> int:
    """The first port, counting from the default, that is free along with the next one."""
    for port in range(DEFAULT_PORT, _LAST_PORT, 2):
        if _is_free(port) and _is_free(port + 1):
            return port
    sys.exit(f"error: all ports from {DEFAULT_PORT} to {_LAST_PORT} are in use; choose one with --port")


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _initialize_repository(folder: Path) -> None:
    origin = folder / ".local/origin.git"
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    _git(folder, "remote", "add", "origin", str(origin))
    _git(folder, "config", "user.name", "Practice")
    _git(folder, "config", "user.email", "practice@snu.localhost")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message=Start the practice project")
    _git(folder, "push", "--quiet", "--set-upstream", "origin", "main")


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True)


def _write_command(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


if __name__ == "__main__":
    sys.exit(main())
