"""How fast the command is on the stack ``local``, and how it grows."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import Ratio, Samples, Session, Target, print_table
from tests.lab.configuration import keep_apps
from tests.lab.project import Project, copy_project
from tests.support.environment import clean_environment
from tests.support.stack_yaml import stack_yaml

_IMPORTS = "import pulumi, pulumiverse_scaleway.containers"
_STACKS = ("foundation-local", "local")
_FEW, _MANY = 10, 100


def snu(project: Project, *arguments: str) -> None:
    command(project, *arguments, "--engine", "embedded")


def command(project: Project, *arguments: str) -> None:
    """Run a command that has no engine."""
    ended = project.snu(*arguments)
    if ended.returncode != 0:
        raise SystemExit(f"snu {' '.join(arguments)} failed:\n{ended.stdout}{ended.stderr}")


def import_provider() -> None:
    subprocess.run([sys.executable, "-c", _IMPORTS], check=True, env=clean_environment())


def apply(project: Project, stack: str) -> None:
    snu(project, "up", stack, "--yes", "--skip-preview")
    if stack == _STACKS[0]:
        command(project, "keys", "store", stack)


def fresh_project(folder: Path) -> Project:
    project = copy_project(folder)
    project.start_cloud(transitions=0.0)
    apply(project, _STACKS[0])
    return project


def with_containers(project: Project, count: int) -> None:
    """Give the stack ``local`` so many containers without a host, of the image of its app ``app``."""
    path = project.stack_file("local")
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    model = {"cpu": 256, "memory": 256, "minScale": 1, "maxScale": 1, "variables": {"APP_NAME": "app"}, "image": "app"}
    keep_apps(document["config"], dict.fromkeys([f"c{number:03}" for number in range(count)], model))
    path.write_text(stack_yaml(document))


def measure_stack(folder: Path, rounds: int) -> list[Ratio]:
    imports, no_change, first_up = Samples(), Samples(), Samples()
    for number in range(rounds):
        project = fresh_project(folder / f"stack-{number}")
        try:
            first_up.time(apply, project, "local")
            imports.time(import_provider)
            no_change.time(snu, project, "preview", "local")
        finally:
            project.stop_cloud()
    return [
        Ratio("no-change preview of local / import of SDK and provider", no_change, imports, Target(3)),
        Ratio("first up of local / its no-change preview", first_up, no_change, Target(2)),
    ]


def measure_growth(folder: Path, session: Session) -> Ratio:
    few, many = session.size(_FEW, 1), session.size(_MANY, 2)
    times = {few: Samples(), many: Samples()}
    for number in range(session.rounds):
        for count, spent in times.items():
            project = fresh_project(folder / f"growth-{number}-{count}")
            try:
                with_containers(project, count)
                spent.time(apply, project, "local")
            finally:
                project.stop_cloud()
    return Ratio(f"up of {many} containers / up of {few}", times[many], times[few], Target(many / few))


def run(session: Session) -> None:
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as name:
        ratios = [*measure_stack(Path(name), session.rounds), measure_growth(Path(name), session)]
    print_table(ratios, "first", "second")
