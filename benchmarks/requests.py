"""Requests to Scaleway that commands make, which do not depend on the machine."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.measure import Session
from tests.lab.lab import Lab
from tests.support.environment import clean_environment
from tests.support.stack_yaml import stack_yaml

_OTHER = "other"
"""A second environment, with the same apps as `local`."""
_REQUEST = re.compile(r"\b(GET|HEAD|POST|PUT|PATCH|DELETE) (/\S+)")


@dataclass(frozen=True)
class Command:
    words: str
    typed: str = ""
    """On standard input."""


COMMANDS = (
    Command(f"secrets compare local {_OTHER}"),
    Command("secrets get local MONGO_URL"),
    Command("secrets set local MONGO_URL --yes", "another-mongo-url"),
    Command("secrets list local"),
    Command("secrets history local"),
)


def run(session: Session) -> None:
    with _prepared() as lab:
        print(f"\n{'command':<40}  {'requests':>8}  {'of values':>9}  {'changing':>8}")
        for command in COMMANDS[:1] if session.smoke else COMMANDS:
            before = len(_requests(lab))
            _run(lab, command)
            made = _requests(lab)[before:]
            values = sum(path.endswith("/access") for _, path in made)
            changing = sum(method not in ("GET", "HEAD") for method, _ in made)
            print(f"{command.words:<40}  {len(made):>8}  {values:>9}  {changing:>8}")
    print("With states on this machine; `list` and `history` read each of a document's newest versions once.")


@contextmanager
def _prepared() -> Iterator[Lab]:
    """With two environments on one foundation."""
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as folder, Lab.running(Path(folder) / "project") as lab:
        lab.project.change(
            "foundation-local",
            lambda config: config["snu:environments"].update(
                {_OTHER: copy.deepcopy(dict(config["snu:environments"]["local"]))}
            ),
        )
        stack = yaml.safe_load(lab.project.stack_file("local").read_text())
        stack["config"]["snu:environment"]["name"] = _OTHER
        lab.project.stack_file(_OTHER).write_text(stack_yaml(stack))
        lab.up_ok("foundation-local")
        yield lab


def _run(lab: Lab, command: Command) -> None:
    directory = lab.project.directory
    subprocess.run(
        [sys.executable, "-m", "ops", *command.words.split(), "-C", str(directory)],
        cwd=directory,
        env=clean_environment(),
        input=command.typed,
        text=True,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _requests(lab: Lab) -> list[tuple[str, str]]:
    """Methods and paths that the local Scaleway has answered, as its log has them."""
    lines = (lab.project.directory / ".local/test-scaleway.log").read_text().splitlines()
    found = (_REQUEST.search(line) for line in lines)
    return [(each[1], each[2]) for each in found if each and not each[2].startswith("/_local/")]
