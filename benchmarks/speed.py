"""How fast the command is, as ratios of one run: ``scripts/bench``.

Absolute times depend on the machine and on what else it does; ratios of times measured in turns do not.
Prints a table with the targets and never fails because of them.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.project import ROOT, Project, clean_environment, copy_project

_IMPORTS = "import pulumi, pulumiverse_scaleway.containers"
_STACKS = ("foundation-local", "local")


@dataclass
class Times:
    """Seconds of one thing, measured several times."""

    seconds: list[float] = field(default_factory=list)

    def measure(self, work: Callable[..., None], *arguments: object) -> None:
        started = time.perf_counter()
        work(*arguments)
        self.seconds.append(time.perf_counter() - started)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Ratio:
    name: str
    upper: Times
    lower: Times
    target: float

    def row(self) -> str:
        ratio = self.upper.median / self.lower.median
        verdict = "ok" if ratio <= self.target else "MISSED"
        times = f"{self.upper.median:6.2f} s / {self.lower.median:6.2f} s"
        return f"{self.name:<58} {times}  {ratio:6.2f}  <= {self.target:<4g} {verdict}"


def snu(project: Project, *arguments: str) -> None:
    ended = project.snu(*arguments, "--engine", "embedded")
    if ended.returncode != 0:
        raise SystemExit(f"snu {' '.join(arguments)} failed:\n{ended.stdout}{ended.stderr}")


def import_provider() -> None:
    subprocess.run([sys.executable, "-c", _IMPORTS], check=True, env=clean_environment())


def apply(project: Project, stack: str) -> None:
    snu(project, "up", stack, "--yes", "--skip-preview")


def fresh_project(folder: Path) -> Project:
    project = copy_project(folder)
    project.start_cloud(transitions=0.0)
    apply(project, _STACKS[0])
    return project


def with_containers(project: Project, count: int) -> None:
    """Give the stack ``local`` so many containers, all like its app ``app`` without a host."""
    path = project.stack_file("local")
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    model = {"cpu": 256, "memory": 256, "minScale": 1, "maxScale": 1, "variables": {"APP_NAME": "app"}}
    digest = document["config"]["snu:images"]["app"]
    names = [f"c{number:03}" for number in range(count)]
    document["config"]["snu:images"] = dict.fromkeys(names, digest)
    document["config"]["snu:apps"] = dict.fromkeys(names, model)
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def measure_stack(folder: Path, rounds: int) -> list[Ratio]:
    imports, no_change, first_up = Times(), Times(), Times()
    for number in range(rounds):
        project = fresh_project(folder / f"stack-{number}")
        try:
            first_up.measure(apply, project, "local")
            imports.measure(import_provider)
            no_change.measure(snu, project, "preview", "local")
        finally:
            project.stop_cloud()
    return [
        Ratio("no-change preview of local / import of SDK and provider", no_change, imports, 3),
        Ratio("first up of local / its no-change preview", first_up, no_change, 2),
    ]


def measure_growth(folder: Path, rounds: int) -> Ratio:
    times = {10: Times(), 100: Times()}
    for number in range(rounds):
        for count, spent in times.items():
            project = fresh_project(folder / f"growth-{number}-{count}")
            try:
                with_containers(project, count)
                spent.measure(apply, project, "local")
            finally:
                project.stop_cloud()
    return Ratio("up of 100 containers / up of 10", times[100], times[10], 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="scripts/bench")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each thing (default: 3)")
    rounds = max(1, parser.parse_args().rounds)
    print(f"Measuring {ROOT.name}, {rounds} rounds, medians; this takes about a minute a round.")
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as name:
        ratios = [*measure_stack(Path(name), rounds), measure_growth(Path(name), rounds)]
    print(f"{'':<58} {'medians':^19}  {'ratio':>6}  target")
    for ratio in ratios:
        print(ratio.row())


if __name__ == "__main__":
    main()
